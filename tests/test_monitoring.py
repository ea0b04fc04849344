"""What watches the shop, as files: rules that lead somewhere, dashboards that Grafana reads."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
import requests
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_api_client.exceptions import PrometheusApiClientException

from drillbook import runbook
from drillbook.platforms import PortTaken
from drillbook.run import DEFAULT_RUNBOOK, refuse_taken_ports
from drillbook.symptoms import alerts, dashboards, metrics
from drillbook.symptoms.alerts import Alertmanager, AlertmanagerSilent
from drillbook.symptoms.metrics import Prometheus, PrometheusSilent, QueryRejected
from fixtures.folders import ROOT, SERVICE
from fixtures.monitoring import FILES, HURRY, JOBS, PORTS, RUNBOOK_URL, hurried

DASHBOARDS = FILES / "grafana" / "dashboards"
Rule = dict[str, Any]


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def rules() -> list[Rule]:
    return [
        rule
        for path in sorted((FILES / "rules").glob("*.yml"))
        for group in loaded(path)["groups"]
        for rule in group["rules"]
    ]


PREFIX = "{{ $externalLabels.runbook_url }}"


# --- rules -------------------------------------------------------------------------------------
@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_leads_to_its_entry_of_the_runbook(rule: Rule) -> None:
    entry = runbook.load(DEFAULT_RUNBOOK).entry(rule["labels"]["entry"])
    assert rule["annotations"]["runbook_url"] == PREFIX + f"#{entry.anchor}"
    assert rule["annotations"]["summary"]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    headings = re.findall(r"^#+ (.*)$", DEFAULT_RUNBOOK.read_text(), re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings]
    assert entry.anchor in anchors


def test_what_their_addresses_begin_with_is_for_each_deployment_to_set() -> None:
    prometheus = loaded(FILES / "prometheus.yml")
    assert prometheus["global"]["external_labels"] == {"runbook_url": "${RUNBOOK_URL}"}
    relabelled = prometheus["alerting"]["alert_relabel_configs"]
    assert relabelled == [{"action": "labeldrop", "regex": "runbook_url"}]
    service = loaded(SERVICE / "docker-compose.monitoring.yml")["services"]["prometheus"]
    assert service["environment"]["RUNBOOK_URL"].startswith("${RUNBOOK_URL:?")
    assert "--enable-feature=expand-external-labels" in service["command"]


def test_in_drills_they_lead_to_this_very_runbook() -> None:
    parts = urlsplit(RUNBOOK_URL)
    assert parts.scheme == "file"
    assert Path(unquote(parts.path)).samefile(DEFAULT_RUNBOOK)


def test_alerts_have_names_of_their_own_and_a_unit_test_each() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    tested = loaded(FILES / "tests" / "alerts_test.yml")["tests"]
    fired = {
        case["alertname"]
        for test in tested
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert fired == set(names)


def test_what_is_held_back_and_by_what_are_alerts_that_there_are() -> None:
    names = {rule["alert"] for rule in rules()}
    for rule in loaded(FILES / "alertmanager.yml")["inhibit_rules"]:
        for side in ("source_matchers", "target_matchers"):
            words = next(one for one in rule[side] if one.startswith("alertname"))
            assert set(re.findall(r"[A-Z]\w+", words)) <= names


def test_scenarios_wait_for_alerts_that_lead_where_they_drill() -> None:
    entries = {rule["alert"]: rule["labels"]["entry"] for rule in rules()}
    for path in sorted((ROOT / "scenarios").glob("test_*.py")):
        number = re.match(r"test_(\d+(?:_\d+)?)_", path.name)
        assert number is not None
        for call in re.findall(r"drill\.alert\(([^)]*)\)", path.read_text()):
            words = re.findall(r'"([^"]+)"', call)
            sent_on = re.search(r'leads_to="([^"]+)"', call)
            entry = sent_on[1] if sent_on else number[1].replace("_", ".")
            assert entries[words[0]] == entry, f"{path.name}: {call}"


# --- what Prometheus and Grafana read ----------------------------------------------------------
def test_the_targets_are_those_the_runbook_names_and_services_that_there_are() -> None:
    jobs = loaded(FILES / "prometheus.yml")["scrape_configs"]
    assert len(jobs) == JOBS
    targets = {one for job in jobs for group in job["static_configs"] for one in group["targets"]}
    step = runbook.load(DEFAULT_RUNBOOK).entry("5.1").steps[2]
    named = set(re.findall(r"\w+:\d+", step.text))
    assert named
    assert named <= targets
    services = {
        name
        for path in ("docker-compose.prod.yml", "docker-compose.monitoring.yml")
        for name in loaded(SERVICE / path)["services"]
    }
    hosts = {re.sub(r"^\w+://", "", one).partition(":")[0].partition("/")[0] for one in targets}
    assert hosts - {"localhost"} <= services


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: path.name)
def test_a_dashboard_holds_nothing_that_grafana_does_not_know(path: Path) -> None:
    given = json.loads(path.read_text())
    assert sorted(lost(given, through_grafana(given))) == []
    given["panels"][0]["targets"][0]["exprr"] = "up"  # a slip is seen
    assert lost(given, through_grafana(given)) == {".panels[0].targets[0].exprr"}


def through_grafana(given: dict[str, Any]) -> Any:
    """A dashboard as Grafana's own model of it reads it, and writes it again."""
    plugins.register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(given)))


