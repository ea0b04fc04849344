"""What Prometheus says: targets, values, series that are missing, gaps. Always with the query.

Asked through prometheus-api-client, which by default waits for ever and asks again on errors;
here it does neither.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from drillbook.detectors import prometheus as detectors
from drillbook.detectors.prometheus import Curve, Target, target_of, times_of
from drillbook.looking import CouldNotLook, Look, Unavailable

DEADLINE_S = 5


class PrometheusSilent(CouldNotLook):
    """Prometheus itself does not answer: then no metric says anything about the service."""


class QueryRejected(Exception):
    """Prometheus answers that the query is no PromQL, or cannot be computed."""


@dataclass(frozen=True)
class Sample:
    """One series of an instant query, and its value now."""

    labels: Mapping[str, str]
    value: float

    def __str__(self) -> str:
        return f"{_series(self.labels)} {self.value:.6g}"


@dataclass(frozen=True)
class Told:
    """What a query came to: it cannot be read, gives nothing, or so many series."""

    kind: Literal["rejected", "no series", "series"]
    series: int = 0
    error: str = ""

    def __str__(self) -> str:
        if self.kind == "rejected":
            return f"rejected: {self.error}"
        return "no series" if self.kind == "no series" else f"{self.series} series"


@dataclass
class Prometheus:
    """A Prometheus server. Every question raises PrometheusSilent where it does not answer.

    ``unavailable`` says why there is none; every question then raises Unavailable.
    """

    url: str
    unavailable: str = ""

    @cached_property
    def _api(self) -> Any:
        session = requests.Session()
        session.trust_env = False  # neither a proxy nor a .netrc of the caller's
        return PrometheusConnect(
            url=self.url, retry=Retry(total=0), timeout=DEADLINE_S, session=session
        )

    def instant(self, query: str) -> list[Sample]:
        """The value now of each series that a query gives. Raises QueryRejected."""
        found = self._asked(lambda: self._api.custom_query(query))
        return [_sample(one) for one in found]

    def over(self, query: str, seconds: float, *, step_s: float = 1.0) -> list[list[float]]:
        """The times (Unix) at which each series of a query has a value, over the last seconds.

        A panel draws its curve from this. Raises QueryRejected.
        """
        end = datetime.now(UTC)
        begin = end - timedelta(seconds=seconds)
        found = self._asked(lambda: self._api.custom_query_range(query, begin, end, f"{step_s:g}"))
        return times_of(found)

    def told(self, query: str) -> Told:
        """What a query comes to: rejected, no series, or so many."""
        try:
            found = self.instant(query)
        except QueryRejected as rejected:
            return Told("rejected", error=str(rejected))
        return Told("series", len(found)) if found else Told("no series")

    def targets(self) -> list[Target]:
        """All targets that it scrapes."""
        found = self._asked(lambda: self._api.get_targets("active"))
        return [target_of(one) for one in found["activeTargets"]]

    def metric_names(self) -> set[str]:
        """The names of all metrics that it has samples of now."""
        query = 'count by (__name__) ({__name__!=""})'
        return {one.labels["__name__"] for one in self.instant(query)}

    def _asked(self, question: Callable[[], Any]) -> Any:
        if self.unavailable:
            raise Unavailable(self.unavailable)
        try:
            return question()
        except requests.RequestException as error:
            raise PrometheusSilent(f"{self.url} does not answer: {error}") from error
        except PrometheusApiClientException as error:
            if str(error).startswith("HTTP Status Code 5"):  # it starts, or ends, just now
                raise PrometheusSilent(f"{self.url} does not answer: {error}") from error
            raise QueryRejected(_reason(str(error))) from error


def _sample(found: Mapping[str, Any]) -> Sample:
    return Sample(found["metric"], float(found["value"][1]))


def _reason(answer: str) -> str:
    """Prometheus' own words, out of the client's message about them."""
    found = re.search(r"\(b['\"](\{.*\})['\"]\)$", answer, re.DOTALL)
    try:
        said = json.loads(found[1].encode().decode("unicode_escape")) if found else {}
    except ValueError:
        return answer
    return str(said.get("error", answer))


def _series(labels: Mapping[str, str]) -> str:
    name = labels.get("__name__", "")
    pairs = ",".join(f'{key}="{value}"' for key, value in labels.items() if key != "__name__")
    return f"{name}{{{pairs}}}"


# --- looks -------------------------------------------------------------------------------------
def answers(prometheus: Prometheus) -> Look:
    """Prometheus answers questions."""

    def look() -> str:
        return f"{prometheus.url} knows {len(prometheus.targets())} targets"

    return Look(f"Prometheus answers at {prometheus.url}", look)


def silent(prometheus: Prometheus) -> Look:
    """Prometheus does not answer at all: whoever draws from it draws nothing."""

    def look() -> str:
        try:
            targets = prometheus.targets()
        except PrometheusSilent as error:
            return str(error)
        raise AssertionError(f"{prometheus.url} answers: {len(targets)} targets")

    return Look(f"Prometheus does not answer at {prometheus.url}", look)


def target(prometheus: Prometheus, address: str, health: str, *, error: str = "") -> Look:
    """A target has a health (``up``, ``down``), and an error that matches."""
    detector = detectors.target(health, address=address, error=error)
    return detector.look(prometheus.targets, f"target {address} is {health.upper()}")


def all_up(prometheus: Prometheus, *, jobs: int = 1) -> Look:
    """At least so many jobs are scraped, and none fails."""

    def look() -> str:
        found = prometheus.targets()
        failing = "; ".join(str(one) for one in found if one.health != "up")
        assert not failing, failing
        scraped = {one.job for one in found}
        assert len(scraped) >= jobs, f"only {len(scraped)} jobs: {', '.join(sorted(scraped))}"
        return f"{len(found)} targets are UP: {', '.join(sorted(scraped))}"

    return Look("all targets are UP", look)


def value(
    prometheus: Prometheus, query: str, *, above: float | None = None, below: float | None = None
) -> Look:
    """A query gives at least one series, and each value lies between the bounds."""

    def look() -> str:
        found = prometheus.instant(query)
        assert found, f"{query}: no series"
        told = f"{query}: {'; '.join(str(one) for one in found[:5])}"
        values = [one.value for one in found]
        assert above is None or min(values) > above, f"{told} (not above {above:g})"
        assert below is None or max(values) < below, f"{told} (not below {below:g})"
        return told

    bounds = [f"above {above:g}" if above is not None else "", _below(below)]
    return Look(f"{query} is {' and '.join(filter(None, bounds)) or 'there'}", look)


def _below(bound: float | None) -> str:
    return f"below {bound:g}" if bound is not None else ""


def no_data(prometheus: Prometheus, query: str, *, seconds: float = 3.0) -> Look:
    """A query gives no value over the last seconds: a panel says "No data", a curve has a gap.

    A query that is no PromQL at all is not this: QueryRejected passes through.
    """
    return detectors.no_data().look(
        lambda: Curve(query, seconds, prometheus.over(query, seconds)),
        f"{query} has no data for {seconds:g} s",
    )


def gap(prometheus: Prometheus, query: str, *, over_s: float, at_least_s: float) -> Look:
    """The curve of a query has a hole, or ends early, by so many seconds."""

    def look() -> str:
        now = time.time()
        series = prometheus.over(query, over_s)
        assert series, f"{query}: no series over the last {over_s:g} s: not a curve with a gap"
        holes = [_widest(times, now) for times in series]
        told = f"{query}: a gap of {max(holes):.0f} s over the last {over_s:g} s"
        assert max(holes) >= at_least_s, f"{query}: no gap wider than {max(holes):.0f} s"
        return told

    return Look(f"the curve of {query} has a gap of {at_least_s:g} s", look)


def _widest(times: list[float], now: float) -> float:
    ends = [*times, now]
    return max(after - before for before, after in pairwise(ends))
