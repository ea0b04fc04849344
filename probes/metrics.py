"""What a prober exposes: blackbox exporter's names, with a label for the probe and its entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from probes.provenance import Provenance
from probes.states import Result, TargetState, Watched

if TYPE_CHECKING:
    from probes.watch import Watch

LABELS = ("target", "instance", "probe", "entry")
COUNTED = {
    "rounds": "Rounds that ended.",
    "rounds_skipped": "Rounds that were due while an earlier one still ran, and so left out.",
    "history_errors": "Times that the history could not be written.",
    "history_replaced": "Times that a corrupt history was moved aside.",
    "deliveries": "Reports that a receiver has acknowledged.",
    "delivery_failures": "Reports that a receiver has not acknowledged when they were sent.",
}


@dataclass
class Counts:
    """What a target's watching has counted since the prober started."""

    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    last_round_s: float = 0.0
    last_ended: float = 0.0
    pending: int = 0
    maintenance: str = ""


class ProbeCollector(Collector):
    """Computes the metrics from the present states when it is asked, and keeps none itself."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        self._watches = list(watches)

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: names are not looked for while nothing was probed."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics as they stand."""
        families = _families()
        for watch in self._watches:
            _add_states(families, watch.state, watch.url, watch.provenance)
            _add_counts(families, watch.state, watch.counts)
        yield from families.values()


def registry_of(watches: Iterable[Watch]) -> CollectorRegistry:
    """A registry with the metrics of these targets and no others."""
    registry = CollectorRegistry()
    registry.register(ProbeCollector(watches))
    return registry


def _families() -> dict[str, Metric]:
    gauges = {
        "probe_success": ("Whether the probe succeeded; absent where nobody can say.", ()),
        "probe_duration_seconds": ("How long the probe took to complete in seconds.", ()),
        "probe_http_status_code": ("Response HTTP status code.", ()),
        "probe_http_duration_seconds": ("Duration of the request by phase.", ("phase",)),
        "probe_dns_lookup_time_seconds": ("Time taken for the DNS lookup in seconds.", ()),
        "probe_http_ssl": ("Whether TLS was used.", ()),
        "probe_ssl_earliest_cert_expiry": ("When the certificate ends, in Unix time.", ()),
        "drillbook_probe_down": ("Whether it is red, after flap damping.", ()),
        "drillbook_probe_unknown": ("Whether it can say nothing.", ()),
        "drillbook_probe_proven": (
            "Whether a drill has seen its detector fire, and which.",
            ("drill", "run"),
        ),
    }
    families: dict[str, Metric] = {
        name: GaugeMetricFamily(name, words, labels=[*LABELS, *more])
        for name, (words, more) in gauges.items()
    }
    for name, words in COUNTED.items():
        full = f"drillbook_probe_{name}"
        families[full] = CounterMetricFamily(full, words, labels=["target"])
    for name, words in (
        ("drillbook_probe_incident", "Whether an incident of the entry is open."),
        ("drillbook_probe_round_duration_seconds", "How long the last round took."),
        ("drillbook_probe_last_round_timestamp_seconds", "When the last round ended."),
        ("drillbook_probe_deliveries_pending", "Reports that are still to be delivered."),
        ("drillbook_probe_maintenance", "Whether nobody is called now."),
    ):
        labels = ["target", "entry"] if name.endswith("incident") else ["target"]
        families[name] = GaugeMetricFamily(name, words, labels=labels)
    return families


def _add_states(
    families: Mapping[str, Metric],
    state: TargetState,
    url: str,
    provenance: Mapping[str, Provenance],
) -> None:
    for name, watched in state.watched.items():
        if watched.last is None:
            continue
        entry = watched.last.probe.entry
        labels = [state.name, url, name, entry]
        _add_probe(families, labels, watched, watched.last)
        vouched = provenance[name].fired
        drill, run = (vouched.drill, vouched.run) if vouched else ("", "")
        _add(families, "drillbook_probe_proven", [*labels, drill, run], bool(vouched))
    entries = dict.fromkeys(one.last.probe.entry for one in state.watched.values() if one.last)
    for entry in entries:
        _add(families, "drillbook_probe_incident", [state.name, entry], entry in state.open)


def _add_probe(
    families: Mapping[str, Metric], labels: list[str], watched: Watched, last: Result
) -> None:
    if last.outcome != "unknown" and watched.state != "unknown":
        _add(families, "probe_success", labels, last.outcome == "up")
    _add(families, "probe_duration_seconds", labels, last.took_s)
    _add(families, "drillbook_probe_down", labels, watched.state == "down")
    _add(families, "drillbook_probe_unknown", labels, watched.state == "unknown")
    exchange = last.exchange
    if exchange is None:
        return
    _add(families, "probe_http_status_code", labels, exchange.status)
    _add(families, "probe_http_ssl", labels, exchange.url.startswith("https:"))
    for phase, took_s in exchange.phases_s.items():
        _add(families, "probe_http_duration_seconds", [*labels, phase], took_s)
    if "resolve" in exchange.phases_s:
        _add(families, "probe_dns_lookup_time_seconds", labels, exchange.phases_s["resolve"])
    if exchange.expires_at is not None:
        _add(families, "probe_ssl_earliest_cert_expiry", labels, exchange.expires_at)


def _add_counts(families: Mapping[str, Metric], state: TargetState, counts: Counts) -> None:
    for name, number in counts.numbers.items():
        _add(families, f"drillbook_probe_{name}", [state.name], number)
    _add(families, "drillbook_probe_round_duration_seconds", [state.name], counts.last_round_s)
    ended = counts.last_ended
    _add(families, "drillbook_probe_last_round_timestamp_seconds", [state.name], ended)
    _add(families, "drillbook_probe_deliveries_pending", [state.name], counts.pending)
    _add(families, "drillbook_probe_maintenance", [state.name], bool(counts.maintenance))


def _add(families: Mapping[str, Metric], name: str, labels: list[str], value: float) -> None:
    family = families[name]
    assert isinstance(family, GaugeMetricFamily | CounterMetricFamily)
    family.add_metric(labels, float(value))
