"""Runbook entry 5.1: metrics are missing from Prometheus, and so from Grafana."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drillbook.drill import Command, Drill, compose, drills
from drillbook.faults import configuration, workloads
from drillbook.symptoms import dashboards, http, metrics, pages
from drillbook.symptoms import workloads as see
from fixtures.faults import monitoring as breaks
from fixtures.monitoring import NO_GRAFANA, Monitoring
from fixtures.shop import Shop

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

# A service of the monitoring, the target that it is, and a panel that shows its metrics.
EXPORTERS = {
    "cadvisor": ("cadvisor:8080", "Memory by container"),
    "node_exporter": ("node_exporter:9100", "CPU of the machine"),
    "postgres_exporter": ("postgres_exporter:9187", "Up"),
    "nginx_exporter": ("nginx_exporter:9113", "Connections to nginx"),
}
SEEN_S = 25.0
NO_PANEL = "asked of Prometheus itself, not of a panel in Grafana"


def starts(name: str) -> Command:
    """The documented command that starts a service which is stopped."""
    return compose(
        "docker compose start <service_name>", fill={"service_name": name}, deadline_s=60
    )


def look_at_page(
    drill: Drill, monitoring: Monitoring, browser: Browser, address: str, picture: Path
) -> None:
    """Symptom 1: Prometheus' own page, and its API, say that a target is DOWN."""
    prometheus = monitoring.prometheus
    drill.symptom(1, metrics.target(prometheus, address, "down"))
    drill.symptom(1, pages.target_is(browser, prometheus.url, address, "DOWN", picture))


def look_at_panel(
    drill: Drill, monitoring: Monitoring, browser: Browser, title: str, picture: Path
) -> None:
    """Symptom 2: a panel's own query gives nothing, and Grafana, where there is one, says so."""
    look = dashboards.empty(monitoring.prometheus, monitoring.dashboards, title)
    drill.symptom(2, look, within_s=SEEN_S, unproven=monitoring.no_grafana)
    if monitoring.grafana_url:
        page = monitoring.grafana_url + dashboards.address(monitoring.dashboards, title)
        panel = picture.with_stem(f"{picture.stem}-panel")
        drill.symptom(2, pages.shows(browser, page, "No data", panel), within_s=SEEN_S)


@drills("5.1", cause=1)
@pytest.mark.parametrize("name", EXPORTERS)
def test_exporter_is_not_running(
    drill: Drill, monitoring: Monitoring, browser: Browser, picture: Path, name: str
) -> None:
    """An exporter's container is not running."""
    address, title = EXPORTERS[name]
    service = monitoring.service(name)

    drill.inject(workloads.stopped(service))

    look_at_page(drill, monitoring, browser, address, picture)
    look_at_panel(drill, monitoring, browser, title, picture)
    drill.alert("TargetDown")

    drill.step(1, compose("docker compose ps -a", shows=rf"{name} .*Exited \(\d+\)"))
    drill.step(2, pages.target_is(browser, monitoring.prometheus.url, address, "DOWN", picture))
    drill.step(3, breaks.configured(monitoring, address, there=True))
    drill.step(4, breaks.reaches(monitoring, address, answers=False))

    drill.fix(1, starts(name))
    drill.recovered()


@drills("5.1", cause=1)
def test_prometheus_is_not_running(drill: Drill, monitoring: Monitoring, browser: Browser) -> None:
    """Prometheus' own container is not running."""
    prometheus = monitoring.prometheus

    drill.inject(workloads.stopped(monitoring.service("prometheus")))

    drill.symptom(2, metrics.silent(prometheus), unproven=NO_PANEL)
    drill.note(
        "symptom",
        1,
        "With Prometheus itself down its page does not open at all, and no alert fires: what "
        "watches must be watched from outside.",
    )

    drill.step(1, compose("docker compose ps -a", shows=r"prometheus .*Exited \(\d+\)"))
    drill.step(2, pages.unreachable(browser, f"{prometheus.url}/targets"))

    drill.fix(1, starts("prometheus"))
    drill.recovered()


@drills("5.1", cause=1)
def test_alertmanager_is_not_running(
    drill: Drill, monitoring: Monitoring, browser: Browser, picture: Path
) -> None:
    """Alertmanager's container is not running: alerts fire, and nobody is told."""
    address = "alertmanager:9093"
    prometheus = monitoring.prometheus

    drill.inject(workloads.stopped(monitoring.service("alertmanager")))

    look_at_page(drill, monitoring, browser, address, picture)
    look = metrics.no_data(prometheus, "alertmanager_alerts")
    drill.symptom(2, look, unproven=NO_PANEL)

    drill.step(1, compose("docker compose ps -a", shows=r"alertmanager .*Exited \(\d+\)"))
    drill.step(4, breaks.reaches(monitoring, address, answers=False))

    drill.fix(1, starts("alertmanager"))
    drill.recovered()


