"""The queries of Grafana's dashboards, out of their files or out of its API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RATE_INTERVAL = "8s"  # in drills, where Prometheus scrapes every second or two
_DURATIONS = re.compile(r"\$(?:\{)?__(?:rate_interval|interval|range)\}?")
_VARIABLES = re.compile(r"\$(?:\{\w+(?::\w+)?\}|\w+)")


@dataclass(frozen=True)
class Panel:
    """One query of one panel, its variables filled in."""

    dashboard: str
    title: str
    query: str

    def __str__(self) -> str:
        return f'{self.dashboard} "{self.title}": {self.query}'


def panels(folder: Path, rate_interval: str = RATE_INTERVAL) -> list[Panel]:
    """Every query of every dashboard in a folder. Raises ValueError for a file that is no JSON."""
    return [
        panel
        for path in sorted(folder.glob("*.json"))
        for panel in of_dashboard(path.name, json.loads(path.read_text()), rate_interval)
    ]


def of_dashboard(
    name: str, dashboard: Mapping[str, Any], rate_interval: str = RATE_INTERVAL
) -> Iterator[Panel]:
    """The queries of a dashboard, those in its rows included. A variable stands for any value."""
    for panel in dashboard.get("panels", ()):
        yield from of_dashboard(name, panel, rate_interval)
        for target in panel.get("targets", ()):
            if target.get("expr"):
                query = _DURATIONS.sub(rate_interval, target["expr"])
                yield Panel(name, panel.get("title", ""), _VARIABLES.sub(".*", query))
