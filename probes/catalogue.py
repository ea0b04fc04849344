"""Which probes a target gets: for each entry that is watched, what is asked and who judges it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from drillbook.detectors import Detector, containers, http, pods, prometheus
from drillbook.detectors.http import Exchange
from drillbook.looking import CouldNotLook
from probes.client import Line, Request, origin_of
from probes.target import Entry, Settings

SERVER_ERROR = range(500, 600)
BEHIND_FAILS = (502, 504)
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
PROJECT = "com.docker.compose.project"
LOOKBACK_S = 300.0  # how old a sample may be for Prometheus to count it as present

Judge = Callable[[Sequence[Exchange]], str]


@dataclass(frozen=True)
class Probe:
    """A detector turned on a target.

    ``judge`` gets the answers to ``requests``, in their order. A probe is down when its detector
    fires, or, with ``wants_it``, when it does not: the detector of 2.2 sees a refusal, and it is
    the refusal that is wanted of a malformed body.
    """

    name: str
    entry: Entry
    lines: tuple[str, ...]
    """The runbook's lines that describe what its detector sees, and whose drills vouch for it."""
    detector: str
    what: str
    requests: tuple[Request, ...]
    judge: Judge
    wants_it: bool = False
    depends: tuple[Entry, ...] = ()
    """Where one of these entries is down, this probe tells nothing of its own."""
    blocking: Callable[[], str] | None = None
    """A look that takes a thread of its own (a browser's), in place of requests."""
    journey: bool = False
    """Its steps follow from one another, and so are not among ``requests``."""


def of(settings: Settings) -> list[Probe]:
    """The probes of a target, in the runbook's order."""
    target = settings.target
    made = [probe for build in BUILDERS for probe in build(settings)]
    return [probe for probe in made if probe.entry in target.entries]


def line_to(settings: Settings, client: Any) -> Line:
    """The way to a target: only its own origins get its headers."""
    target = settings.target
    headers: dict[str, Mapping[str, str]] = {}
    for address in (target.url, target.https, target.backend):
        if address:
            headers[origin_of(address)] = settings.headers
    apis = (
        (target.prometheus, settings.prometheus_headers),
        (target.grafana, settings.grafana_headers),
        (target.cluster, settings.cluster_headers),
    )
    for api, own in apis:
        if api is not None:
            origin = origin_of(api.url)
            headers[origin] = {**headers.get(origin, {}), **own}
    trust = target.tls.trust
    if trust not in ("system", "self-signed"):
        trust = str(settings.path(Path(trust)))
    return Line(client, target.allow_private, target.limits.deadline_s, trust, headers)


def _one(  # noqa: PLR0913 - whatever makes up a probe of one answer
    name: str,
    entry: Entry,
    lines: tuple[str, ...],
    detector: Detector[Exchange],
    request: Request,
    *,
    wants_it: bool = False,
    depends: tuple[Entry, ...] = (),
) -> Probe:
    def judge(answers: Sequence[Exchange]) -> str:
        return detector(answers[0])

    return Probe(
        name, entry, lines, detector.name, detector.what, (request,), judge, wants_it, depends
    )


def _any_of(detectors: Sequence[Detector[Exchange]], answers: Sequence[Exchange]) -> str:
    """Fires where a detector fires on any answer; silent only where all could look."""
    silent, blind = [], []
    for answer in answers:
        for detector in detectors:
            try:
                return detector(answer)
            except AssertionError as error:
                silent.append(str(error))
            except CouldNotLook as error:
                blind.append(str(error))
    if blind:
        raise CouldNotLook(blind[0])
    raise AssertionError(silent[0] if len(answers) == 1 else f"{len(answers)} answers: {silent[0]}")


def _health(settings: Settings) -> Request:
    target = settings.target
    return Request("GET", f"{target.backend or target.url}{target.health}")


def _walk(settings: Settings) -> tuple[Request, ...]:
    return tuple(
        Request("GET", f"{settings.target.url}{path}", follow=True) for path in settings.target.walk
    )


