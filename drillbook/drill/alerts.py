"""The alert path of a drill: its own alert fires, no other does, and it stops after the fix."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from drillbook.looking import Look
from drillbook.symptoms import alerts
from drillbook.symptoms.alerts import Alertmanager

FIRES_S = 30.0
SETTLES_S = 10.0  # what is held back can fire a moment before what holds it back
OVER_S = 45.0


@dataclass(frozen=True)
class Alarms:
    """What a drill asks about alerts."""

    manager: Alertmanager

    def quiet(self) -> Look:
        """Nothing fires: so it must be before anything is broken."""
        return alerts.quiet(self.manager)

    def fires(self, name: str, entry: str) -> Look:
        """An alert pages, and leads to this entry."""
        return alerts.fires(self.manager, name, entry)

    def none_but(self, entry: str, expected: Collection[str]) -> Look:
        """No alert that leads elsewhere pages, but for those expected."""
        return alerts.none_but(self.manager, entry, expected)

    def since(self, name: str) -> float:
        """When an alert began to fire (Unix seconds)."""
        return min(one.since for one in self.manager.alerts() if one.name == name)
