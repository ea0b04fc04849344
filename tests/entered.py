"""``python -m tests.entered``: says in which environment a process of ours finds itself."""

from __future__ import annotations

import json
import os
import sys

from drillbook.machine import environment

if __name__ == "__main__":
    environment.enter("tests.entered")
    umask = os.umask(0)
    os.umask(umask)
    told = {
        "environ": dict(os.environ),
        "optimize": sys.flags.optimize,
        "encoding": sys.stdout.encoding,
        "here": os.getcwd(),  # noqa: PTH109 - as the process has it
        "umask": umask,
    }
    sys.stdout.write(json.dumps(told))