BELOW: tuple[Entry, ...] = ("4.3", "4.1", "4.2", "3.1")
"""Where one of these is down, a customer's requests fail because of it."""


# --- 2: the application ----------------------------------------------------------------------
def _errors(settings: Settings) -> Iterator[Probe]:
    status = http.answers(SERVER_ERROR)
    generic = http.answers(range(100, 600), re.escape(settings.target.generic_error))
    requests = _walk(settings)
    yield Probe(
        "errors",
        "2.1",
        ("2.1 symptom 1", "2.1 symptom 2"),
        status.name,
        f"{status.what}, or a body that says {settings.target.generic_error!r}",
        requests,
        partial(_any_of, (status, generic)),
        depends=BELOW,
    )


def _journey(settings: Settings) -> Iterator[Probe]:
    journey = settings.target.journey
    if journey is None:
        return
    steps = ", ".join(f"{step.method} {step.path} {step.status}" for step in journey.steps)
    yield Probe(
        "journey",
        journey.entry,
        (f"{journey.entry} symptom 1",),
        http.answers(SERVER_ERROR).name,
        f"a step of the journey is answered otherwise: {steps}",
        (),
        lambda _: "",
        depends=tuple(entry for entry in BELOW if entry != journey.entry),
        journey=True,
    )


def _invalid(settings: Settings) -> Iterator[Probe]:
    invalid = settings.target.invalid
    if invalid is None:
        return
    body = None if invalid.json_body is None else json.dumps(invalid.json_body)
    request = Request(invalid.method, f"{settings.target.url}{invalid.path}", json=body)
    yield _one(
        "refusal",
        "2.2",
        ("2.2 symptom 1", "2.2 symptom 2"),
        http.answers(422, f'"{invalid.field}"'),
        request,
        wants_it=True,
        depends=BELOW,
    )


def _latency(settings: Settings) -> Iterator[Probe]:
    budgets = settings.target.budgets
    whole = http.no_answer(budgets.total_s)
    phases = {
        name: budget
        for name in ("resolve", "connect", "tls", "processing")
        if (budget := getattr(budgets, f"{name}_s")) is not None
    }

    def judge(answers: Sequence[Exchange]) -> str:
        for answer in answers:
            for phase, budget_s in phases.items():
                took_s = answer.phases_s.get(phase, 0.0)
                if took_s > budget_s:
                    return f"{answer.url}: {phase} took {took_s:.3f} s, budget {budget_s:g} s"
        return _any_of([whole], answers)

    what = "; ".join([whole.what, *(f"{name} over {limit:g} s" for name, limit in phases.items())])
    yield Probe(
        "latency",
        "2.3",
        ("2.3 symptom 1", "2.3 symptom 2", "2.3 symptom 3"),
        whole.name,
        what,
        _walk(settings),
        judge,
        depends=(*BELOW, "2.1"),
    )


def _cors(settings: Settings) -> Iterator[Probe]:
    cors = settings.target.cors
    if cors is None:
        return
    url = f"{settings.target.url}{cors.path}"
    for origin in cors.origins:
        simple = Request("GET", url, (("Origin", origin),))
        asks = (("Origin", origin), ("Access-Control-Request-Method", "GET"))
        preflight = Request("OPTIONS", url, asks)
        lacks = http.lacks_header(ALLOW_ORIGIN, origin)
        yield Probe(
            f"origin {origin}",
            "2.4",
            ("2.4 symptom 1", "2.4 symptom 2"),
            lacks.name,
            f"{lacks.what}, simple or preflight",
            (simple, preflight),
            partial(_origin_kept_out, lacks, origin),
            depends=BELOW,
        )
    yield _one(
        f"unlisted {cors.unlisted}",
        "2.4",
        ("2.4 symptom 1", "2.4 symptom 2"),
        http.lacks_header(ALLOW_ORIGIN, cors.unlisted),
        Request("GET", url, (("Origin", cors.unlisted),)),
        wants_it=True,
        depends=BELOW,
    )
    if cors.browser:
        yield from _in_a_browser(cors.browser, cors.origins, url)


