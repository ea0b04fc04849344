"""One run of the generator from start to end: progress while it runs, its result after it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loadtests import budget, files, page, stream
from loadtests.generator import Generator, Plan
from loadtests.measures import Measured
from loadtests.objectives import Objectives, Verdict
from loadtests.results import WARM_UP_S, Result, assemble
from loadtests.stream import Counted, Ended, Level, Row, Tried, WorkerLost
from reports.text import millis

Say = Callable[[str], None]
TELL_EVERY_S = 5.0
LOOK_EVERY_S = 0.2
ENDS_WITHIN_S = 20.0
PAGE = "load.html"


def measure(plan: Plan, say: Say, *, warm_up_s: float = WARM_UP_S) -> Result:
    """Run a plan to its end. Whatever ends it, the generator is gone when this returns.

    Raises GeneratorError where it did not run, NothingMeasured where it never began, OSError; and
    KeyboardInterrupt as it comes, with the stream kept.
    """
    generator = Generator(plan)
    progress = _Progress(say)
    try:
        generator.start()
        while generator.running:
            for row in generator.rows():
                progress.take(row)
            generator.require_well()
            time.sleep(LOOK_EVERY_S)
        generator.require_well()
    finally:
        generator.close()
    return reread(plan.directory, warm_up_s=warm_up_s)


def reread(directory: Path, *, warm_up_s: float = WARM_UP_S) -> Result:
    """The result of a run from what it left. Raises OSError, ValueError, NothingMeasured."""
    rows = stream.read(directory / stream.FILE_NAME)
    return assemble(rows, os.cpu_count() or 1, warm_up_s)


def write_all(result: Result, objectives: Objectives, directory: Path) -> list[Verdict]:
    """Judge a run and write all its results; the verdicts. Raises OSError."""
    verdicts = objectives.judge(result.measured())
    cost = budget.spent([result.measured(range(s, s + 1))["all"] for s in result.judged],
                        objectives.budget)  # fmt: skip
    written = {
        "endpoints.csv": files.endpoints_csv(result),
        "seconds.csv": files.seconds_csv(result),
        "results.json": files.as_json(result, verdicts, cost),
        "junit.xml": files.as_junit(result, verdicts),
        PAGE: page.render(result, verdicts, cost),
    }
    for name, text in written.items():
        (directory / name).write_text(text, encoding="utf-8")
    return verdicts


@dataclass
class _Progress:
    """A line every few seconds, and one for whatever is worth it."""

    say: Say
    _since: Measured = field(default_factory=Measured)
    _asked_per_s: float = 0.0
    _began_s: float | None = None
    _told_s: float = 0.0

    def take(self, row: Row) -> None:
        now_s = time.monotonic()
        match row:
            case Counted():
                self._since.add(row)
            case Level():
                self._asked_per_s = row.asked_per_s
                self._begin(now_s)
            case Tried():
                what = "held" if row.held else f"broke: {row.why}"
                self.say(f"  {row.asked_per_s:6.0f}/s  p99 {millis(row.p99_ms):>7}  {what}")
            case WorkerLost():
                self.say(f"  LOST worker {row.who}; {row.left} left")
            case Ended():
                return
        if self._began_s is not None and now_s - self._told_s >= TELL_EVERY_S:
            self._tell(now_s)

    def _begin(self, now_s: float) -> None:
        if self._began_s is None:
            self._began_s = self._told_s = now_s

    def _tell(self, now_s: float) -> None:
        assert self._began_s is not None
        one, span_s = self._since, now_s - self._told_s
        self.say(
            f"  {now_s - self._began_s:4.0f} s  asked {self._asked_per_s:.0f}/s, served "
            f"{one.served / span_s:.0f}/s, p50 {millis(one.p_ms(50))}, p99 "
            f"{millis(one.p_ms(99))}, {one.failed} failed"
        )
        self._since, self._told_s = Measured(), now_s
