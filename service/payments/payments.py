"""The payments partner, played by a small server: POST /charges, GET /health.

It charges a key once: asked again with the same key it gives the same reference. Standard library
only, so that it runs in any Python image without being built.
"""

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 9000
MAX_BODY_BYTES = 10_000


class Ledger:
    """Charges by idempotency key."""

    def __init__(self) -> None:
        self._references: dict[str, str] = {}
        self._lock = threading.Lock()

    def charge(self, key: str) -> str:
        """The reference of the one charge that has this key."""
        with self._lock:
            return self._references.setdefault(key, f"ch_{uuid.uuid4().hex}")


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one packet
    disable_nagle_algorithm = True
    ledger = Ledger()

    def do_GET(self) -> None:
        """Health."""
        if self.path == "/health":
            self._answer(200, {"status": "ok"})
        else:
            self._answer(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        """A charge."""
        length = int(self.headers.get("Content-Length", 0))
        if self.path != "/charges" or length > MAX_BODY_BYTES:
            self.close_connection = True
            self._answer(404 if self.path != "/charges" else 413, {"detail": "Refused"})
            return
        body = self.rfile.read(length)
        key = self.headers.get("Idempotency-Key", "")
        try:
            amount_cents = int(json.loads(body)["amount_cents"])
        except (ValueError, KeyError, TypeError):
            amount_cents = 0
        if not key or amount_cents <= 0:
            self._answer(422, {"detail": "Needs an Idempotency-Key and a positive amount_cents"})
            return
        self._answer(201, {"reference": self.ledger.charge(key), "amount_cents": amount_cents})

    def _answer(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing: the shop logs what it asks of us."""


class Server(ThreadingHTTPServer):
    """Takes as many customers at a moment as the shop may send."""

    request_queue_size = 128  # the standard library's 5 would turn the sixth away


def main() -> None:
    """Serve until stopped."""
    print(f"payments: listening on port {PORT}", flush=True)  # noqa: T201
    Server(("0.0.0.0", PORT), Handler).serve_forever()  # noqa: S104


if __name__ == "__main__":
    main()
