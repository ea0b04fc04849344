"""Which drill has seen a probe's detector fire. The lock carries it, to any machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from drillbook.runbook import Line, Runbook, lock
from probes.catalogue import Probe

SEEN = "seen"  # how a lock says that a symptom showed


@dataclass(frozen=True)
class Fired:
    """A drill saw a detector fire."""

    line: str
    words: str
    platform: str
    drill: str
    title: str
    run: str
    at: str
    detector: str

    def __str__(self) -> str:
        return f"seen to fire in {self.drill.rpartition('::')[2] or self.drill}, run {self.run}"


@dataclass(frozen=True)
class Provenance:
    """What vouches for a probe: a drill that saw its detector fire, or the reason why none does."""

    fired: Fired | None = None
    unproven: str = ""

    def __str__(self) -> str:
        return str(self.fired) if self.fired else f"unproven: {self.unproven}"


class Provenances:
    """What the lock of a runbook says of detectors."""

    def __init__(self, fired: Iterable[Fired], runbook: Runbook) -> None:
        self._fired = list(fired)
        self._lines: Mapping[str, Line] = {line.name: line for line in runbook.lines()}

    def of(self, probe: Probe) -> Provenance:
        """The newest drill that saw the probe's own detector fire on a line that it watches.

        The words must be those that the runbook has now: a drill vouches for what was read.
        """
        mine = [one for one in self._fired if one.line in probe.lines]
        same = [one for one in mine if one.detector == probe.detector]
        valid = [one for one in same if self._unchanged(one)]
        if valid:
            return Provenance(max(valid, key=lambda one: one.at))
        if same:
            return Provenance(unproven=f"{same[0].line} was edited since its drill")
        if mine:
            return Provenance(unproven=f"drills saw {mine[0].line} by another detector")
        return Provenance(unproven="no drill has seen its detector fire")

    def _unchanged(self, fired: Fired) -> bool:
        line = self._lines.get(fired.line)
        return line is not None and line.text == fired.words


def read(path: Path, runbook: Runbook) -> Provenances:
    """Read the lock beside a runbook; where there is none, nothing is vouched for.

    Raises LockError.
    """
    fired = [
        Fired(
            locked.name,
            locked.words,
            locked.platform,
            proof.drill,
            proof.title,
            proof.run,
            proof.at,
            proof.detector,
        )
        for locked in lock.read(path)
        for proof in locked.proven_by
        if proof.how == SEEN
    ]
    return Provenances(fired, runbook)
