"""The environment of the few programs that `check` asks: where they are, and nothing else.

`check` stands below the engine, whose ``drillbook.machine.environment`` decides all other children.
"""

from __future__ import annotations

import os

LET_THROUGH = ("PATH", "HOME")


def environment() -> dict[str, str]:
    """What is let through of the caller's environment."""
    return {name: os.environ[name] for name in LET_THROUGH if name in os.environ}
