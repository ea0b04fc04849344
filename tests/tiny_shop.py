"""A shop of a few lines, in this process, that fails as a test tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STALL_ENDS_S = 30.0


@dataclass
class TinyShop:
    """How the shop behaves now, and what reached it."""

    status: int | None = None  # instead of what it would answer
    order_body: bytes | None = None  # instead of an order
    slow_s: float = 0.0
    open_for_business: threading.Event = field(default_factory=threading.Event)
    arrived_s: list[float] = field(default_factory=list)  # monotonic
    orders: dict[str, int] = field(default_factory=dict)  # idempotency key -> number
    paths: list[str] = field(default_factory=list)
    url: str = ""

    def stall(self) -> None:
        """Accept requests, and answer none until ``resume``."""
        self.open_for_business.clear()

    def resume(self) -> None:
        """Answer again, those who waited too."""
        self.open_for_business.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shop: TinyShop

    def do_GET(self) -> None:
        self._serve({"items": [{"id": 1}]}, 200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Idempotency-Key"]
        number = len(self.shop.orders) + 1
        if self.shop.status is None:
            self.shop.orders[key] = number
        self._serve({"id": number}, 201)

    def _serve(self, body: Any, status: int) -> None:
        shop = self.shop
        shop.arrived_s.append(time.monotonic())
        shop.paths.append(self.path)
        shop.open_for_business.wait(timeout=STALL_ENDS_S)
        time.sleep(shop.slow_s)  # the shop's own slowness, not a wait of the test
        data = json.dumps(body).encode()
        if status == 201 and shop.order_body is not None:
            data = shop.order_body
        try:
            self.send_response(shop.status or status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # the customer has left

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 100
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: customers who leave are part of the test."""


@contextmanager
def tiny_shop() -> Iterator[TinyShop]:
    """Serve a shop on a free loopback port."""
    shop = TinyShop()
    shop.resume()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"shop": shop}))
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        shop.resume()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
