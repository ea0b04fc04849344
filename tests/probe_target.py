"""A target of a few lines for probes: as healthy, slow, broken or talkative as a test wants it."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

ORIGIN = "http://localhost:3000"


@dataclass
class FakeTarget:
    """Answers like the shop. Each field breaks it in one way."""

    status: int = 0
    """Answered to customers' requests, where it is not 0."""
    body: str = ""
    health: int = 200
    delay_s: float = 0.0
    hangs: bool = False
    accepts_anything: bool = False
    allowed: str | None = ORIGIN
    redirect: str = ""
    webhook_status: int = 200
    echoes: bool = False
    down_targets: tuple[str, ...] = ()
    empty_panels: bool = False
    container: str = "running"
    asked: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    posted: list[str] = field(default_factory=list)
    url: str = ""
    gone: threading.Event = field(default_factory=threading.Event)


@contextmanager
def open_target(
    host: str = "127.0.0.1", *, certificate: trustme.LeafCert | None = None, port: int = 0
) -> Iterator[FakeTarget]:
    """Serve a target on a loopback address."""
    target = FakeTarget()

    class Handler(_Handler):
        fake = target

    server = _Server((host, port), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if certificate else "http"
    target.url = f"{scheme}://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield target
    finally:
        target.gone.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A prober went away, or did not like the certificate; the test sees that elsewhere."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeTarget

    def do_GET(self) -> None:
        self._note()
        path, _, query = self.path.partition("?")
        fake = self.fake
        if path == "/health":
            body = {"status": "ok", "database": "ok"}
            if fake.health != 200:
                body = {"status": "unavailable", "database": "ConnectionRefusedError"}
            self._answer(fake.health, json.dumps(body))
        elif path == "/api/v1/targets":
            self._answer(200, json.dumps(_targets(fake)))
        elif path == "/api/v1/query":
            series = [] if fake.empty_panels else [{"metric": {}, "value": [time.time(), "1"]}]
            self._answer(200, json.dumps({"data": {"result": series}}))
        elif path == "/containers/json":
            listed = {
                "Created": 1,
                "State": fake.container,
                "Status": f"{fake.container} 3 seconds ago",
                "Labels": {
                    "com.docker.compose.project": "shop",
                    "com.docker.compose.service": "backend",
                },
            }
            self._answer(200, json.dumps([listed]))
        elif "limit=many" in query and not fake.accepts_anything:
            self._answer(422, '{"detail":[{"loc":["query","limit"],"msg":"no integer"}]}')
        else:
            self._customer()

    def do_OPTIONS(self) -> None:
        self._note()
        self._answer(200 if self.fake.allowed else 400, "")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._note()
        self.fake.posted.append(body)
        if self.path.startswith("/hook"):
            self._answer(self.fake.webhook_status, "")
        else:
            self._answer(self.fake.status or 201, '{"id": 7}')

    def do_DELETE(self) -> None:
        self._note()
        self._answer(204, "")

    def _customer(self) -> None:
        fake = self.fake
        if fake.hangs:
            fake.gone.wait(20)
            return
        time.sleep(fake.delay_s)
        if fake.redirect:
            self._answer(302, "", {"Location": fake.redirect})
            return
        body = fake.body or '{"items":[{"id":1}]}'
        if fake.echoes:
            body = json.dumps(dict(self.headers))
        self._answer(fake.status or 200, body)

    def _note(self) -> None:
        self.fake.asked[f"{self.command} {self.path.partition('?')[0]}"] += 1
        self.fake.headers.append(dict(self.headers))

    def _answer(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if self.fake.allowed and self.headers.get("Origin") == self.fake.allowed:
            self.send_header("Access-Control-Allow-Origin", self.fake.allowed)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


def _targets(fake: FakeTarget) -> dict[str, object]:
    jobs = ("backend", "node_exporter")
    active = [
        {
            "labels": {"job": job, "instance": job},
            "discoveredLabels": {"__address__": f"{job}:1"},
            "health": "down" if job in fake.down_targets else "up",
            "lastError": "connection refused" if job in fake.down_targets else "",
        }
        for job in jobs
    ]
    return {"data": {"activeTargets": active}}


DASHBOARD = {"panels": [{"title": "Requests", "targets": [{"expr": "rate(x[$__rate_interval])"}]}]}


def write(folder: Path, target: FakeTarget, more: str = "", name: str = "fake") -> Path:
    """A target's file with all that the fake one can be asked; ``more`` ends it."""
    (folder / "dashboards").mkdir(exist_ok=True)
    (folder / "dashboards" / "shop.json").write_text(json.dumps(DASHBOARD))
    file = folder / f"{name}.toml"
    file.write_text(
        f"""
url = "{target.url}"
backend = "{target.url}"
allow_private = true
walk = ["/items", "/items/1"]
{more.partition("---")[0] if "---" in more else ""}
[invalid]
path = "/items?limit=many"
field = "limit"
[cors]
path = "/items/1"
origins = ["{ORIGIN}"]
[prometheus]
url = "{target.url}"
dashboards = "dashboards"
[engine]
address = "{target.url}"
project = "shop"
services = ["backend"]
{more.partition("---")[2] if "---" in more else more}
"""
    )
    return file
