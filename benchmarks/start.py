"""``python -m benchmarks.start [--rounds N]``: from the command to its first drill.

Runs ``./run drills 1`` (the entry with the quickest drill) again and again. The first run is the
warm-up, which makes environments and images where they are missing. Exits 1 where the median is
over the goal.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import timing
from benchmarks.stage import say
from drillbook.journal import FILE_NAME, read
from drillbook.machine import environment
from fixtures.folders import ROOT

GOAL_S = 15.0
DEADLINE_S = 1800.0
STACK, FIRST = "stack ready", "first drill"


def started() -> timing.Taken:
    """Run it once; seconds from the command to a ready stack and to the first drill.

    Raises subprocess.CalledProcessError with what the command said.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "run"
        began = time.time()
        subprocess.run(
            ["./run", "drills", "1", "--run-dir", str(directory)],
            env=environment.downloading(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=True,
        )
        at: dict[str, float] = {}
        for event in read(directory / FILE_NAME):
            at.setdefault(str(event["event"]), float(event["at"]) - began)
    return {STACK: at["StackReady"], FIRST: at["DrillStarted"]}


def main() -> int:
    """Print the medians; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    before = timing.machine()
    try:
        found = timing.alternate([started], rounds, settle=lambda: None, say=say)
    except subprocess.CalledProcessError as error:
        say(f"{error}\n{error.stdout}{error.stderr}")
        return 1
    say(f"\n{before} at first, {timing.machine()} at last")
    for series in found.values():
        say(str(series))
    met = found[FIRST].median_s <= GOAL_S
    say(f"goal: at most {GOAL_S:.0f} s; {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    environment.enter("benchmarks.start")
    sys.exit(main())
