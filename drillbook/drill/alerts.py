"""The alert path of a drill: its own alert fires, no other does, and it stops after the fix."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from drillbook import journal as events
from drillbook.drill.deadlines import Deadlines
from drillbook.drill.errors import (
    AlertAbsent,
    AlertError,
    AlertNotOver,
    AlertOutOfPlace,
    NotSteady,
)
from drillbook.drill.record import Record
from drillbook.looking import Clock, Look, NeverSeen, absent, until
from drillbook.symptoms import alerts
from drillbook.symptoms.alerts import Alertmanager

EVERY_S = 0.1


@dataclass(frozen=True)
class Fired:
    """An alert that the drill saw: the look that sees it, and the one that sees no other."""

    name: str
    mine: Look
    no_others: Look


@dataclass
class AlertPath:
    """What a drill asks about alerts. What does not hold is kept for the drill's end."""

    record: Record
    manager: Alertmanager
    deadlines: Deadlines
    clock: Clock
    failed: list[AlertError] = field(default_factory=list)
    fired: list[Fired] = field(default_factory=list)

    def require_quiet(self) -> None:
        """Wait until nothing fires: so it must be before anything is broken. Raises NotSteady."""
        try:
            self._until(alerts.quiet(self.manager), self.deadlines.alert_over_s)
        except NeverSeen as never:
            message = self.record.message("steady", None, "no alert", never)
            raise NotSteady(message) from None

    def expect(self, name: str, entry: str, expected: Sequence[str]) -> None:
        """Wait until an alert pages and leads to an entry, and no other but those expected does."""
        mine = alerts.fires(self.manager, name, entry)
        no_others = alerts.none_but(self.manager, entry, expected)
        self.record.enter("symptom", mine.what)
        seen = self._kept(AlertAbsent, mine, self.deadlines.alert_fires_s)
        others = self._kept(AlertOutOfPlace, no_others, self.deadlines.alert_settles_s)
        if seen is None:
            return
        self.fired.append(Fired(name, mine, no_others))
        broken_for_s = time.monotonic() - self.record.moments.broken_since_s
        after_s = self._since(name) - (time.time() - broken_for_s)
        event = events.AlertFired(name, entry, after_s, seen, others or "others, see the error")
        self.record.write(event)

    def require_no_others(self) -> None:
        """Look once more, before the fix: no alert of another entry came up since."""
        for one in self.fired:
            self._kept(AlertOutOfPlace, one.no_others, self.deadlines.alert_settles_s)

    def require_over(self, entry: str, healed_s: float) -> None:
        """Wait until each alert that fired no longer does."""
        for one in self.fired:
            over = absent(one.mine)
            self.record.enter("recovered", over.what)
            if self._kept(AlertNotOver, over, self.deadlines.alert_over_s) is not None:
                after_s = time.monotonic() - healed_s
                self.record.write(events.AlertResolved(one.name, entry, after_s))

    # --- within ------------------------------------------------------------------------------
    def _kept(self, kind: type[AlertError], look: Look, within_s: float) -> str | None:
        """Wait for a look; None, and an error kept for later, where it does not come."""
        with self.record.busy():
            try:
                return self._until(look, within_s)
            except NeverSeen as never:
                message = self.record.message("symptom", None, look.what, never)
                self.failed.append(kind(message))
                return None

    def _until(self, look: Look, within_s: float) -> str:
        return until(look, within_s, every_s=EVERY_S, clock=self.clock).saw

    def _since(self, name: str) -> float:
        """When an alert began to fire (Unix seconds)."""
        return min(one.since for one in self.manager.alerts() if one.name == name)
