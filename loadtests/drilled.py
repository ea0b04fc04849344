"""The page of drills under load: rate, latency and errors over time, with what happened when."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drillbook import journal
from loadtests import stream
from loadtests.budget import spent
from loadtests.measures import ALL
from loadtests.objectives import Objectives
from loadtests.page import TEMPLATES, Section, plots
from loadtests.results import assemble
from loadtests.under_load import moments

PAGE = "load.html"
Event = Mapping[str, Any]


@dataclass(frozen=True)
class Drilled:
    """One drill as its load saw it."""

    title: str
    entry: str
    outcome: str
    figures: Sequence[tuple[str, str]]
    cost: str
    whole: Section
    endpoints: Sequence[Section]


def write(directory: Path, objectives: Objectives) -> tuple[Path, list[str]] | None:
    """Write the page of a run; its path and a line a drill. None where no drill was under load.

    Raises OSError, and ValueError where the journal or a stream is malformed.
    """
    events = list(journal.read(directory / journal.FILE_NAME))
    drills = [
        _drilled(directory, event, [one for one in events if one["drill"] == event["drill"]],
                 objectives)
        for event in events
        if event["event"] == "LoadReport"
    ]  # fmt: skip
    if not drills:
        return None
    page = directory / PAGE
    text = TEMPLATES.get_template("drilled.html").render(drills=drills, run=directory.name)
    page.write_text(text, encoding="utf-8")
    return page, [f"{one.title} {one.cost}" for one in drills]


def _drilled(
    directory: Path, report: Event, events: Sequence[Event], objectives: Objectives
) -> Drilled:
    rows = stream.read(directory / report["stream"])
    result = assemble(rows, os.cpu_count() or 1, 0.0)
    at = moments(list(events))
    marks = [(when - result.first, look, label) for when, look, label in at]
    by_look = {look: when for when, look, _ in at}
    shade = None
    if "fault" in by_look:
        until = by_look.get("recovered", float(result.last + 1))
        shade = (by_look["fault"] - result.first, until - result.first)
    begun = next((one for one in events if one["event"] == "DrillStarted"), {})
    ended = next((one for one in events if one["event"] == "DrillEnded"), {})
    sections = [
        Section(name, plots(result.by_second(name), marks, shade))
        for name in (ALL, *result.endpoints)
    ]
    return Drilled(
        title=str(begun.get("title", report["drill"])),
        entry=str(begun.get("entry", "")),
        outcome=str(ended.get("outcome", "interrupted")),
        figures=_figures(report, by_look),
        cost=str(spent(result.by_second(ALL), objectives.budget)),
        whole=sections[0],
        endpoints=sections[1:],
    )


def _figures(report: Event, at: Mapping[str, float]) -> list[tuple[str, str]]:
    figures = [
        ("load", f"{report['shape']}, {report['asked_per_s']:.0f}/s asked"),
        ("achieved", f"{report['served_per_s']:.1f}/s"),
        ("failed", f"{report['failed']} of {report['answered']}"),
        ("budget spent", f"{100 * report['budget']['share']:.2g} %"),
    ]
    for look, begin in (("detected", "fault"), ("recovered", "fix"), ("recovered", "fault")):
        if look in at and begin in at:
            figures.append((f"{look}, after the {begin}", f"{at[look] - at[begin]:.2f} s"))
    return figures
