"""A drill with customers on the shop throughout, and what that load saw of it."""

from __future__ import annotations

import importlib.util
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from drillbook.journal import Event, Journal
from loadtests import budget, stream
from loadtests.generator import Generator, Plan
from loadtests.measures import ALL
from loadtests.objectives import Objectives
from loadtests.results import Result, assemble
from loadtests.stream import Started

BEFORE_S = 4.0
"""So long customers are there before the drill begins, to show what is normal."""
AFTER_S = 3.0
STARTS_WITHIN_S = 30.0
FOLDER = "load"


@dataclass(frozen=True)
class LoadReport(Event):
    """What the load saw of a drill; ``stream`` is where each second of it is kept."""

    shape: str
    users: int
    stream: str
    answered: int
    failed: int
    asked_per_s: float
    served_per_s: float
    latency_ms: dict[str, float | None]
    budget: dict[str, Any] = field(default_factory=dict)
    """Requests spoilt, the outage they amount to, the share of the error budget."""


def has_locust() -> bool:
    """Whether this environment has the generator (asked without importing it: it patches)."""
    return importlib.util.find_spec("locust") is not None


def folder_of(nodeid: str) -> str:
    """The name of a drill's folder."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", nodeid.rpartition("/")[2]).strip("-")


@contextmanager
def customers(
    journal: Journal, nodeid: str, plan: Plan, objectives: Objectives
) -> Iterator[Generator]:
    """Customers on the shop while inside, from some seconds before to some after.

    Whatever ends the drill, the generator is gone and what it saw is in the journal. Raises
    GeneratorError where it does not start.
    """
    generator = Generator(plan)
    try:
        generator.start()
        generator.await_row(Started, STARTS_WITHIN_S)
        time.sleep(BEFORE_S)  # what the page shows of the time before
        yield generator
        time.sleep(AFTER_S)  # and after
    finally:
        generator.close()
        _report(journal, nodeid, plan, objectives)


def _report(journal: Journal, nodeid: str, plan: Plan, objectives: Objectives) -> None:
    rows = list(stream.read(plan.stream)) if plan.stream.exists() else []
    if not any(isinstance(row, Started) for row in rows):
        return  # it never began, and the error that says so is on its way
    result = assemble(rows, os.cpu_count() or 1, 0.0)
    journal.drill, before = nodeid, journal.drill
    try:
        journal.write(report(result, plan, objectives, journal.path.parent))
    finally:
        journal.drill = before


def report(result: Result, plan: Plan, objectives: Objectives, run_directory: Path) -> LoadReport:
    """What a drill's load saw, in figures."""
    whole = result.measured()[ALL]
    cost = budget.spent(result.by_second(ALL), objectives.budget)
    return LoadReport(
        plan.shape,
        plan.users,
        str(plan.stream.relative_to(run_directory)),
        whole.answered,
        whole.failed,
        round(whole.asked_per_s, 2),
        round(whole.served_per_s, 2),
        {f"p{percent}": whole.p_ms(percent) for percent in (50, 95, 99)},
        {**asdict(cost), "share": cost.share},
    )


def moments(events: list[Mapping[str, Any]]) -> list[tuple[float, str, str]]:
    """When what happened in a drill: (Unix time, look, label), in order."""
    found: dict[str, tuple[float, str]] = {}
    for event in events:
        at = float(event["at"])
        match event["event"]:
            case "FaultInjected":
                found.setdefault("fault", (at - float(event["took_s"]), "fault"))
            case "SymptomSeen":
                found.setdefault("detected", (at, "detected"))
            case "FixApplied":
                found["fix"] = (at - float(event["took_s"]), "fix")
            case "Recovered":
                found["recovered"] = (at, "recovered")
    return sorted((at, look, label) for look, (at, label) in found.items())
