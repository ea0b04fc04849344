"""Counts, times and logs every request once, under its route template."""

import logging
import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.metrics import IN_FLIGHT, LATENCY, REQUESTS

logger = logging.getLogger("app.access")

# Asked for every few seconds by machines; logged only when they fail.
_ROUTINE = frozenset({"/alive", "/health", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class TelemetryMiddleware:
    """Writes metrics and the access log.

    Unknown paths and methods share one label each: no stranger can make the metrics grow.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request and record it, however it ends."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        with IN_FLIGHT.track_inprogress():
            try:
                await self.app(scope, receive, send_and_note)
            finally:
                _record(scope, status, time.perf_counter() - started)


def _record(scope: Scope, status: int, took_s: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    route = getattr(scope.get("route"), "path", "unmatched")
    REQUESTS.labels(method, route, status).inc()
    LATENCY.labels(method, route, status).observe(took_s)
    level = logging.DEBUG if route in _ROUTINE and status < HTTPStatus.BAD_REQUEST else logging.INFO
    if logger.isEnabledFor(level):
        logger.log(
            level,
            "%s %s %s",
            method,
            scope["path"],
            status,
            extra={"route": route, "status": status, "duration_ms": round(took_s * 1000, 2)},
        )
