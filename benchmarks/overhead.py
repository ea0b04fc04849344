"""``python -m benchmarks.overhead [RUN_DIR…]``: what the harness adds to a drill's own time.

From a run's journal (by default the newest): ``own`` is what a drill spent on neither waiting nor
doing what the runbook says (baseline, residue, journal); ``between`` is from the end of the drill
before, or from the stack being ready, to its start: pytest, fixtures, a browser's start. A stack
that is brought up anew because a drill failed is not counted. Exits 1 where the median is over the
goal.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stage import say
from drillbook.journal import FILE_NAME, read
from drillbook.machine import environment
from drillbook.run import RUNS

GOAL_S = 0.3


@dataclass(frozen=True)
class Cost:
    """What one drill cost beyond its own time, in seconds; ``between_s`` None after a failure."""

    drill: str
    took_s: float
    own_s: float
    between_s: float | None

    @property
    def all_s(self) -> float:
        """Both together."""
        return self.own_s + (self.between_s or 0.0)


def costs(journal: Path) -> list[Cost]:
    """What each drill of a journal cost. Raises OSError."""
    found: list[Cost] = []
    ended_s: float | None = None
    between_s: float | None = None
    for event in read(journal):
        at_s = float(event["t_s"])
        match event["event"]:
            case "StackReady":
                ended_s = at_s
            case "DrillStarted":
                between_s = None if ended_s is None else at_s - ended_s
            case "DrillEnded":
                name = str(event["drill"]).rpartition("::")[2]
                own_s = float(event["overhead_s"])
                found.append(Cost(name, float(event["took_s"]), own_s, between_s))
                ended_s = at_s if event["held"] else None
    return found


def newest() -> Path:
    """The newest run's folder. Raises FileNotFoundError where there is none."""
    found = sorted(RUNS.glob(f"*/{FILE_NAME}"))
    if not found:
        raise FileNotFoundError(f"no run in {RUNS}; `./run drills` makes one")
    return found[-1].parent


def table(found: Iterable[Cost]) -> str:
    """A line a drill."""
    lines = [f"{'drill':<44} {'took':>8} {'own':>8} {'between':>8}"]
    for one in found:
        between = "-" if one.between_s is None else f"{one.between_s:6.2f} s"
        lines.append(f"{one.drill:<44} {one.took_s:6.2f} s {one.own_s:6.2f} s {between:>8}")
    return "\n".join(lines)


def main() -> int:
    """Print the table and the medians; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead")
    parser.add_argument("run_dir", nargs="*", type=Path, help="default: the newest")
    directories = parser.parse_args().run_dir or [newest()]
    found = [cost for directory in directories for cost in costs(directory / FILE_NAME)]
    if not found:
        say("no drill ended in this run")
        return 1
    median_s = statistics.median(one.all_s for one in found)
    own_s = statistics.median(one.own_s for one in found)
    say(table(found))
    say(
        f"\n{len(found)} drills: median {median_s:.2f} s each, of which own {own_s:.2f} s "
        f"(goal: under {GOAL_S} s; {'met' if median_s < GOAL_S else 'missed'})"
    )
    return 0 if median_s < GOAL_S else 1


if __name__ == "__main__":
    environment.enter("benchmarks.overhead")
    sys.exit(main())