def _origin_kept_out(lacks: Detector[Exchange], origin: str, answers: Sequence[Exchange]) -> str:
    """Fires where the header is missing, or names another origin."""
    for answer in answers:
        allowed = answer.headers.get(ALLOW_ORIGIN.lower())
        if not answer.failure and allowed not in (None, origin, "*"):
            return f"{answer.method} {answer.url} from {origin}: only {allowed} is allowed"
    return _any_of([lacks], answers)


def _in_a_browser(executable: str, origins: Sequence[str], url: str) -> Iterator[Probe]:
    for origin in origins:

        def look(origin: str = origin) -> str:
            from drillbook.symptoms import browser  # noqa: PLC0415 - only where one is wanted

            try:
                with browser.launched(executable) as chromium:
                    return browser.blocked(chromium, origin, url)()
            except (AssertionError, CouldNotLook):
                raise
            except Exception as error:
                raise CouldNotLook(f"the browser: {error}") from error

        yield Probe(
            f"browser {origin}",
            "2.4",
            ("2.4 symptom 2",),
            "drillbook.symptoms.browser.blocked",
            f"a page on {origin} may not read {url}",
            (),
            lambda _: "",
            depends=BELOW,
            blocking=look,
        )


# --- 3 and 4: the database, containers, health, the proxy --------------------------------------
def _database(settings: Settings) -> Iterator[Probe]:
    detector = http.answers(503, '"database"')
    depends: tuple[Entry, ...] = ("4.1",) if settings.target.backend else ("4.3", "4.1")
    yield _one("database", "3.1", ("3.1 symptom 2",), detector, _health(settings), depends=depends)


def _containers(settings: Settings) -> Iterator[Probe]:
    engine, cluster = settings.target.engine, settings.target.cluster
    if engine is not None:
        detector = containers.not_running(*engine.services)
        yield Probe(
            "containers",
            "4.1",
            ("4.1 symptom 1",),
            detector.name,
            detector.what,
            (_listing(engine.address),),
            lambda answers: detector(_listed(answers[0], engine.project)),
        )
    if cluster is not None:
        query = urlencode({"labelSelector": cluster.selector} if cluster.selector else {})
        path = f"/api/v1/namespaces/{quote(cluster.namespace)}/pods?{query}"
        crashing = pods.crashing()
        yield Probe(
            "pods",
            "4.1",
            ("4.1 symptom 2",),
            crashing.name,
            crashing.what,
            (Request("GET", f"{cluster.url}{path}", whole=True),),
            lambda answers: crashing(_api(answers[0])["items"]),
        )


def _listing(address: str) -> Request:
    address = address or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    filters = json.dumps({"label": [PROJECT]})
    path = f"/containers/json?all=1&filters={quote(filters)}"
    if address.startswith("unix://"):
        socket = address.removeprefix("unix://")
        return Request("GET", f"http://engine{path}", socket=socket, whole=True)
    return Request("GET", f"{address.replace('tcp://', 'http://')}{path}", whole=True)


def _listed(answer: Exchange, project: str) -> dict[str, containers.Listed]:
    """Of several containers of a service the oldest speaks, as in a drill."""
    found = [one for one in _api(answer) if fnmatchcase(one["Labels"][PROJECT], project)]
    found.sort(key=lambda one: -int(one["Created"]))
    return {
        one["Labels"]["com.docker.compose.service"]: containers.Listed(one["State"], one["Status"])
        for one in found
    }


def _api(answer: Exchange) -> Any:
    """The JSON of an API's answer. Raises CouldNotLook where it gave none."""
    answer.require_answer()
    if answer.status != 200:
        raise CouldNotLook(str(answer))
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise CouldNotLook(f"{answer.url}: no JSON: {error}") from None


def _health_check(settings: Settings) -> Iterator[Probe]:
    depends: tuple[Entry, ...] = ("3.1", "4.1")
    if not settings.target.backend:
        depends = (*depends, "4.3")
    yield _one(
        "health", "4.2", ("4.2 symptom 1",), http.unhealthy(), _health(settings), depends=depends
    )


