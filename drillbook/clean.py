"""``python -m drillbook.clean``: remove whatever any run left on this engine, kept stacks included.

Only what carries the label of a Compose project of a run is touched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import requests
from docker.errors import DockerException

from drillbook import reaper
from drillbook.machine import environment
from drillbook.machine.refused import WRONG_USE

USAGE = "usage: ./run clean    (it takes no argument, and removes the stacks of all runs)"


def main(arguments: list[str], say: Callable[[str], None]) -> int:
    """Remove and tell; returns 0, 1 where not all could be, 3 with no engine, 4 for arguments."""
    if arguments:
        say(USAGE)
        return 0 if arguments in (["-h"], ["--help"]) else WRONG_USE
    try:
        removed = reaper.sweep(all_of_them=True)
    except reaper.NotRemoved as error:
        say(str(error))
        return 1
    except (DockerException, requests.RequestException) as error:
        say(f"No Docker engine answers, so what it may hold cannot be removed: {error}")
        return 3
    for name in removed:
        say(f"Removed {name}")
    if not removed:
        say("Nothing to remove: no run has left anything.")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    environment.enter("drillbook.clean")
    sys.exit(main(sys.argv[1:], _say))
