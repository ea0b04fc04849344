"""Runbook entry 5.2: a Grafana dashboard opens, and its panels stay empty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drillbook.drill import Drill, drills
from drillbook.panels import panels
from drillbook.symptoms import dashboards, pages
from fixtures.faults import monitoring as breaks
from fixtures.monitoring import NO_GRAFANA, Monitoring
from fixtures.shop import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EMPTY_S = 45.0  # Prometheus looks back 20 s in drills, five minutes in production
DASHBOARD = "/d/shop-backend?kiosk"


def look_at(drill: Drill, monitoring: Monitoring, browser: Browser, path: str, kept: Path) -> None:
    """Symptom 1 where there is a Grafana: what it shows says so."""
    if monitoring.grafana_url:
        page = pages.shows(browser, monitoring.grafana_url + path, "No data", kept)
        drill.symptom(1, page, within_s=EMPTY_S)


@drills("5.2")
def test_every_panel_has_data(drill: Drill, monitoring: Monitoring) -> None:
    """On a healthy stack every query of every dashboard gives data."""
    prometheus = monitoring.prometheus

    drill.step(2, dashboards.all_have_data(prometheus, panels(monitoring.dashboards)))
    drill.step(3, dashboards.asks_for_known(prometheus, monitoring.dashboards))

    drill.recovered()


@drills("5.2", cause=1)
def test_data_source_is_wrong(
    drill: Drill, stack: Shop, monitoring: Monitoring, browser: Browser, picture: Path
) -> None:
    """Grafana's data source has a wrong address."""
    url = monitoring.grafana_url
    if url is None:
        pytest.skip(NO_GRAFANA)
    source = monitoring.folder / "grafana/provisioning/datasources/prometheus.yml"
    before = source.read_text()

    drill.inject(breaks.wrong_source(monitoring, "http://prometheus:9099"))

    drill.symptom(1, pages.shows(browser, url + DASHBOARD, "No data", picture), within_s=EMPTY_S)

    drill.step(1, breaks.source_fails(stack, url))

    drill.fix(1, breaks.correct_source(monitoring, source, before))
    drill.recovered()


@drills("5.2", cause=2)
def test_prometheus_collects_nothing(
    drill: Drill, monitoring: Monitoring, browser: Browser, picture: Path
) -> None:
    """Prometheus runs, and collects nothing."""
    prometheus = monitoring.prometheus
    before = monitoring.configuration.read_text()
    found = panels(monitoring.dashboards)

    drill.inject(breaks.nothing_to_scrape(monitoring))

    empty = dashboards.all_empty(prometheus, found)
    drill.symptom(1, empty, within_s=EMPTY_S, unproven=monitoring.no_grafana)
    look_at(drill, monitoring, browser, DASHBOARD, picture.with_stem(f"{picture.stem}-dashboard"))
    drill.note(
        "cause",
        2,
        "A panel goes on showing the last value for as long as Prometheus looks back, five minutes "
        "unless set otherwise: a dashboard that is not empty yet proves nothing.",
    )
    drill.alert("MetricsMissing", leads_to="5.1")

    query = "http_requests_in_flight"
    drill.step(2, pages.queried(browser, prometheus.url, query, r"no data|empty query", picture))
    drill.step(2, breaks.configured(monitoring, "backend:8000", there=False))

    drill.fix(2, breaks.rewrite(monitoring, monitoring.configuration.name, before, "all targets"))
    drill.recovered()


@drills("5.2", cause=3)
def test_query_names_no_metric(
    drill: Drill, monitoring: Monitoring, browser: Browser, picture: Path
) -> None:
    """A panel's query names a metric that does not exist."""
    prometheus = monitoring.prometheus
    right, wrong = "http_requests_in_flight", "http_requests_inflight"

    drill.inject(breaks.misnamed(monitoring, "backend.json", right, wrong))

    title = "Requests in flight"
    empty = dashboards.empty(prometheus, monitoring.dashboards, title)
    drill.symptom(1, empty, unproven=monitoring.no_grafana)
    path = dashboards.address(monitoring.dashboards, title)
    look_at(drill, monitoring, browser, path, picture.with_stem(f"{picture.stem}-panel"))

    drill.step(2, pages.queried(browser, prometheus.url, right, r"backend:8000", picture))
    shown = pages.begins(browser, f"{prometheus.url}/graph")
    drill.note("step", 2, f'On {monitoring.image("prometheus")}, /graph begins: "{shown} …"')
    drill.step(3, dashboards.asks_for_unknown(prometheus, monitoring.dashboards, wrong))

    drill.fix(3, breaks.rename(monitoring, "backend.json", wrong, right))
    drill.step(3, dashboards.asks_for_known(prometheus, monitoring.dashboards))
    drill.recovered()
