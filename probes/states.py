"""From what a round saw to what is said of it: dependencies, flap damping, incidents."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from drillbook.detectors.http import Exchange
from probes.catalogue import Probe
from probes.target import Damping, Entry

Outcome = Literal["up", "down", "unknown"]


@dataclass(frozen=True)
class Result:
    """What became of one probe in one round."""

    probe: Probe
    outcome: Outcome
    saw: str
    took_s: float = 0.0
    exchange: Exchange | None = None
    """The first answer that it judged."""
    because: str = ""
    """The entry that is down and keeps this probe from telling anything; empty if none."""


@dataclass(frozen=True)
class Incident:
    """An entry of a target that is down: from when its first probe was, until all are up."""

    target: str
    entry: str
    began: float
    saw: str
    probes: tuple[str, ...]
    ended: float | None = None
    key: int = 0


def with_dependencies(
    results: Iterable[Result], down_before: Collection[Entry]
) -> tuple[list[Result], set[Entry]]:
    """Turn to unknown what only follows from an entry that is down; returns those that fired too.

    ``down_before`` fired in the round before: a round that straddles the end of an outage has
    asked some things too early and others late enough.
    """
    results = list(results)
    fired = {one.probe.entry for one in results if one.outcome == "down"}
    causes = fired | set(down_before)
    roots = {
        one.probe.entry
        for one in results
        if one.outcome == "down" and not causes.intersection(one.probe.depends)
    }
    told: list[Result] = []
    for one in results:
        above = next((entry for entry in one.probe.depends if entry in roots), None) or next(
            (entry for entry in one.probe.depends if entry in causes), None
        )
        if above is not None and (one.outcome != "up" or one.probe.wants_it):
            saw = f"follows from {above}: {one.saw}"
            told.append(replace(one, outcome="unknown", because=above, saw=saw))
        else:
            told.append(one)
    return told, fired


@dataclass
class Watched:
    """A probe over time: red once it fired in enough of its last rounds."""

    damping: Damping
    recent: deque[Outcome] = field(default_factory=deque)
    state: Outcome = "unknown"
    last: Result | None = None

    def update(self, result: Result) -> None:
        """Take in what a round saw."""
        self.recent.append(result.outcome)
        while len(self.recent) > self.damping.of:
            self.recent.popleft()
        self.last = result
        if result.because:
            self.state = "unknown"
        elif self.recent.count("down") >= self.damping.fired:
            self.state = "down"
        elif result.outcome == "unknown":
            self.state = "unknown"
        else:
            self.state = "up"


@dataclass
class Changes:
    """What a round opened and closed."""

    opened: list[Incident] = field(default_factory=list)
    closed: list[Incident] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.opened or self.closed)


@dataclass
class TargetState:
    """All probes of a target over time, and its incidents."""

    name: str
    damping: Damping
    watched: dict[str, Watched] = field(default_factory=dict)
    open: dict[str, Incident] = field(default_factory=dict)
    fired: set[Entry] = field(default_factory=set)

    def take(self, results: Sequence[Result], now: float, *, maintenance: bool) -> Changes:
        """Take in a round that ended at ``now`` (Unix seconds); returns what it changed."""
        told, self.fired = with_dependencies(results, self.fired)
        for result in told:
            self.watched.setdefault(result.probe.name, Watched(self.damping)).update(result)
        changes = Changes()
        for entry in dict.fromkeys(result.probe.entry for result in told):
            mine = [one for one in told if one.probe.entry == entry]
            self._entry(entry, mine, now, changes, maintenance=maintenance)
        return changes

    def _entry(
        self, entry: str, mine: list[Result], now: float, changes: Changes, *, maintenance: bool
    ) -> None:
        red = [one for one in mine if self.watched[one.probe.name].state == "down"]
        incident = self.open.get(entry)
        if incident is None:
            if red and not maintenance:
                saw = "; ".join(dict.fromkeys(one.saw for one in red))
                names = tuple(one.probe.name for one in red)
                self.open[entry] = Incident(self.name, entry, now, saw, names)
                changes.opened.append(self.open[entry])
            return
        culprits = {*incident.probes, *(one.probe.name for one in red)}
        self.open[entry] = replace(incident, probes=tuple(sorted(culprits)))
        watched = {one.probe.name for one in mine}
        if all(self.watched[name].state == "up" for name in culprits & watched):
            changes.closed.append(replace(self.open.pop(entry), ended=now))
