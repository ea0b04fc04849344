"""The objectives: read from one file, held against what was measured."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtests.measures import ALL, Measured

DEFAULT = Path(__file__).with_name("objectives.toml")
LATENCIES = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}
SHARES = ("error_share", "minimum_share")
MEASURES = (*LATENCIES, *SHARES, "minimum_per_s")
_BUDGET = "budget"


class ObjectivesError(Exception):
    """The file of objectives cannot be read, or says something that cannot be measured."""


@dataclass(frozen=True)
class Budget:
    """How much may go wrong over how long: 0.999 of 30 days are 43 minutes of outage."""

    availability: float = 0.999
    days: float = 30
    slow_ms: float = 500

    @property
    def outage_s(self) -> float:
        """The budget as seconds in which nothing is served."""
        return (1 - self.availability) * self.days * 86_400


@dataclass(frozen=True)
class Objective:
    """One promise: of an endpoint (or all), a measure and its limit."""

    endpoint: str
    measure: str
    limit: float

    def __str__(self) -> str:
        return f"{self.endpoint} {self.measure.removesuffix('_ms')}"


@dataclass(frozen=True)
class Verdict:
    """An objective and what was measured; ``got`` is None where nothing was."""

    objective: Objective
    got: float | None

    @property
    def held(self) -> bool:
        """Whether the promise was kept; where nothing was measured it was not."""
        if self.got is None:
            return False
        if self.objective.measure.startswith("minimum"):
            return self.got >= self.objective.limit
        return self.got <= self.objective.limit

    @property
    def told(self) -> str:
        """What was promised and what was got; for one that was missed, by how much."""
        limit = told(self.objective.measure, self.objective.limit)
        if self.got is None:
            return f"{self.objective}: no request was answered, so nothing shows {limit}"
        bound = "at least" if self.objective.measure.startswith("minimum") else "at most"
        got = told(self.objective.measure, self.got)
        if self.held:
            return f"{self.objective}: {got}, promised {bound} {limit}"
        by = told(self.objective.measure, abs(self.got - self.objective.limit))
        share = ""
        if self.objective.limit:
            share = f" ({abs(self.got - self.objective.limit) / self.objective.limit:.0%})"
        return f"{self.objective}: {got}, promised {bound} {limit}: missed by {by}{share}"


def told(measure: str, value: float) -> str:
    """A measured value with its unit."""
    if measure.endswith("_ms"):
        return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"
    if measure in SHARES:
        return f"{100 * value:.3g} %"
    return f"{value:.1f}/s"


@dataclass(frozen=True)
class Objectives:
    """All that is promised."""

    objectives: tuple[Objective, ...]
    budget: Budget = Budget()

    def judge(self, measured: Mapping[str, Measured]) -> list[Verdict]:
        """Hold each against what was measured, in the file's order."""
        return [Verdict(one, _got(one, measured.get(one.endpoint))) for one in self.objectives]


def _got(objective: Objective, measured: Measured | None) -> float | None:
    if measured is None or not measured.answered:
        return None
    if objective.measure in LATENCIES:
        return measured.latency.quantile_ms(LATENCIES[objective.measure])
    if objective.measure == "error_share":
        return measured.failed / measured.answered
    if objective.measure == "minimum_share":
        # a closed model asks for no rate of its own, and so gets all that it asks for
        return measured.served / measured.asked if measured.asked else 1.0
    return measured.served_per_s


def load(path: Path, endpoints: tuple[str, ...]) -> Objectives:
    """Read a file of objectives. Raises ObjectivesError naming what is wrong in it."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ObjectivesError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ObjectivesError(f"{path}: {error}") from error
    budget = tables.pop(_BUDGET, {})
    known = (ALL, *endpoints)
    objectives: list[Objective] = []
    for endpoint, table in tables.items():
        if endpoint not in known or not isinstance(table, dict):
            wanted = ", ".join((*known, _BUDGET))
            raise ObjectivesError(f"{path}: there is no endpoint {endpoint!r}; there are: {wanted}")
        objectives += [_objective(path, endpoint, name, table[name]) for name in table]
    if not objectives:
        raise ObjectivesError(f"{path}: it promises nothing, so nothing could be missed")
    return Objectives(tuple(objectives), _budget(path, budget))


def _objective(path: Path, endpoint: str, measure: str, limit: object) -> Objective:
    where = f"{path}: [{endpoint}] {measure}"
    if measure not in MEASURES:
        raise ObjectivesError(f"{where}: no such measure; there are: {', '.join(MEASURES)}")
    if isinstance(limit, bool) or not isinstance(limit, int | float) or limit < 0:
        raise ObjectivesError(f"{where}: {limit!r} is no number of 0 or more")
    if measure in SHARES and limit > 1:
        raise ObjectivesError(f"{where}: {limit!r} is a share, 0 to 1")
    return Objective(endpoint, measure, float(limit))


def _budget(path: Path, table: object) -> Budget:
    if not isinstance(table, dict) or not set(table) <= {"availability", "days", "slow_ms"}:
        raise ObjectivesError(f"{path}: [budget] takes availability, days and slow_ms")
    if not all(type(value) in (int, float) for value in table.values()):
        raise ObjectivesError(f"{path}: [budget] holds something that is no number")
    budget = Budget(**table)
    if not (0 < budget.availability < 1 and budget.days > 0 and budget.slow_ms > 0):
        raise ObjectivesError(f"{path}: [budget] needs an availability between 0 and 1")
    return budget
