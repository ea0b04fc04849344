"""``python -m benchmarks.database_down [--rounds N]``: one outage as a drill and in two other ways.

Exits 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks import timing
from benchmarks.database_down.bare import Bare
from benchmarks.database_down.drilled import drilled
from benchmarks.database_down.toolkit import command, experimented
from benchmarks.stage import Stage, say, staged
from drillbook.machine import environment
from drillbook.runbook import load

DRILL, BARE = "drill", "bare script"
TOOLKIT, EXPERIMENT = "chaos run", "chaos run, without Python's start"
GOALS = (timing.Goal(DRILL, BARE, 1.25), timing.Goal(DRILL, TOOLKIT, 0.5))


def _timed(name: str, act: Callable[[], None]) -> timing.Taken:
    began_s = time.perf_counter()
    act()
    return {name: time.perf_counter() - began_s}


def _toolkit(stage: Stage, directory: Path) -> timing.Taken:
    began_s = time.perf_counter()
    told = experimented(stage, directory)
    return {TOOLKIT: time.perf_counter() - began_s, EXPERIMENT: told.experiment_s}


def main() -> int:
    """Alternate the three, and print medians and ratios; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.database_down")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    command()  # before minutes are spent
    runbook = load(Path(__file__).with_name("runbook.md"))
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        with staged(runbook, directory) as stage, closing(Bare(stage)) as bare:
            before = timing.machine()
            found = timing.alternate(
                [
                    partial(_timed, DRILL, partial(drilled, stage)),
                    partial(_timed, BARE, bare),
                    partial(_toolkit, stage, directory),
                ],
                options.rounds,
                settle=stage.settle,
                say=say,
            )
    text, met = timing.compare(found, GOALS)
    say(f"\n{options.rounds} rounds each, alternating; {before} at first")
    say(f"{timing.machine()} at last")
    say(text)
    return 0 if met else 1


if __name__ == "__main__":
    environment.enter("benchmarks.database_down")
    sys.exit(main())
