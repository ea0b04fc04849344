"""What Grafana's dashboards ask of Prometheus, asked without Grafana.

A panel draws what its query gives, so a query that gives nothing is an empty panel, whichever
server draws it. What only Grafana's own server can show is not here.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from drillbook.looking import Look
from drillbook.panels import Panel, panels
from drillbook.symptoms import metrics
from drillbook.symptoms.metrics import Prometheus

EMPTY_S = 2.0
_IN_QUERIES = re.compile(
    r'"(?:[^"\\]|\\.)*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)'
)
_NAME = re.compile(r"(?<![\w:.])([A-Za-z_:][\w:]*)(?!\s*\(|[\w:])")
_WORDS = frozenset(
    ("and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool")
)


def titled(found: Sequence[Panel], title: str) -> Panel:
    """The first query of the panel of that title. Raises LookupError, with those there are."""
    for panel in found:
        if panel.title == title:
            return panel
    raise LookupError(f"no panel {title!r} among {', '.join(one.title for one in found)}")


def address(folder: Path, title: str) -> str:
    """Where Grafana shows a panel alone: a path and its query.

    Raises LookupError where no dashboard in the folder has a panel of that title.
    """
    for path in sorted(folder.glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            if panel["title"] == title:
                return f"/d/{dashboard['uid']}?viewPanel={panel['id']}&kiosk"
    raise LookupError(f"no panel {title!r} in {folder}")


def names(query: str) -> set[str]:
    """The names of the metrics that a query asks for."""
    return set(_NAME.findall(_IN_QUERIES.sub(" ", query))) - _WORDS


# --- looks -------------------------------------------------------------------------------------
def all_have_data(prometheus: Prometheus, found: Sequence[Panel]) -> Look:
    """No query is rejected, and each gives at least one series."""

    def look() -> str:
        told = [(panel, prometheus.told(panel.query)) for panel in found]
        wanting = [f"{panel}: {one}" for panel, one in told if one.kind != "series"]
        assert not wanting, "\n".join(wanting)
        series = sum(one.series for _, one in told)
        return f"{len(told)} queries give {series} series; none is rejected, none gives nothing"

    return Look(f"each of {len(found)} queries gives at least one series", look)


def all_empty(prometheus: Prometheus, found: Sequence[Panel]) -> Look:
    """Every query gives no data over the last seconds."""

    def look() -> str:
        for panel in found:
            metrics.no_data(prometheus, panel.query, seconds=EMPTY_S)()
        return f"{len(found)} queries, and none has any data"

    return Look(f"each of {len(found)} panels is empty", look)


def empty(prometheus: Prometheus, folder: Path, title: str) -> Look:
    """The first query of a panel, as its file has it now, gives no data over the last seconds."""

    def look() -> str:
        panel = titled(panels(folder), title)
        return metrics.no_data(prometheus, panel.query, seconds=EMPTY_S)()

    return Look(f'panel "{title}" has no data', look)


def asks_for_unknown(prometheus: Prometheus, folder: Path, name: str) -> Look:
    """Some query names a metric that Prometheus does not have, and that is the one."""

    def look() -> str:
        there = prometheus.metric_names()
        strange = {
            asked: panel
            for panel in panels(folder)
            for asked in names(panel.query)
            if asked not in there
        }
        assert set(strange) == {name}, f"unknown: {', '.join(strange) or 'none'}"
        like = difflib.get_close_matches(name, there, 1)
        meant = f"; there is {like[0]}" if like else ""
        return f"{strange[name]}: Prometheus has no {name}{meant}"

    return Look(f"a dashboard asks for {name}, which Prometheus does not have", look)


def asks_for_known(prometheus: Prometheus, folder: Path) -> Look:
    """Every metric that a query names is one that Prometheus has."""

    def look() -> str:
        there = prometheus.metric_names()
        asked = {name for panel in panels(folder) for name in names(panel.query)}
        assert asked <= there, f"unknown: {', '.join(sorted(asked - there))}"
        return f"all {len(asked)} metrics that the dashboards ask for are there"

    return Look("the dashboards ask only for metrics that there are", look)