def _proxy(settings: Settings) -> Iterator[Probe]:
    target = settings.target
    front = _walk(settings)[0]
    depends: tuple[Entry, ...] = ("4.1", "4.2") if target.backend else ("4.1",)
    gateway, away = http.answers(BEHIND_FAILS), http.unreachable()
    yield _one("reachable", "4.3", ("4.3 symptom 1",), away, front)
    yield _one("gateway", "4.3", ("4.3 symptom 2",), gateway, front, depends=depends)
    https = target.https or (target.url if target.url.startswith("https:") else None)
    if https:
        yield _https(https, target.walk[0], target.tls.days)
    if https and target.tls.redirect:
        plain = target.url
        if plain.startswith("https:"):
            plain = urlsplit(https)._replace(scheme="http", netloc=_host(https)).geturl()
        yield Probe(
            "redirect",
            "4.3",
            ("4.3 symptom 3",),
            "probes.catalogue._does_not_redirect",
            f"{plain} does not lead to {https}",
            (Request("GET", f"{plain}{target.walk[0]}"),),
            partial(_does_not_redirect, https),
        )


def _host(address: str) -> str:
    """Its host, without the port of HTTPS."""
    host = urlsplit(address).hostname or ""
    return f"[{host}]" if ":" in host else host


def _https(https: str, path: str, days: float) -> Probe:
    def judge(answers: Sequence[Exchange]) -> str:
        return http.https_fails(days=days, now_s=time.time())(answers[0])

    detector = http.https_fails(days=days, now_s=0)
    request = Request("GET", f"{https}{path}")
    return Probe(
        "https", "4.3", ("4.3 symptom 3",), detector.name, detector.what, (request,), judge
    )


def _does_not_redirect(https: str, answers: Sequence[Exchange]) -> str:
    answers[0].require_answer()
    where = answers[0].headers.get("location", "")
    told = f"{answers[0].url}: HTTP {answers[0].status}, Location: {where or 'none'}"
    leads = 300 <= answers[0].status < 400 and where.startswith("https://")
    assert not (leads and origin_of(where) == origin_of(https)), told
    return told


# --- 5: monitoring ---------------------------------------------------------------------------
def _scrapes(settings: Settings) -> Iterator[Probe]:
    server = settings.target.prometheus
    if server is None:
        return
    ready = Request("GET", f"{server.url}/-/ready")
    yield _one("prometheus", "5.1", ("5.1 symptom 2",), http.unreachable(), ready)
    detector = prometheus.target("down")
    request = Request("GET", f"{server.url}/api/v1/targets?state=active", whole=True)

    def judge(answers: Sequence[Exchange]) -> str:
        found = _api(answers[0])["data"]["activeTargets"]
        return detector([prometheus.target_of(one) for one in found])

    yield Probe(
        "targets",
        "5.1",
        ("5.1 symptom 1",),
        detector.name,
        detector.what,
        (request,),
        judge,
        depends=("4.1", "4.2"),
    )


def _panels(settings: Settings) -> Iterator[Probe]:
    server = settings.target.prometheus
    if server is None:
        return
    detector = prometheus.no_data()
    for panel in settings.panels:
        query = urlencode({"query": panel.query})
        yield Probe(
            f"panel {panel.title}",
            "5.2",
            ("5.2 symptom 1",),
            detector.name,
            f"{panel} gives no data",
            (Request("GET", f"{server.url}/api/v1/query?{query}", whole=True),),
            partial(_no_data, detector, panel.query),
            depends=("5.1", *BELOW),
        )


def _no_data(detector: Detector[prometheus.Curve], query: str, answers: Sequence[Exchange]) -> str:
    result = _api(answers[0])["data"]["result"]
    series = [[float(one["value"][0])] for one in result]
    return detector(prometheus.Curve(query, LOOKBACK_S, series))


BUILDERS: tuple[Callable[[Settings], Iterator[Probe]], ...] = (
    _errors,
    _journey,
    _invalid,
    _latency,
    _cors,
    _database,
    _containers,
    _health_check,
    _proxy,
    _scrapes,
    _panels,
)
