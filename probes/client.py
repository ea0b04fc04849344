"""Asks, and tells what came of it: one new connection a request, as a customer's first would be.

aiohttp stands underneath: of the clients that were measured it costs least (README, "Figures").
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from drillbook.detectors.http import Exchange, Failure
from probes.addresses import AddressRefused, GuardedResolver, require_public

BODY_BYTES = 64 * 1024
API_BYTES = 8 * 1024 * 1024
REDIRECTS = 5
AGENT = "drillbook-probe"


@dataclass(frozen=True)
class Request:
    """One request. Two that are equal are sent once a round, and judged by several probes."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    json: str | None = None
    follow: bool = False
    socket: str = ""
    """Path of a Unix socket to send it through."""
    whole: bool = False
    """Its answer is read by a program, and so up to API_BYTES."""

    def __str__(self) -> str:
        origin = dict(self.headers).get("Origin")
        return f"{self.method} {self.url}{f' from {origin}' if origin else ''}"


@dataclass
class Timing:
    """The moments of a request, in monotonic seconds; 0 where it did not come to that."""

    began: float = 0.0
    resolve_began: float = 0.0
    resolved: float = 0.0
    dialled: float = 0.0
    connected: float = 0.0
    shaking: float = 0.0
    answered: float = 0.0
    ended: float = 0.0
    tls: ssl.SSLObject | None = None

    def phases_s(self) -> dict[str, float]:
        """How long each phase took, in the words of blackbox exporter."""
        if not self.connected:
            return {"resolve": self.resolved - self.resolve_began} if self.resolved else {}
        dialling = self.resolved or self.dialled
        phases = {
            "resolve": self.resolved - self.resolve_began if self.resolved else 0.0,
            "connect": (self.shaking or self.connected) - dialling,
        }
        if self.shaking:
            phases["tls"] = self.connected - self.shaking
        if self.answered:
            phases["processing"] = self.answered - self.connected
            phases["transfer"] = self.ended - self.answered
        return phases


_timing: ContextVar[Timing | None] = ContextVar("timing", default=None)


class TimedContext(ssl.SSLContext):
    """Notes when a handshake begins: the TCP connection is there then, which nothing else tells."""

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """As ssl.SSLContext's."""
        wrapped = super().wrap_bio(*arguments, **options)
        timing = _timing.get()
        if timing is not None:
            timing.shaking, timing.tls = time.monotonic(), wrapped
        return wrapped


def tls_context(trust: str) -> ssl.SSLContext:
    """A context that verifies name and chain; ``trust`` is ``system``, a PEM file or its text.

    Raises OSError or ssl.SSLError where the file is none.
    """
    context = TimedContext(ssl.PROTOCOL_TLS_CLIENT)
    if trust == "system":
        context.load_default_certs()
    elif "-----BEGIN" in trust:
        context.load_verify_locations(cadata=trust)
    else:
        context.load_verify_locations(cafile=trust)
    return context


