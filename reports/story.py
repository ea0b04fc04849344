"""A drill told in order: what it turned to, and what it saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from reports.run import Drill, Event
from reports.text import gist, name_of, seconds


@dataclass(frozen=True)
class Moment:
    """One thing that happened in a drill."""

    at_s: float
    """Since the drill began."""
    phase: str
    """The phase that is entered here; empty where the drill stays in its phase."""
    text: str
    ok: bool
    transcript: str


def tell(drill: Drill) -> Iterator[Moment]:
    """Every event of a drill that its reader should know of."""
    for event in drill.events:
        text = _words(event)
        if text is not None:
            yield Moment(
                at_s=float(event["t_s"]) - drill.began_s,
                phase=str(event.get("phase", "")),
                text=text,
                ok=event["event"] != "ClaimFailed" and bool(event.get("ok", True)),
                transcript=str(event.get("transcript") or ""),
            )


def _words(event: Event) -> str | None:
    telling = _TELLINGS.get(event["event"])
    return None if telling is None else telling(event)


_TELLINGS: Mapping[str, Callable[[Event], str]] = {
    "PhaseEntered": lambda event: str(event["what"]),
    "FaultInjected": lambda event: f"in force: {event['saw']}",
    "SymptomSeen": lambda event: f"{name_of(event['ref'])} seen: {event['saw']}",
    "AlertFired": lambda event: f"alert after {seconds(event['after_s'])}: {event['saw']}",
    "AlertResolved": lambda event: (
        f"alert {event['name']} over, {seconds(event['after_s'])} after the service was back"
    ),
    "StepTaken": lambda event: f"{name_of(event['ref'])}: {event['saw']}",
    "CommandUntyped": lambda event: (
        f"{name_of(event['ref'])}, not typed: {event['command'] or 'nothing'}: {event['reason']}"
    ),
    "LineNotExercised": lambda event: f"{name_of(event['ref'])} not exercised: {event['why']}",
    "FixApplied": lambda event: f"fix applied in {seconds(event['took_s'])}",
    "Recovered": lambda event: f"recovered {seconds(event['after_s'])} after the fix began",
    "ClaimFailed": lambda event: f"{name_of(event['ref'])} did not hold: {gist(event['message'])}",
}
