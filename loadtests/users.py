"""Locust's users.

Only a process of Locust's own may import this: Locust patches the sockets, threads and clocks of
whoever imports it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, ClassVar

import gevent
import gevent.pool
from locust import FastHttpUser, constant_throughput
from locust.env import Environment

from loadtests import pacing
from loadtests.catalogue import Catalogue
from loadtests.visits import OK, WEIGHTS, Orders, Visit

ANSWER_DEADLINE_S = 5.0
CONNECT_DEADLINE_S = 2.0

under_way = gevent.pool.Group()
"""Requests on their way that nobody waits for; the run's end does."""


_due_s: ContextVar[float | None] = ContextVar("due_s", default=None)
"""When this greenlet's request was due (Unix time); None where it is due as it is sent."""


class Customer(FastHttpUser):
    """A source of visits. One connection for each request under way, none is sent twice."""

    abstract = True
    network_timeout = ANSWER_DEADLINE_S
    connection_timeout = CONNECT_DEADLINE_S
    max_retries = 0

    model = ""
    seed = 0
    pace_per_s = 5.0
    weights: Mapping[Visit, int] = WEIGHTS
    catalogue: Catalogue
    _born = 0

    def __init__(self, environment: Environment) -> None:
        self.orders = Orders()
        cls = type(self)
        cls._born += 1
        self.dice = random.Random(f"{self.seed}/{cls._born}")  # noqa: S311 - repeatable
        super().__init__(environment)
        # a redirect is an answer like any other, and leads to nowhere that was not asked for
        agent: Any = self.client.client
        agent.redirect_response_codes = frozenset()

    def ask(  # noqa: PLR0913 - what makes up a request
        self,
        name: str,
        method: str,
        path: str,
        *,
        expect: int = OK,
        contains: bytes = b"",
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request and count its answer; the answer, or None where it is not as expected."""
        due_s = _due_s.get()
        late_ms = 0.0 if due_s is None else max(0.0, (time.time() - due_s) * 1000)
        with self.client.request(
            method,
            path,
            name=name,
            json=body,
            headers=dict(headers or {}),
            catch_response=True,
            context={"late_ms": late_ms},
        ) as answer:
            if answer.status_code == 0:
                answer.failure(f"no answer: {type(answer.error).__name__}")
                return None
            if answer.status_code != expect:
                answer.failure(f"HTTP {answer.status_code} instead of {expect}")
                return None
            if contains not in (answer.content or b""):
                answer.failure(f"the answer does not contain {contains.decode()}")
                return None
            return json.loads(answer.content) if expect != OK else True

    def visit_at(self, visit: Visit, due_s: float) -> None:
        """Make a visit that was due at a moment (Unix time)."""
        _due_s.set(due_s)
        visit(self)


class PatientCustomer(Customer):
    """Waits for each answer before asking again: the closed model."""

    model = "closed"
    tasks: ClassVar[list[Any]] = [  # type: ignore[misc] # of the class in Locust too
        visit for visit, weight in WEIGHTS.items() for _ in range(weight)
    ]

    def wait_time(self) -> float:
        """Long enough that no more than the pace is asked; not at all at a pace of 0."""
        if not self.pace_per_s:
            return 0.0
        return float(constant_throughput(self.pace_per_s)(self))


class CustomersArriving(Customer):
    """Many customers, who come when they come: the open model."""

    model = "open"
    concurrency = 1000  # never what holds a customer back

    def arrive(self) -> None:
        """For ever: wait until the next customer is due, and let it go its own way."""
        for due_s, visit in zip(
            pacing.moments(time.time(), self.pace_per_s, self.dice),
            pacing.dealt(self.weights, self.dice),
            strict=True,
        ):
            gevent.sleep(max(0.0, due_s - time.time()))
            under_way.spawn(self.visit_at, visit, due_s)

    tasks: ClassVar[list[Any]] = [arrive]  # type: ignore[misc]


def do_only(endpoint: str) -> None:
    """Let all customers do one thing alone."""
    visit = next(one for one in WEIGHTS if one.__name__ == endpoint)
    Customer.weights = {visit: 1}
    PatientCustomer.tasks = [visit]
