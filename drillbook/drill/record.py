"""What a drill writes down: its phases, what became of its claims, and the time it took.

The record is also where a drill's messages are made, so that every error reads alike: the phase,
the runbook's line, what was expected, what was seen instead, and where the evidence is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from drillbook import interrupts
from drillbook import journal as events
from drillbook.drill.errors import DrillError, NotInRunbook
from drillbook.journal import Event, Journal, Phase, Ref
from drillbook.looking import NeverSeen
from drillbook.runbook import Entry, Kind, Line, Runbook

E = TypeVar("E", bound=DrillError)


@dataclass
class Moments:
    """When what happened, in monotonic seconds."""

    began_s: float
    fault_s: float | None = None
    detected_s: float | None = None
    fixing_s: float | None = None
    healed_s: float | None = None
    busy_s: float = 0.0

    @property
    def broken_since_s(self) -> float:
        """When the fault was injected, or the drill began where there is none."""
        return self.began_s if self.fault_s is None else self.fault_s


@dataclass
class Record:
    """The journal of one drill, in the words of one entry of the runbook."""

    journal: Journal
    runbook: Runbook
    entry_number: str
    title: str
    moments: Moments = field(default_factory=lambda: Moments(time.monotonic()))
    untouched: bool = True
    """Whether nothing was broken, typed or changed yet."""

    @property
    def entry(self) -> Entry:
        """The entry that is drilled. Raises drillbook.runbook.UnknownEntry."""
        return self.runbook.entry(self.entry_number)

    def write(self, event: Event) -> None:
        """Journal an event."""
        self.journal.write(event)

    def enter(self, phase: Phase, words: str) -> None:
        """Journal that the drill turns to something new. Raises an interrupt that is pending."""
        interrupts.check()
        self.untouched = self.untouched and phase == "steady"
        self.write(events.PhaseEntered(phase, words))

    def claim(self, kind: Kind, number: int) -> Line:
        """A line of the entry. Raises NotInRunbook."""
        lines = self.entry.of(kind)
        if not 1 <= number <= len(lines):
            raise NotInRunbook(
                f"{self.runbook.path}:{self.entry.line}: entry {self.entry_number} has "
                f"{len(lines)} {kind}s; this drill speaks of {kind} {number}"
            )
        return lines[number - 1]

    def failed(self, kind: type[E], line: Line, message: str) -> E:
        """Journal that a line of the runbook does not hold; returns the error to raise.

        Raises KeyboardInterrupt where somebody interrupted the run: what it broke says nothing.
        """
        interrupts.check()
        self.write(events.ClaimFailed(Ref.to(line), kind.__name__, message))
        return kind(message)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Time what the drill waits for or does, to tell it from what the harness costs."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            self.moments.busy_s += time.monotonic() - began_s

    def message(
        self,
        phase: Phase,
        line: Line | None,
        expected: str,
        never: NeverSeen | None = None,
        *,
        last: str = "",
    ) -> str:
        """Say what was expected and, from ``never`` or ``last``, what was seen instead."""
        parts = [f"{self.entry_number}: {self.title}", f"phase      {phase}"]
        if line is not None:
            parts.append(f'runbook    {self.runbook.path}:{line.line}  {line.name}: "{line.text}"')
        parts.append(f"expected   {expected}")
        seen = never.last if never else last
        parts.append("last seen  " + seen.replace("\n", "\n           "))
        if never is not None:
            parts.append(f"waited     {never.waited_s:.1f} s, {never.looks} looks")
        parts.append(f"evidence   {self.journal.path}")
        return "\n".join(parts)
