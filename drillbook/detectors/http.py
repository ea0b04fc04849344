"""What a client saw of one request: no answer, a status, a body, headers, the time it took."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from drillbook.detectors import Detector
from drillbook.looking import CouldNotLook

Failure = Literal["", "timeout", "connect timeout", "name", "refused", "tls", "broken"]
UNREACHED = frozenset(("connect timeout", "name", "refused", "broken"))
SHOWN = 200
SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it. Header names are in lower case; times are in seconds."""

    method: str
    url: str
    status: int = 0
    """0 where there was no answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    took_s: float = 0.0
    failure: Failure = ""
    """How it came to nothing; empty where there was an answer."""
    error: str = ""
    phases_s: Mapping[str, float] = field(default_factory=dict)
    """How long it took to resolve, connect, tls, processing, transfer; as far as it got."""
    expires_at: float | None = None
    """When the certificate of the other side ends (Unix seconds), where there was one."""

    def __str__(self) -> str:
        asked = f"{self.method} {self.url}"
        if self.failure:
            return f"{asked}: no answer in {self.took_s:.2f} s: {self.error}"
        return f"{asked}: HTTP {self.status} {self.body[:SHOWN]}".rstrip()

    def require_answer(self) -> None:
        """Raise CouldNotLook where there was none."""
        if self.failure:
            raise CouldNotLook(str(self))


def answers(status: int | Collection[int], body: str = "") -> Detector[Exchange]:
    """The answer has a status (one, or one of several) and a body that matches a pattern."""
    wanted = (status,) if isinstance(status, int) else status

    def judge(seen: Exchange) -> str:
        seen.require_answer()
        assert seen.status in wanted, str(seen)
        assert re.search(body, seen.body), f"{seen} (looked for /{body}/)"
        return str(seen)

    words = f" /{body}/" if body else ""
    return Detector(f"it answers {statuses(status)}{words}", judge)


def no_answer(within_s: float) -> Detector[Exchange]:
    """There was no answer within a time (seconds). One that was refused says nothing of time."""

    def judge(seen: Exchange) -> str:
        if seen.failure in ("timeout", "connect timeout"):
            return str(seen)
        seen.require_answer()
        told = f"{seen.method} {seen.url}: HTTP {seen.status} in {seen.took_s:.2f} s"
        assert seen.took_s > within_s, told
        return f"{told}, later than {within_s:g} s"

    return Detector(f"no answer within {within_s:g} s", judge)


def lacks_header(name: str, origin: str) -> Detector[Exchange]:
    """The answer to a request from an origin carries no such header."""

    def judge(seen: Exchange) -> str:
        seen.require_answer()
        value = seen.headers.get(name.lower())
        assert value is None, f"{name}: {value}"
        asked = f"{seen.method} {seen.url} with Origin {origin}"
        return f"{asked}: HTTP {seen.status}, no {name}"

    return Detector(f"no {name} for {origin}", judge)


def unhealthy() -> Detector[Exchange]:
    """A health check fails: any answer but 200, or none."""

    def judge(seen: Exchange) -> str:
        assert seen.status != 200, f"{seen.method} {seen.url}: HTTP 200 in {seen.took_s:.2f} s"
        return str(seen)

    return Detector("the health check fails", judge)


def unreachable() -> Detector[Exchange]:
    """Nobody is there: refused, no connection in time, an unknown name, hung up on.

    Who takes the connection and gives no answer is slow (``no_answer``), and there.
    """

    def judge(seen: Exchange) -> str:
        assert seen.failure in UNREACHED, str(seen)
        return str(seen)

    return Detector("it cannot be reached", judge)


def https_fails(*, days: float, now_s: float) -> Detector[Exchange]:
    """HTTPS fails: no handshake, a name or chain that does not hold, an end within ``days``.

    ``now_s`` is Unix time. Raises CouldNotLook where nobody was there to shake hands with.
    """

    def judge(seen: Exchange) -> str:
        if seen.failure == "tls":
            return str(seen)
        seen.require_answer()
        if seen.expires_at is None:
            raise CouldNotLook(f"{seen.url} showed no certificate")
        left_days = (seen.expires_at - now_s) / SECONDS_A_DAY
        told = f"{seen.url}: chain and name hold; {left_days:.1f} days to the certificate's end"
        assert left_days < days, told
        return f"{told}, fewer than {days:g}"

    return Detector(f"HTTPS fails, or will within {days:g} days", judge)


def statuses(status: int | Collection[int]) -> str:
    """A status, or several, in words: ``503``, ``500-599``, ``502, 504``."""
    if isinstance(status, int):
        return str(status)
    if isinstance(status, range):
        return f"{status.start}-{status.stop - 1}"
    return ", ".join(map(str, sorted(status)))
