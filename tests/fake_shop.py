"""A shop of a few lines, for load to be put on: as quick, slow or broken as a test wants it."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeShop:
    """Serves the shop's API on a port of its own; counts what it is asked."""

    delay_s: float = 0.0
    status: int = 0
    """Answered to everything but the catalogue's pages, where it is not 0."""
    asked: Counter[str] = field(default_factory=Counter)
    url: str = ""


@contextmanager
def open_shop() -> Iterator[FakeShop]:
    shop = FakeShop()

    class Handler(_Handler):
        fake = shop

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A customer went away before the answer; that is theirs to tell."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake: FakeShop

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.fake.asked[f"GET {path.rstrip('0123456789')}"] += 1
        if "limit=100" in self.path:
            items = [
                {"id": n, "category": f"kind {n % 4}", "name": f"fine oak lamp{n % 3}"}
                for n in range(1, 101)
            ]
            self._answer(200, {"items": items})
        elif self._spoilt():
            return
        elif path.startswith("/orders/"):
            self._answer(200, {"id": 1, "status": "paid"})
        else:
            self._answer(200, {"items": [{"id": 1, "sku": "SKU-1"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.fake.asked["POST /orders"] += 1
        if not self._spoilt():
            self._answer(201, {"id": 1})

    def _spoilt(self) -> bool:
        time.sleep(self.fake.delay_s)
        if self.fake.status:
            self._answer(self.fake.status, {"detail": "broken"})
        return bool(self.fake.status)

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


if __name__ == "__main__":  # in a container, for load from other containers

    class _Open(_Handler):
        fake = FakeShop()

    _Server(("0.0.0.0", 80), _Open).serve_forever()  # noqa: S104 - the container's own
