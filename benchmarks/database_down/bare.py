"""The outage as a person would script it: the same Docker and HTTP calls, and no harness.

It looks for the same symptoms, at the same intervals, and makes sure of the same recovery: every
container runs, reading and ordering work, the symptoms are gone, its own order is still there. It
does not do what only a harness does: no record, no check before the fix that the fault is still
there, no comparison of the stack with what it was.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks.database_down.outage import DEADLINE_S, EVERY_S, READ, UNREACHABLE, names
from benchmarks.stage import Stage
from drillbook.machine import docker_client

CATEGORY = "/items?category=lamps&limit=20"


class Bare:
    """The script. Its two clients are made once, before it is timed."""

    def __init__(self, stage: Stage) -> None:
        self._names = names(stage)
        self._url = stage.stack.url
        self._engine = docker_client.connected(60)
        self._http = httpx.Client(
            trust_env=False, timeout=5.0, limits=httpx.Limits(max_keepalive_connections=0)
        )

    def __call__(self) -> None:
        """Cause the outage and heal it. Raises AssertionError where anything is otherwise."""
        _wait(self._healthy)
        order = self._order()
        began_s = time.time()
        self._container("db").kill()
        _wait(self._errors)
        _wait(lambda: self._mentions(began_s))
        _wait(self._unhealthy)
        self._container("db").restart(timeout=10)
        _wait(self._serving)
        healed_s = time.time()
        _wait(lambda: not self._errors())
        _wait(lambda: not self._mentions(healed_s))
        _wait(lambda: not self._unhealthy())
        assert self._get(f"/orders/{order}").status_code == httpx.codes.OK, "the order is gone"

    def close(self) -> None:
        """Close its clients."""
        self._http.close()
        self._engine.close()

    # --- looks -------------------------------------------------------------------------------
    def _container(self, service: str) -> Any:
        return self._engine.containers.get(self._names[service])

    def _state(self, service: str) -> dict[str, Any]:
        state: dict[str, Any] = self._container(service).attrs["State"]
        return state

    def _get(self, path: str) -> httpx.Response:
        return self._http.get(f"{self._url}{path}")

    def _order(self) -> int:
        answer = self._http.post(
            f"{self._url}/orders",
            json={"item_id": 1, "quantity": 1},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        return int(answer.json()["id"]) if answer.status_code == httpx.codes.CREATED else 0

    def _healthy(self) -> bool:
        states = [self._state(service) for service in self._names]
        return all(one["Health"]["Status"] == "healthy" for one in states) and self._serving()

    def _serving(self) -> bool:
        return (
            self._get("/health").status_code == httpx.codes.OK
            and all(self._state(service)["Status"] == "running" for service in self._names)
            and self._get(CATEGORY).status_code == httpx.codes.OK
            and self._order() > 0
        )

    def _errors(self) -> bool:
        return self._get(READ).status_code >= httpx.codes.INTERNAL_SERVER_ERROR

    def _mentions(self, since_s: float) -> bool:
        log: bytes = self._container("backend").logs(since=since_s)
        return re.search(UNREACHABLE, log.decode("utf-8", "replace"), re.IGNORECASE) is not None

    def _unhealthy(self) -> bool:
        return bool(self._state("db")["Health"]["Status"] == "unhealthy")


def _wait(look: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not look():
        assert time.monotonic() < deadline_s, "the deadline passed"
        time.sleep(EVERY_S)