@dataclass
class Client:
    """Sends requests for any number of targets. Close it with ``close``."""

    _sessions: dict[tuple[bool, str], aiohttp.ClientSession] = field(default_factory=dict)

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def session(self, *, allow_private: bool, socket: str = "") -> aiohttp.ClientSession:
        """The session for such requests."""
        key = (allow_private, socket)
        if key not in self._sessions:
            connector: aiohttp.BaseConnector
            if socket:
                connector = aiohttp.UnixConnector(socket, force_close=True, limit=0)
            else:
                connector = aiohttp.TCPConnector(
                    force_close=True,
                    limit=0,
                    use_dns_cache=False,
                    resolver=GuardedResolver(allow_private=allow_private),
                )
            self._sessions[key] = aiohttp.ClientSession(
                connector=connector,
                trace_configs=[_traces()],
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._sessions[key]


@dataclass
class Line:
    """The way to one target: its limits, its TLS, and which headers go to which origin."""

    client: Client
    allow_private: bool
    deadline_s: float
    trust: str = "system"
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Headers by origin. What is not of that origin, as after a redirect, never sees them."""
    _context: ssl.SSLContext | None = None

    async def ask(self, request: Request) -> Exchange:
        """Send a request and follow redirects where it says so. Never raises but for bugs."""
        timing = Timing(began=time.monotonic())
        token = _timing.set(timing)
        try:
            async with asyncio.timeout(self.deadline_s):
                return await self._followed(request, timing)
        except TimeoutError:
            failure: Failure = "timeout" if timing.connected else "connect timeout"
            return _nothing(request, timing, failure, f"deadline of {self.deadline_s:g} s passed")
        except ssl.SSLError as error:
            return _nothing(request, timing, "tls", _words(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _nothing(request, timing, _failure(error), _words(error))
        finally:
            _timing.reset(token)

    async def _followed(self, request: Request, timing: Timing) -> Exchange:
        url = request.url
        for _ in range(REDIRECTS + 1):
            answer = await self._once(request, url, timing)
            where = answer.headers.get("location")
            if not (request.follow and 300 <= answer.status < 400 and where):
                return answer
            url = urljoin(url, where)
            if urlsplit(url).scheme not in ("http", "https"):
                return answer
        raise aiohttp.ClientError(f"more than {REDIRECTS} redirects")

    async def _once(self, request: Request, url: str, timing: Timing) -> Exchange:
        if not self.allow_private and not request.socket:
            require_public(urlsplit(url).hostname or "")
        headers = {"User-Agent": AGENT, "Accept-Encoding": "identity", **dict(request.headers)}
        headers.update(self.headers.get(origin_of(url), {}))
        if request.json is not None:
            headers["Content-Type"] = "application/json"
        session = self.client.session(allow_private=self.allow_private, socket=request.socket)
        context = await self._tls(url) if url.startswith("https:") else True
        async with session.request(
            request.method,
            url,
            headers=headers,
            data=request.json,
            ssl=context,
            allow_redirects=False,
            timeout=_NO_TIMEOUT,
            trace_request_ctx=timing,
        ) as answer:
            body = await _read(answer, API_BYTES if request.whole else BODY_BYTES)
            timing.ended = time.monotonic()
            return Exchange(
                request.method,
                request.url,
                answer.status,
                {name.lower(): value for name, value in answer.headers.items()},
                body.decode("utf-8", "replace"),
                timing.ended - timing.began,
                phases_s=timing.phases_s(),
                expires_at=_expiry(timing),
            )

    async def _tls(self, url: str) -> ssl.SSLContext:
        if self.trust == "self-signed":  # asked anew: such a certificate goes with its server
            parts = urlsplit(url)
            address = (parts.hostname or "", parts.port or 443)
            pem = await asyncio.to_thread(
                ssl.get_server_certificate, address, timeout=self.deadline_s
            )
            return tls_context(pem)
        if self._context is None:
            self._context = tls_context(self.trust)
        return self._context


_NO_TIMEOUT = aiohttp.ClientTimeout()  # the deadline is around the whole, redirects included


def origin_of(url: str) -> str:
    """Scheme, host and port of an address: ``https://shop.example:443``."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    if (answer.content_length or most + 1) <= most:
        return await answer.read()
    parts, size = [], 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size >= most:
            break
    return b"".join(parts)[:most]


def _expiry(timing: Timing) -> float | None:
    found = timing.tls.getpeercert() if timing.tls is not None else None
    return ssl.cert_time_to_seconds(str(found["notAfter"])) if found else None


def _nothing(request: Request, timing: Timing, failure: Failure, error: str) -> Exchange:
    timing.ended = time.monotonic()
    return Exchange(
        request.method,
        request.url,
        took_s=timing.ended - timing.began,
        failure=failure,
        error=error,
        phases_s=timing.phases_s(),
    )


def _failure(error: Exception) -> Failure:
    if isinstance(error, aiohttp.ClientConnectorDNSError | AddressRefused):
        return "name"
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
        return "tls"
    if isinstance(error, aiohttp.ClientConnectorError | ConnectionRefusedError):
        return "refused"
    return "broken"


def _words(error: Exception) -> str:
    """What an error says: the system's own words where it wraps them."""
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    return str(inner) or type(inner).__name__


def _traces() -> aiohttp.TraceConfig:
    """Notes aiohttp's moments in the Timing that came with the request."""
    traces = aiohttp.TraceConfig()

    def at(moment: str) -> Any:
        async def note(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
            setattr(context.trace_request_ctx, moment, time.monotonic())

        return note

    traces.on_dns_resolvehost_start.append(at("resolve_began"))
    traces.on_dns_resolvehost_end.append(at("resolved"))
    traces.on_connection_create_start.append(at("dialled"))
    traces.on_connection_create_end.append(at("connected"))
    traces.on_request_end.append(at("answered"))
    return traces
