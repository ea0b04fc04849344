"""Which alerts fire, as Alertmanager has them: those that would page somebody, and those held back.

An alert that is inhibited (it only follows from another one) fires in Prometheus and pages nobody,
so it is Alertmanager that is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from drillbook.looking import CouldNotLook, Look


class AlertmanagerSilent(CouldNotLook):
    """Alertmanager itself does not answer."""


@dataclass(frozen=True)
class Alert:
    """An alert that fires."""

    name: str
    entry: str
    labels: Mapping[str, str]
    summary: str
    runbook_url: str
    held_back: bool
    since: float

    def __str__(self) -> str:
        return f"{self.name} ({self.entry}): {self.summary}"


@dataclass(frozen=True)
class Alertmanager:
    """An Alertmanager. Every question raises AlertmanagerSilent where it does not answer."""

    url: str
    client: httpx.Client

    def alerts(self) -> list[Alert]:
        """The alerts that fire now, held back or not."""
        try:
            answer = self.client.get(f"{self.url}/api/v2/alerts")
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise AlertmanagerSilent(f"{self.url} does not answer: {error!r}") from error
        return [_alert(one) for one in answer.json()]


def _alert(found: Mapping[str, Any]) -> Alert:
    labels, annotations = found["labels"], found["annotations"]
    return Alert(
        labels["alertname"],
        labels.get("entry", ""),
        labels,
        annotations.get("summary", ""),
        annotations.get("runbook_url", ""),
        found["status"]["state"] == "suppressed",
        datetime.fromisoformat(found["startsAt"]).timestamp(),
    )


def answers(manager: Alertmanager) -> Look:
    """Alertmanager answers questions."""

    def look() -> str:
        return f"{len(manager.alerts())} alerts at {manager.url}"

    return Look(f"Alertmanager answers at {manager.url}", look)


def fires(manager: Alertmanager, name: str, entry: str) -> Look:
    """An alert pages somebody, and leads to an entry of the runbook."""

    def look() -> str:
        found = manager.alerts()
        mine = [one for one in found if one.name == name]
        assert mine, f"{name} does not fire; these do: {_names(found)}"
        paging = [one for one in mine if not one.held_back]
        assert paging, f"{name} fires, and is held back; these do: {_names(found)}"
        assert paging[0].entry == entry, f"{name} leads to {paging[0].entry}, not to {entry}"
        return f"{paging[0]}, see {paging[0].runbook_url}"

    return Look(f"alert {name} fires", look)


def none_but(manager: Alertmanager, entry: str, expected: Collection[str]) -> Look:
    """No alert of another entry pages anybody, but for those expected."""

    def look() -> str:
        found = manager.alerts()
        strange = [
            one
            for one in found
            if not one.held_back and one.entry != entry and one.name not in expected
        ]
        assert not strange, f"these page as well: {'; '.join(str(one) for one in strange)}"
        return _names(found)

    allowed = f", or {', '.join(sorted(expected))}" if expected else ""
    return Look(f"no alert pages but those of {entry}{allowed}", look)


def quiet(manager: Alertmanager) -> Look:
    """No alert fires at all, held back or not."""

    def look() -> str:
        found = manager.alerts()
        assert not found, _names(found)
        return "no alert fires"

    return Look("no alert fires", look)


def _names(found: Collection[Alert]) -> str:
    told = sorted(f"{one.name}{' (held back)' if one.held_back else ''}" for one in found)
    return ", ".join(dict.fromkeys(told)) or "none"
