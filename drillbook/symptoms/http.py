"""What a client sees: status codes, bodies, headers, latency."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Mapping

import httpx

from drillbook.looking import CouldNotLook, Look


def answers(  # noqa: PLR0913 - a request and what is wanted of its answer
    url: str,
    client: httpx.Client,
    *,
    status: int | range,
    body: str = "",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    json: object = None,
) -> Look:
    """A request is answered with a status (one, or a range) and a body that matches a pattern."""

    def look() -> str:
        try:
            answer = client.request(method, url, headers=headers, json=json)
        except httpx.HTTPError as error:
            raise CouldNotLook(f"{method} {url}: no answer: {error!r}") from error
        wanted = status if isinstance(status, range) else range(status, status + 1)
        saw = f"{method} {url}: HTTP {answer.status_code} {answer.text[:200]}"
        assert answer.status_code in wanted, saw
        assert re.search(body, answer.text), f"{saw} (looked for /{body}/)"
        return saw

    return Look(f"{method} {url} answers {_range(status)}{f' /{body}/' if body else ''}", look)


def no_answer(url: str, client: httpx.Client, *, within_s: float) -> Look:
    """A request is not answered within a time (seconds): it times out, or is refused."""

    def look() -> str:
        began = time.monotonic()
        try:
            answer = client.get(url, timeout=within_s)
        except httpx.TimeoutException as error:
            return f"GET {url}: {type(error).__name__} after {time.monotonic() - began:.1f} s"
        except httpx.HTTPError as error:
            raise CouldNotLook(f"GET {url}: {error!r}, not a time-out") from error
        took_s = time.monotonic() - began
        raise AssertionError(f"GET {url}: HTTP {answer.status_code} in {took_s:.2f} s")

    return Look(f"GET {url} is not answered within {within_s} s", look)


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

    def look() -> str:
        try:
            answer = client.get(url, headers={"Origin": origin})
        except httpx.HTTPError as error:
            raise CouldNotLook(f"GET {url}: no answer: {error!r}") from error
        value = answer.headers.get(name)
        assert value is None, f"{name}: {value}"
        return f"GET {url} with Origin {origin}: HTTP {answer.status_code}, no {name}"

    return Look(f"no {name} for {origin}", look)


def _range(status: int | range) -> str:
    return str(status) if isinstance(status, int) else f"{status.start}-{status.stop - 1}"
