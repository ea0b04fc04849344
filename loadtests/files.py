"""Results for machines: CSV, JSON and JUnit."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from loadtests.budget import Spent
from loadtests.measures import ALL, Measured
from loadtests.objectives import Verdict
from loadtests.results import Result

FIGURES = (
    "asked_per_s", "served_per_s", "answered", "failed", "error_share",
    "p50_ms", "p95_ms", "p99_ms",
)  # fmt: skip


def figures(one: Measured) -> dict[str, float | int | None]:
    """What is told of an endpoint, in every form of result."""
    told: dict[str, float | int | None] = {
        "asked_per_s": round(one.asked_per_s, 2),
        "served_per_s": round(one.served_per_s, 2),
        "answered": one.answered,
        "failed": one.failed,
        "error_share": round(one.error_share, 6),
    }
    for percent in (50, 95, 99):
        value = one.p_ms(percent)
        told[f"p{percent}_ms"] = None if value is None else round(value, 2)
    return told


def endpoints_csv(result: Result) -> str:
    """One line an endpoint, over the seconds that count."""
    rows = ({"endpoint": name, **figures(one)} for name, one in result.measured().items())
    return _csv(("endpoint", *FIGURES), rows)


def seconds_csv(result: Result) -> str:
    """One line a second and endpoint; ``second`` counts from the run's first whole one."""
    rows = (
        {"second": number, "endpoint": name, **figures(one)}
        for name in (ALL, *result.endpoints)
        for number, one in enumerate(result.by_second(name))
    )
    return _csv(("second", "endpoint", *FIGURES), rows)


def as_json(result: Result, verdicts: Sequence[Verdict], cost: Spent) -> str:
    """Everything that the page says, for a program to read."""
    return json.dumps(
        {
            "run": asdict(result.started),
            "held": all(one.held for one in verdicts) and not result.losses,
            "objectives": [
                {**asdict(one.objective), "got": one.got, "held": one.held} for one in verdicts
            ],
            "endpoints": {
                name: {**figures(one), "errors": dict(one.errors)}
                for name, one in result.measured().items()
            },
            "budget": {**asdict(cost), "share": cost.share},
            "knees_per_s": result.knees,
            "tried": [asdict(one) for one in result.tried],
            "generator_share": round(result.generator_share, 4),
            "warnings": result.warnings,
            "losses": result.losses,
        },
        indent=1,
    )


def as_junit(result: Result, verdicts: Sequence[Verdict]) -> str:
    """A test case an objective; a worker that was lost is an error of the run itself."""
    suite = ET.Element(
        "testsuite",
        name=f"load: {result.started.shape}",
        tests=str(len(verdicts) + 1),
        failures=str(sum(not one.held for one in verdicts)),
        errors=str(int(bool(result.losses))),
        skipped="0",
        time=f"{len(result.seconds)}",
    )
    for one in verdicts:
        case = ET.SubElement(
            suite, "testcase", classname=f"load.{one.objective.endpoint}", name=str(one.objective)
        )
        if not one.held:
            ET.SubElement(case, "failure", message=one.told)
    whole = ET.SubElement(suite, "testcase", classname="load.generator", name="no worker was lost")
    for loss in result.losses:
        ET.SubElement(whole, "error", message=loss)
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