def lost(given: Any, got: Any, where: str = "") -> set[str]:
    """Where something that was given has gone, or has become something else."""
    if isinstance(given, dict) and isinstance(got, dict):
        parts = [lost(given[key], got.get(key), f"{where}.{key}") for key in given if key in got]
        return set().union(*parts, {f"{where}.{key}" for key in given if key not in got})
    if isinstance(given, list) and isinstance(got, list) and len(given) == len(got):
        pairs = enumerate(zip(given, got, strict=True))
        return set().union(*(lost(a, b, f"{where}[{number}]") for number, (a, b) in pairs))
    return set() if given == got else {where}


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: path.name)
def test_panels_ask_the_provisioned_source_and_lie_beside_each_other(path: Path) -> None:
    [source] = loaded(FILES / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    panels = json.loads(path.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        for holder in (panel, *panel["targets"]):
            assert holder["datasource"] == {"type": source["type"], "uid": source["uid"]}
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


# What Grafana's provisioning reads, from its documentation; it says nothing of a key it ignores.
SOURCE_KEYS = {
    *("name", "uid", "type", "access", "url", "orgId", "isDefault", "editable", "version"),
    *("jsonData", "secureJsonData", "basicAuth", "basicAuthUser", "withCredentials", "user"),
    "database",
}
PROVIDER_KEYS = {
    *("name", "orgId", "folder", "folderUid", "type", "disableDeletion"),
    *("updateIntervalSeconds", "allowUiUpdates", "options"),
}


def test_provisioning_files_hold_what_grafana_reads() -> None:
    folder = FILES / "grafana" / "provisioning"
    sources, boards = (
        loaded(folder / "datasources/prometheus.yml"),
        loaded(folder / "dashboards/shop.yml"),
    )
    assert (sources["apiVersion"], boards["apiVersion"]) == (1, 1)
    assert all(set(one) <= SOURCE_KEYS for one in sources["datasources"])
    assert all(set(one) <= PROVIDER_KEYS for one in boards["providers"])
    compose = loaded(SERVICE / "docker-compose.monitoring.yml")["services"]
    [board] = boards["providers"]
    assert board["options"]["path"] == "/etc/monitoring/grafana/dashboards"
    mounts = compose["grafana"]["volumes"]
    assert "${MONITORING_FILES:-./monitoring}:/etc/monitoring:ro" in mounts
    interval = loaded(FILES / "prometheus.yml")["global"]["scrape_interval"]
    assert sources["datasources"][0]["jsonData"]["timeInterval"] == interval


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("up", {"up"}),
        ('sum by (status) (rate(http_requests_total{route!~"/a|b"}[8s]))', {"http_requests_total"}),
        ("a / on (job) group_left b > 0.5 or vector(0)", {"a", "b"}),
        ("histogram_quantile(0.95, sum by (le) (rate(x_bucket[1m]))) and y", {"x_bucket", "y"}),
        ("topk(5, m) unless 1e3 * n:rate5m", {"m", "n:rate5m"}),
    ],
)
def test_the_metrics_of_a_query_are_found(query: str, names: set[str]) -> None:
    assert dashboards.names(query) == names


def test_a_panel_is_found_where_grafana_shows_it() -> None:
    folder = FILES / "grafana" / "dashboards"
    boards = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    for board in boards:
        for panel in board["panels"]:
            where = dashboards.address(folder, panel["title"])
            assert where == f"/d/{board['uid']}?viewPanel={panel['id']}&kiosk"
    with pytest.raises(LookupError, match="no panel 'Weather'"):
        dashboards.address(folder, "Weather")


