"""A journal put together: the run, its drills, and what happened in each. No judgement here."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Event = Mapping[str, Any]

INTERRUPTED = "the journal ends before the drill does"


@dataclass
class Drill:
    """One drill of a run, as far as the journal tells it."""

    nodeid: str
    title: str
    entry: str
    platform: str
    claims: list[Mapping[str, Any]]
    began_s: float
    """When it began, in seconds since the run did."""
    at: float
    events: list[Event] = field(default_factory=list)
    """What happened in it, in order, its start and end included."""
    outcome: str = "interrupted"
    held: bool = False
    """It reached *recovered*, with nothing lost and nothing left behind."""
    error: str | None = None
    message: str | None = INTERRUPTED
    took_s: float = 0.0
    overhead_s: float | None = None
    ended: bool = False

    def of(self, *names: str) -> list[Event]:
        """Its events of these names, in order."""
        return [event for event in self.events if event["event"] in names]

    @property
    def witness(self) -> Event | None:
        """What it cost its users; None where the drill did not get that far."""
        reports = self.of("WitnessReport")
        return reports[-1] if reports else None

    @property
    def felt_s(self) -> float | None:
        """For how many seconds users felt it; None where nobody measured."""
        return None if self.witness is None else float(self.witness["felt_s"])

    @property
    def lost(self) -> int | None:
        """Acknowledged writes that are gone; None where nobody counted, or nothing is written."""
        lost = None if self.witness is None else self.witness["lost"]
        return None if lost is None else int(lost)

    @property
    def name(self) -> str:
        """Which causes it brings about (``3.1 cause 1``), or its entry."""
        numbers = " and ".join(str(claim["number"]) for claim in self.claims)
        return f"{self.entry} cause {numbers}" if numbers else self.entry

    @property
    def ending(self) -> str:
        """How it ended, in a word: its error's name, or its outcome where there was none.

        Ctrl-C is no failure of the drill, whatever error carried it.
        """
        interrupted = self.outcome == "interrupted"
        return self.outcome if interrupted or not self.error else self.error

    @property
    def file(self) -> str:
        """The module that holds it."""
        return self.nodeid.partition("::")[0]

    @property
    def function(self) -> str:
        """Its name within the module, parameters included."""
        return self.nodeid.partition("::")[2] or self.nodeid

    def _end(self, event: Event) -> None:
        self.ended = True
        self.outcome = str(event["outcome"])
        self.held = bool(event.get("held", self.outcome == "passed"))
        self.error, self.message = event.get("error"), event.get("message")
        self.took_s = float(event["took_s"])
        self.overhead_s = event.get("overhead_s")


@dataclass
class Run:
    """A whole run, or as much of it as its journal holds."""

    started: Event = field(default_factory=dict)
    images: list[Event] = field(default_factory=list)
    stack: Event | None = None
    drills: list[Drill] = field(default_factory=list)
    findings: list[Event] = field(default_factory=list)
    ended: Event | None = None
    last_s: float = 0.0
    """When its last event was written, in seconds since it began."""

    @cached_property
    def by_entry(self) -> Mapping[str, list[Drill]]:
        """Its drills, entry by entry, in order."""
        found: dict[str, list[Drill]] = defaultdict(list)
        for drill in self.drills:
            found[drill.entry].append(drill)
        return dict(found)

    @property
    def failed(self) -> list[Drill]:
        """Its drills that failed; one that somebody interrupted did not."""
        return [drill for drill in self.drills if drill.outcome == "failed"]

    @property
    def interrupted(self) -> list[Drill]:
        """Its drills that were cut short."""
        return [drill for drill in self.drills if drill.outcome == "interrupted"]

    @property
    def run_id(self) -> str:
        """Its name, which is that of its folder."""
        return str(self.started.get("run_id", "unknown"))

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        """The platforms its drills ran on; where none did, the one it was meant for."""
        drilled = dict.fromkeys(drill.platform for drill in self.drills)
        return tuple(drilled) or (str(self.started.get("platform", "compose")),)

    @property
    def whole(self) -> bool:
        """The journal was written to its end, and nobody interrupted the run."""
        return self.ended is not None and not self.ended["interrupted"]


def assemble(events: Iterable[Event]) -> Run:
    """Put a journal's events together. An event of an unknown name is left alone."""
    run = Run()
    open_drills: dict[str, Drill] = {}
    told: set[str] = set()
    for event in events:
        run.last_s = max(run.last_s, float(event.get("t_s", 0.0)))
        _run_event(run, event, told)
        nodeid = str(event.get("drill"))
        if event["event"] == "DrillStarted":
            open_drills[nodeid] = _begin(event, nodeid)
            run.drills.append(open_drills[nodeid])
        if (drill := open_drills.get(nodeid)) is not None:
            drill.events.append(event)
            if event["event"] == "DrillEnded":
                drill._end(event)  # noqa: SLF001 - the two are one
    for drill in run.drills:
        if not drill.ended:
            drill.took_s = max(float(event["t_s"]) for event in drill.events) - drill.began_s
    return run


def _run_event(run: Run, event: Event, told: set[str]) -> None:
    match event["event"]:
        case "RunStarted":
            run.started = event
        case "ImageChosen":
            run.images.append(event)
        case "StackReady":
            run.stack = event
        case "FindingNoted":
            # two drills may find the same of the same line: its reader needs it once
            finding = json.dumps([event["ref"], event["text"]], sort_keys=True)
            if finding not in told:
                told.add(finding)
                run.findings.append(event)
        case "RunEnded":
            run.ended = event


def _begin(event: Event, nodeid: str) -> Drill:
    claims = list(event["claims"])
    entry = event.get("entry") or (claims[0]["entry"] if claims else "?")
    return Drill(
        nodeid=nodeid,
        title=str(event["title"]).rstrip("."),
        entry=str(entry),
        platform=str(event["platform"]),
        claims=claims,
        began_s=float(event["t_s"]),
        at=float(event["at"]),
    )
