"""A run put together from its stream: what was asked, what was served, second by second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from loadtests.histogram import Histogram
from loadtests.knee import Step, estimate
from loadtests.measures import ALL, Measured
from loadtests.stream import Counted, Ended, Level, Row, Started, Tried, Used, WorkerLost

WARM_UP_S = 3.0
LATE_MS = 50.0
BUSY = 0.9


class NothingMeasured(Exception):
    """The stream holds no run: the generator never began."""


@dataclass
class Result:
    """A run, or as much of one as its stream holds."""

    started: Started
    cpus: int = 1
    warm_up_s: float = WARM_UP_S
    levels: list[Level] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    lost: list[WorkerLost] = field(default_factory=list)
    used: list[Used] = field(default_factory=list)
    ended: Ended | None = None
    cells: dict[tuple[int, str], Measured] = field(default_factory=dict)
    """(second, endpoint) -> what was due then."""

    # --- time --------------------------------------------------------------------------------
    @property
    def first(self) -> int:
        """The first whole second of the run (Unix time)."""
        return int(self.started.at) + 1

    @property
    def last(self) -> int:
        """Its last whole second: later ones were not asked for in full."""
        counted = max((second for second, _ in self.cells), default=self.first)
        stopped = [level.at for level in self.levels if level.users == 0]
        stopped += [self.ended.at] if self.ended else []
        return max(self.first, min([counted, *(int(at) - 1 for at in stopped)]))

    @property
    def seconds(self) -> range:
        """Every whole second of the run."""
        return range(self.first, self.last + 1)

    @property
    def judged(self) -> range:
        """Those that count: the first few are for connections and caches to be made."""
        warm = min(int(self.warm_up_s), max(0, len(self.seconds) - 1))
        return range(self.first + warm, self.last + 1)

    # --- figures -----------------------------------------------------------------------------
    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints by name, in the order of the plan."""
        return tuple(self.started.shares)

    def asked_in(self, second: int) -> float:
        """How many requests there should have been in one second; 0 where no rate is asked."""
        asked, since = 0.0, None
        for level in self.levels:
            if level.at >= second + 1:
                break
            if since is not None:
                begin = max(second, since.at)
                asked += since.asked_per_s * max(0.0, level.at - begin)
            since = level
        if since is not None:
            asked += since.asked_per_s * (second + 1 - max(second, since.at))
        return asked

    def measured(self, seconds: range | None = None) -> dict[str, Measured]:
        """All endpoints, and all together, over some seconds (by default those that count)."""
        chosen = self.judged if seconds is None else seconds
        asked = sum(self.asked_in(second) for second in chosen)
        found = {ALL: Measured(len(chosen), asked)}
        for name in self.endpoints:
            found[name] = Measured(len(chosen), asked * self.started.shares[name])
        for (second, name), cell in self.cells.items():
            if second in chosen:
                found[ALL].merge(cell)
                found[name].merge(cell)
        return found

    def by_second(self, name: str) -> list[Measured]:
        """One endpoint (or all), a second each; seconds without a request included."""
        share = 1.0 if name == ALL else self.started.shares[name]
        series = []
        for second in self.seconds:
            one = Measured(1.0, self.asked_in(second) * share)
            for endpoint in self.endpoints if name == ALL else (name,):
                cell = self.cells.get((second, endpoint))
                if cell is not None:
                    one.merge(cell)
            series.append(one)
        return series

    # --- the generator itself ----------------------------------------------------------------
    @property
    def generator_share(self) -> float:
        """Of the machine's processors, the share that the generator took."""
        span_s = max(1.0, self.last + 1 - self.first)
        used_s = sum(row.cpu_s for row in self.used if self.first <= row.at <= self.last + 1)
        return used_s / span_s / self.cpus

    @property
    def warnings(self) -> list[str]:
        """What a reader of the figures must know before believing them."""
        told = []
        if self.ended is None:
            told.append("the generator did not come to its end: the run was cut short")
        late_ms = Histogram.of(cell.late for cell in self.cells.values()).quantile_ms(0.99)
        if late_ms is not None and late_ms > LATE_MS:
            told.append(
                f"the generator itself was late by {late_ms:.0f} ms at the 99th percentile, which "
                "the latencies include: give it --processes, or a machine of its own"
            )
        busiest = self._busiest()
        if busiest > BUSY:
            told.append(
                f"a process of the generator used {busiest:.0%} of a processor: it may be what "
                "limits the rate; give it --processes"
            )
        return told

    @property
    def losses(self) -> list[str]:
        """What went missing in mid-run: such a run did not measure what it meant to."""
        return [
            f"worker {row.who} was lost {row.at - self.started.at:.0f} s into the run, {row.left} "
            "left; what it counted in its last seconds is missing, and its users went to the others"
            for row in self.lost
        ]

    def _busiest(self) -> float:
        by_process: dict[str, float] = {}
        for row in self.used:
            by_process[row.who] = by_process.get(row.who, 0.0) + row.cpu_s
        span_s = max(1.0, self.last + 1 - self.first)
        return max(by_process.values(), default=0.0) / span_s

    @property
    def drift(self) -> str:
        """How the latency at the end compares with that at the beginning: what a soak is for."""
        quarter = len(self.judged) // 4
        if not quarter:
            return ""
        first, last = (
            self.measured(part)[ALL] for part in (self.judged[:quarter], self.judged[-quarter:])
        )
        told = [
            f"p{percent} {was:.1f} -> {now:.1f} ms"
            for percent in (50, 95, 99)
            if (was := first.p_ms(percent)) and (now := last.p_ms(percent))
        ]
        return f"from the first quarter to the last: {', '.join(told)}" if told else ""

    # --- the knee ----------------------------------------------------------------------------
    @property
    def knees(self) -> list[float | None]:
        """Each search's knee in requests/s; None for one that found none."""
        found = []
        for number in sorted({one.search for one in self.tried}):
            steps = [Step(t.users, t.held, t.counts) for t in self.tried if t.search == number]
            users = estimate(steps)
            found.append(None if users is None else users * self.started.pace_per_s)
        return found

    @property
    def broke(self) -> bool:
        """Whether any rate that was tried broke an objective: else the knee is higher yet."""
        return any(not one.held for one in self.tried)


def assemble(rows: Iterable[Row], cpus: int, warm_up_s: float = WARM_UP_S) -> Result:
    """Put a stream together. Raises NothingMeasured."""
    result: Result | None = None
    early: list[Level] = []
    for row in rows:
        if isinstance(row, Started):
            result = result or Result(row, cpus, warm_up_s, levels=early)
        elif result is not None:
            _take(result, row)
        elif isinstance(row, Level):
            early.append(row)  # a shape may speak first
    if result is None:
        raise NothingMeasured("the load generator never began")
    return result


def _take(result: Result, row: Row) -> None:
    match row:
        case Counted():
            result.cells.setdefault((row.second, row.name), Measured()).add(row)
        case Level():
            result.levels.append(row)
        case Tried():
            result.tried.append(row)
        case WorkerLost():
            result.lost.append(row)
        case Used():
            result.used.append(row)
        case Ended():
            result.ended = row
