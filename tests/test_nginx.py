"""The shop's nginx, before a backend that answers, is too slow, or is not there.

What nginx answers itself a browser may read; what the backend answers passes through as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import httpx
import pytest
from docker.models.containers import Container
from docker.models.networks import Network

from drillbook.looking import Look, until
from drillbook.machine import docker_client, images
from drillbook.machine.ready import Engine
from fixtures.folders import SERVICE
from fixtures.images import STACK
from tests.test_stand_ins import archive

pytestmark = pytest.mark.stack
READY_S = 30.0
ORIGIN = "http://localhost:3000"
SLOW_S = 8.0  # longer than nginx waits
FILES = {
    "/etc/nginx/nginx.conf": SERVICE / "nginx" / "nginx.conf",
    "/docker-entrypoint.d/50-certificate.sh": SERVICE / "nginx/entrypoint.d/50-certificate.sh",
}


# Answers as the shop's backend does: with a request id, and with leave only for its own origin.
BACKEND = f"""
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Backend(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            time.sleep({SLOW_S})
        if self.path == "/hang-up":
            self.close_connection = True
            return
        self.send_response(503 if self.path == "/unavailable" else 200)
        self.send_header("X-Request-ID", "the-backend's")
        if self.path != "/stranger":
            self.send_header("Access-Control-Allow-Origin", "{ORIGIN}")
            self.send_header("Access-Control-Expose-Headers", "X-Request-ID")
        self.send_header("Content-Length", "0")
        self.end_headers()

ThreadingHTTPServer(("", 8000), Backend).serve_forever()
"""


@pytest.fixture(scope="module")
def url(engine: Engine) -> Iterator[str]:
    """The address of nginx as the shop runs it, with such a backend behind it."""
    images.stand_ins(STACK, print)
    kinds = {one.name: one for one in STACK}
    files = {path: source.read_text() for path, source in FILES.items()}
    with ExitStack() as held:
        client = docker_client.connected(60)
        held.callback(client.close)
        network = client.networks.create(f"drillbook-test-{uuid4().hex[:8]}")
        held.callback(network.remove)
        backend = client.containers.create(kinds["python"].stand_in, ["python", "/backend.py"])
        held.enter_context(started(backend, network, {"/backend.py": BACKEND}, ["backend"]))
        nginx = client.containers.create(kinds["nginx"].stand_in)
        held.enter_context(started(nginx, network, files, []))
        nginx.reload()
        address = nginx.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
        url = f"http://{address}"
        until(Look("nginx reaches the backend", answering(url)), READY_S, every_s=0.1)
        yield url


@contextmanager
def started(
    container: Container, network: Network, files: Mapping[str, str], names: list[str]
) -> Iterator[None]:
    """Start a container in a network of its own; it is removed afterwards."""
    try:
        container.put_archive("/", archive(files))
        network.connect(container, aliases=names)
        container.start()
        yield
    finally:
        container.remove(force=True, v=True)


def answering(address: str) -> Callable[[], str]:
    def look() -> str:
        try:
            answer = asked(address, "/items")
        except httpx.TransportError as error:
            raise AssertionError(str(error)) from error
        assert answer.status_code == 200, str(answer)
        return str(answer)

    return look


def asked(address: str, path: str, **kwargs: object) -> httpx.Response:
    with httpx.Client(base_url=address, timeout=2 * SLOW_S, trust_env=False) as http:
        method = "POST" if kwargs else "GET"
        return http.request(method, path, headers={"Origin": ORIGIN}, **kwargs)  # type: ignore[arg-type]


def leave(answer: httpx.Response) -> list[str]:
    """Every header that says who may read the answer: one that comes twice counts for nothing."""
    return answer.headers.get_list("Access-Control-Allow-Origin")


def require_own(answer: httpx.Response, status: int) -> None:
    """Nginx' own answer, with all that a browser needs to show it to the page."""
    assert answer.status_code == status
    assert leave(answer) == ["*"]
    assert answer.headers.get_list("Access-Control-Expose-Headers") == ["X-Request-ID"]
    [request_id] = answer.headers.get_list("X-Request-ID")
    assert len(request_id) == 32


@pytest.mark.parametrize(("path", "status"), [("/items", 200), ("/unavailable", 503)])
def test_the_backends_own_answers_pass_through(url: str, path: str, status: int) -> None:
    answer = asked(url, path)
    assert answer.status_code == status
    assert leave(answer) == [ORIGIN]
    assert answer.headers.get_list("Access-Control-Expose-Headers") == ["X-Request-ID"]
    assert answer.headers.get_list("X-Request-ID") == ["the-backend's"]


def test_whom_the_backend_refuses_nginx_does_not_let_in(url: str) -> None:
    answer = asked(url, "/stranger")
    assert (answer.status_code, leave(answer)) == (200, [])


def test_a_body_that_is_too_large(url: str) -> None:
    require_own(asked(url, "/orders", content=b"x" * 70_000), 413)


def test_a_backend_that_is_too_slow(url: str) -> None:
    require_own(asked(url, "/slow"), 504)


def test_a_backend_that_hangs_up(url: str) -> None:
    require_own(asked(url, "/hang-up"), 502)
