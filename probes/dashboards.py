"""The panels of a Grafana that is asked for them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from drillbook.panels import Panel, of_dashboard
from probes import catalogue
from probes.client import Client, Request
from probes.target import RATE_INTERVAL, Settings, TargetError


async def add_from_grafana(settings: Settings, client: Client) -> None:
    """Add the panels of every dashboard that a target's Grafana has, where it names one.

    Raises TargetError where Grafana does not answer: what is not known cannot be watched.
    """
    grafana = settings.target.grafana
    if grafana is None or settings.target.prometheus is None:
        return
    line = catalogue.line_to(settings, client)

    async def asked(path: str) -> Any:
        answer = await line.ask(Request("GET", f"{grafana.url}{path}", whole=True))
        if answer.status != 200:
            raise TargetError(f"{settings.file}: grafana.url: {settings.redaction(str(answer))}")
        return json.loads(answer.body)

    for found in await asked("/api/search?type=dash-db"):
        dashboard = (await asked(f"/api/dashboards/uid/{quote(found['uid'])}"))["dashboard"]
        settings.panels += _new(settings, of_dashboard(found["title"], dashboard, RATE_INTERVAL))


def _new(settings: Settings, panels: Any) -> list[Panel]:
    known = {one.query for one in settings.panels}
    return [one for one in panels if one.query not in known]
