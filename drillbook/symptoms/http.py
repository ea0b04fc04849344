"""What a client sees: status codes, bodies, headers, latency."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection, Mapping
from typing import Any

import httpx

from drillbook.detectors import http as detectors
from drillbook.detectors.http import Exchange, Failure
from drillbook.looking import CouldNotLook, Look


def answers(  # noqa: PLR0913 - a request and what is wanted of its answer
    url: str,
    client: httpx.Client,
    *,
    status: int | Collection[int],
    body: str = "",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    json: object = None,
) -> Look:
    """A request is answered with a status (or one of several) and a body that matches a pattern."""
    words = f" /{body}/" if body else ""
    return detectors.answers(status, body).look(
        lambda: asked(client, method, url, headers=headers, json=json),
        f"{method} {url} answers {detectors.statuses(status)}{words}",
    )


def no_answer(url: str, client: httpx.Client, *, within_s: float) -> Look:
    """A request is not answered within a time (seconds). One that is refused is not this."""
    return detectors.no_answer(within_s).look(
        lambda: asked(client, "GET", url, timeout=within_s),
        f"GET {url} is not answered within {within_s} s",
    )


def unhealthy(url: str, client: httpx.Client) -> Look:
    """A health check fails: any answer but 200, or none."""
    what = f"GET {url} fails as a health check"
    return detectors.unhealthy().look(lambda: asked(client, "GET", url), what)


def unreachable(url: str, client: httpx.Client) -> Look:
    """Nobody answers there at all."""
    what = f"{url} cannot be reached"
    return detectors.unreachable().look(lambda: asked(client, "GET", url), what)


def asked(client: httpx.Client, method: str, url: str, **options: Any) -> Exchange:
    """Send a request and tell what came of it. ``options`` are those of ``httpx.Client``."""
    began_s = time.monotonic()
    try:
        answer = client.request(method, url, **options)
    except httpx.HTTPError as error:
        took_s = time.monotonic() - began_s
        failure = _failure(error)
        return Exchange(method, url, took_s=took_s, failure=failure, error=repr(error))
    took_s = time.monotonic() - began_s
    return Exchange(method, url, answer.status_code, dict(answer.headers), answer.text, took_s)


def _failure(error: httpx.HTTPError) -> Failure:
    if isinstance(error, httpx.ConnectTimeout):
        return "connect timeout"
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    if isinstance(error, httpx.ConnectError):
        return "tls" if "CERTIFICATE" in str(error) or "SSL" in str(error) else "refused"
    return "broken"


def median_ms(url: str, client: httpx.Client, *, requests: int = 5) -> float:
    """Median time of a few requests in a row, in ms; one that times out counts as long as it took.

    Raises CouldNotLook where a request is refused.
    """
    took_ms = []
    for _ in range(requests):
        began = time.monotonic()
        try:
            client.get(url)
        except httpx.TimeoutException:
            took_ms.append((time.monotonic() - began) * 1000)
            continue
        except httpx.HTTPError as error:
            raise CouldNotLook(f"GET {url}: no answer: {error!r}") from error
        took_ms.append((time.monotonic() - began) * 1000)
    return statistics.median(took_ms)


def slower(
    url: str, client: httpx.Client, *, than_ms: float, times: float, requests: int = 5
) -> Look:
    """Requests take at least ``times`` as long as they did (``than_ms``, measured before)."""

    def look() -> str:
        now_ms = median_ms(url, client, requests=requests)
        saw = (
            f"GET {url}: {now_ms:.1f} ms, {now_ms / than_ms:.1f} times the {than_ms:.1f} ms before"
        )
        assert now_ms >= times * than_ms, saw
        return saw

    return Look(f"GET {url} is at least {times:g} times slower than before", look)


def lacks_header(url: str, client: httpx.Client, name: str, *, origin: str) -> Look:
    """An answer to a request from an origin carries no such header."""
    return detectors.lacks_header(name, origin).look(
        lambda: asked(client, "GET", url, headers={"Origin": origin})
    )