# --- a faster clock ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("scrape_interval: 15s", "scrape_interval: 1s"),
        ("scrape_timeout: 10s", "scrape_timeout: 1s"),
        ("for: 1m", "for: 4s"),
        ("group_wait: 30s # why", "group_wait: 2s # why"),
        ("repeat_interval: 4h", "repeat_interval: 960s"),
        ("timeInterval: 15s", "timeInterval: 1s"),
        ("rate(x[2m]) / rate(y[5m])", "rate(x[8s]) / rate(y[20s])"),
        ('targets: ["backend:8000"]', 'targets: ["backend:8000"]'),
        ("summary: restarted in 5 minutes", "summary: restarted in 5 minutes"),
    ],
)
def test_a_configuration_is_hurried(written: str, becomes: str) -> None:
    assert hurried(written) == becomes


def test_hurried_files_are_still_what_they_were() -> None:
    assert HURRY == 15
    for path in FILES.rglob("*.yml"):
        before, after = loaded(path), yaml.safe_load(hurried(path.read_text()))
        assert shape(before) == shape(after)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value)


# --- asking Prometheus and Alertmanager --------------------------------------------------------
class FakeApi:
    """What prometheus-api-client would give, or raise."""

    def __init__(self) -> None:
        self.raises: Exception | None = None
        self.result: Any = []

    def _answer(self, *_: object) -> Any:
        if self.raises is not None:
            raise self.raises
        return self.result

    custom_query = custom_query_range = get_targets = _answer


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def prometheus(api: FakeApi) -> Prometheus:
    made = Prometheus("http://prometheus:9090")
    made.__dict__["_api"] = api
    return made


def series(value: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [0, value]}


def target(job: str, address: str, health: str, error: str = "") -> dict[str, Any]:
    return {
        "labels": {"job": job, "instance": address},
        "discoveredLabels": {"__address__": address},
        "health": health,
        "lastError": error,
    }


def test_the_client_waits_for_no_answer_for_ever_and_does_not_ask_again() -> None:
    client = Prometheus("http://127.0.0.1:1")._api
    assert client._timeout == metrics.DEADLINE_S
    assert client._session.get_adapter("http://x").max_retries.total == 0


def test_a_value_comes_with_its_query(prometheus: Prometheus, api: FakeApi) -> None:
    api.result = [series("0.7", __name__="x", job="backend")]
    assert metrics.value(prometheus, "x", above=0.5)() == 'x: x{job="backend"} 0.7'
    with pytest.raises(AssertionError, match=r"0\.7 \(not above 0\.8\)"):
        metrics.value(prometheus, "x", above=0.8)()
    with pytest.raises(AssertionError, match=r"not below 0\.5"):
        metrics.value(prometheus, "x", below=0.5)()
    api.result = []
    with pytest.raises(AssertionError, match="x: no series"):
        metrics.value(prometheus, "x")()


def test_a_query_is_rejected_empty_or_gives_series(prometheus: Prometheus, api: FakeApi) -> None:
    assert str(prometheus.told("x")) == "no series"
    api.result = [series("1"), series("2")]
    assert str(prometheus.told("x")) == "2 series"
    said = '{"status":"error","errorType":"bad_data","error":"1:3: parse error: unclosed \\"(\\""}'
    api.raises = PrometheusApiClientException(f"HTTP Status Code 400 ({said.encode()!r})")
    assert str(prometheus.told("x(")) == 'rejected: 1:3: parse error: unclosed "("'
    with pytest.raises(QueryRejected, match="parse error"):
        metrics.no_data(prometheus, "x(")()


@pytest.mark.parametrize(
    "silence",
    [
        requests.ConnectionError("refused"),
        PrometheusApiClientException("HTTP Status Code 503 (b'refused: Service Unavailable')"),
    ],
    ids=["unreachable", "starting"],
)
def test_a_silent_prometheus_is_neither_no_data_nor_a_target_down(
    prometheus: Prometheus, api: FakeApi, silence: Exception
) -> None:
    api.raises = silence
    for look in (
        metrics.no_data(prometheus, "x"),
        metrics.target(prometheus, "backend:8000", "down"),
        metrics.value(prometheus, "x"),
    ):
        with pytest.raises(PrometheusSilent, match="refused"):
            look()
    assert "refused" in metrics.silent(prometheus)()
    with pytest.raises(PrometheusSilent, match="refused"):
        metrics.answers(prometheus)()
    with pytest.raises(PrometheusSilent, match="refused"):
        metrics.all_up(prometheus)()