@drills("5.1", cause=1)
def test_grafana_is_not_running(drill: Drill, monitoring: Monitoring, browser: Browser) -> None:
    """Grafana's own container is not running."""
    url = monitoring.grafana_url
    if url is None:
        pytest.skip(NO_GRAFANA)

    drill.inject(workloads.stopped(monitoring.service("grafana")))

    drill.symptom(2, pages.unreachable(browser, url))

    drill.step(1, compose("docker compose ps -a", shows=r"grafana .*Exited \(\d+\)"))

    drill.fix(1, starts("grafana"))
    drill.recovered()


@drills("5.1", cause=2)
@pytest.mark.parametrize(
    "edit",
    [
        ("backend:8000", "backend-api:8000", "bad address", "Requests in flight"),
        ("node_exporter:9100", "node_exporter:9101", "refused", "CPU of the machine"),
    ],
    ids=["address", "port"],
)
def test_prometheus_yml_is_wrong(
    drill: Drill, monitoring: Monitoring, browser: Browser, picture: Path, edit: tuple[str, ...]
) -> None:
    """prometheus.yml gives a target a wrong address."""
    right, wrong, says, title = edit
    prometheus = monitoring.prometheus
    before = monitoring.configuration.read_text()

    drill.inject(breaks.mistargeted(monitoring, right, wrong))

    look_at_page(drill, monitoring, browser, wrong, picture)
    look_at_panel(drill, monitoring, browser, title, picture)
    drill.alert("TargetDown")

    drill.step(1, compose("docker compose ps -a", shows=r"prometheus .*Up "))
    drill.step(2, pages.target_is(browser, prometheus.url, wrong, "DOWN", picture))
    drill.step(3, breaks.configured(monitoring, right, there=False))
    drill.step(4, breaks.reaches(monitoring, wrong, answers=False, says=says))

    drill.fix(3, breaks.rewrite(monitoring, monitoring.configuration.name, before, right))
    drill.recovered()


@drills("5.1", cause=3)
def test_firewall_before_a_target(
    drill: Drill, monitoring: Monitoring, browser: Browser, picture: Path
) -> None:
    """A firewall drops what Prometheus sends to a target."""
    service, port = monitoring.service("node_exporter"), 9100
    address = f"node_exporter:{port}"

    drill.inject(breaks.firewall(monitoring, service, port))

    look_at_page(drill, monitoring, browser, address, picture)
    look_at_panel(drill, monitoring, browser, "CPU of the machine", picture)
    drill.alert("TargetDown")

    drill.step(1, compose("docker compose ps -a", shows=r"node_exporter .*Up "))
    drill.step(2, metrics.target(monitoring.prometheus, address, "down", error="deadline exceeded"))
    shown = pages.begins(browser, f"{monitoring.prometheus.url}/targets")
    drill.note("step", 2, f'On {monitoring.image("prometheus")}, /targets begins: "{shown} …"')
    drill.step(3, breaks.configured(monitoring, address, there=True))
    drill.step(4, breaks.reaches(monitoring, address, answers=False, says="timed out"))

    drill.fix(4, breaks.open_firewall(monitoring, service, port))
    drill.recovered()


@drills("5.1", cause=4)
def test_application_exposes_no_metrics(
    drill: Drill, stack: Shop, monitoring: Monitoring, browser: Browser, picture: Path
) -> None:
    """The application answers, and exposes no metrics."""
    address = "backend:8000"
    endpoint = f"{stack.backend_url}/metrics"

    drill.inject(configuration.environment(stack.backend, "METRICS_ENABLED", "false"))

    look_at_page(drill, monitoring, browser, address, picture)
    look_at_panel(drill, monitoring, browser, "Requests in flight", picture)
    drill.alert("TargetDown")

    drill.step(1, compose("docker compose ps -a", shows=r"backend .*Up "))
    drill.step(2, metrics.target(monitoring.prometheus, address, "down", error="404"))
    drill.step(3, breaks.configured(monitoring, address, there=True))
    drill.step(5, http.answers(endpoint, stack.http, status=404))

    drill.fix(5, configuration.correct(stack.backend, METRICS_ENABLED=None))
    drill.step(5, http.answers(endpoint, stack.http, status=200, body="# TYPE http_requests"))
    drill.step(5, see.environment(stack.backend, "METRICS_ENABLED", "^true$"))
    drill.recovered()