def test_targets_are_told_apart(prometheus: Prometheus, api: FakeApi) -> None:
    api.result = {
        "activeTargets": [
            target("backend", "backend:8000", "down", "connection refused"),
            target("node", "node_exporter:9100", "up"),
        ]
    }
    assert "refused" in metrics.target(prometheus, "backend:8000", "down", error="refused")()
    with pytest.raises(AssertionError, match="is UP"):
        metrics.target(prometheus, "node_exporter:9100", "down")()
    with pytest.raises(AssertionError, match="no target x:1"):
        metrics.target(prometheus, "x:1", "down")()
    with pytest.raises(AssertionError, match="is DOWN: connection refused"):
        metrics.all_up(prometheus)()
    api.result["activeTargets"].pop(0)
    assert metrics.all_up(prometheus)() == "1 targets are UP: node"
    with pytest.raises(AssertionError, match="only 1 jobs"):
        metrics.all_up(prometheus, jobs=2)()


def test_a_gap_is_a_hole_or_an_early_end(
    prometheus: Prometheus, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drillbook.symptoms.metrics.time.time", lambda: 110.0)
    api.result = [{"metric": {}, "values": [[at, "1"] for at in (100, 101, 106, 107, 108, 109)]}]
    look = metrics.gap(prometheus, "x", over_s=20, at_least_s=5)
    assert look() == "x: a gap of 5 s over the last 20 s"
    with pytest.raises(AssertionError, match="no gap wider than 5 s"):
        metrics.gap(prometheus, "x", over_s=20, at_least_s=6)()
    with pytest.raises(AssertionError, match=r"the newest sample 1\.0 s old"):
        metrics.no_data(prometheus, "x")()
    api.result = []
    assert metrics.no_data(prometheus, "x")().endswith("no data")
    with pytest.raises(AssertionError, match="not a curve with a gap"):
        look()


@pytest.fixture
def firing() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def manager(firing: list[dict[str, Any]]) -> Iterator[Alertmanager]:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v2/alerts"
        return httpx.Response(200, json=firing)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        yield Alertmanager("http://alertmanager:9093", client)


def alert(name: str, entry: str, state: str = "active") -> dict[str, Any]:
    return {
        "labels": {"alertname": name, "entry": entry},
        "annotations": {"summary": "so it is", "runbook_url": "runbook.md#x"},
        "status": {"state": state},
        "startsAt": "2026-11-24T12:00:00.000Z",
    }


def test_an_alert_fires_where_it_pages_and_leads_to_the_entry(
    manager: Alertmanager, firing: list[dict[str, Any]]
) -> None:
    look = alerts.fires(manager, "DatabaseDown", "3.1")
    assert alerts.quiet(manager)() == "no alert fires"
    with pytest.raises(AssertionError, match="does not fire; these do: none"):
        look()
    firing.append(alert("DatabaseDown", "3.1", "suppressed"))
    with pytest.raises(AssertionError, match="is held back"):
        look()
    firing[0]["status"]["state"] = "active"
    assert look() == "DatabaseDown (3.1): so it is, see runbook.md#x"
    with pytest.raises(AssertionError, match=r"leads to 3\.1, not to 4\.1"):
        alerts.fires(manager, "DatabaseDown", "4.1")()
    with pytest.raises(AssertionError, match="DatabaseDown"):
        alerts.quiet(manager)()


def test_alerts_of_other_entries_are_out_of_place_unless_expected_or_held_back(
    manager: Alertmanager, firing: list[dict[str, Any]]
) -> None:
    firing += [alert("DatabaseDown", "3.1"), alert("BackendErrors", "2.1", "suppressed")]
    assert alerts.none_but(manager, "3.1", ())() == "BackendErrors (held back), DatabaseDown"
    firing.append(alert("HighLatency", "2.3"))
    with pytest.raises(AssertionError, match=r"page as well: HighLatency \(2\.3\)"):
        alerts.none_but(manager, "3.1", ())()
    assert alerts.none_but(manager, "3.1", {"HighLatency"})()


def test_a_silent_alertmanager_is_no_quiet_one() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with httpx.Client(transport=httpx.MockTransport(refuse)) as client:
        manager = Alertmanager("http://alertmanager:9093", client)
        with pytest.raises(AlertmanagerSilent, match="refused"):
            alerts.quiet(manager)()
        with pytest.raises(AlertmanagerSilent, match="refused"):
            alerts.answers(manager)()


def test_a_port_that_is_taken_is_refused_before_the_first_drill() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = str(held.getsockname()[1])
        with pytest.raises(PortTaken, match=f"port {port}.*set ALERTMANAGER_PORT"):
            refuse_taken_ports(PORTS, {"PROMETHEUS_PORT": "1", "ALERTMANAGER_PORT": port})
    refuse_taken_ports(PORTS, {"PROMETHEUS_PORT": "1", "ALERTMANAGER_PORT": port})
