"""The witness: the users of a drill, and the ledger of what they were promised.

It sends a customer's requests where users come in, at a fixed arrival rate (an open model: a
stalled request does not hold back the next), reads and writes mixed, from a thread of its own. From
what came back it tells how long users felt the failure, and from its ledger whether a write that
was acknowledged is still there at the end.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from drillbook.looking import Look
from drillbook.system import Call, Customer, NotAcknowledged

if TYPE_CHECKING:
    from drillbook.platforms import Stack

RATE_PER_S = 20
WRITE_EVERY = 5  # one request in so many writes something
REQUEST_DEADLINE_S = 2.0
FELT_APART_S = 1.0
FELT_MS = 500.0  # slower than this, a user notices


@dataclass(frozen=True)
class Sample:
    """One request: when it was sent (monotonic seconds), how long it took, what came back."""

    sent_s: float
    took_s: float
    kind: str
    status: int | None
    error: str | None = None

    @property
    def failed(self) -> bool:
        """No answer, one that came after a user gave up, or the server's fault."""
        return self.status is None or self.status >= 500 or self.took_s > REQUEST_DEADLINE_S

    @property
    def felt(self) -> bool:
        """Failed, or slow enough to be noticed."""
        return self.failed or self.took_s * 1000 > FELT_MS


@dataclass(frozen=True)
class Report:
    """What the requests between two moments say; times in seconds, latencies in ms."""

    felt_s: float
    requests: int
    failed: int
    latency_ms: dict[str, dict[str, float]]
    samples: list[Sample]


@dataclass
class Ledger:
    """Every acknowledged write: its key -> what the system calls it."""

    acknowledged: dict[str, str] = field(default_factory=dict)

    def keys(self) -> list[str]:
        """The keys of all writes acknowledged so far; more may follow at any moment."""
        return list(self.acknowledged)


class Witness:
    """Background traffic. ``start`` and ``stop`` bracket it; samples can be read at any time."""

    def __init__(
        self, url: str, customer: Customer, *, seed: int, rate_per_s: int = RATE_PER_S
    ) -> None:
        self.ledger = Ledger()
        self.samples: list[Sample] = []
        self._url = url
        self._asks = customer
        self._rate_per_s = rate_per_s
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._client: httpx.Client | None = None
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin sending."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and wait for the requests under way (they have a deadline)."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=REQUEST_DEADLINE_S + 3)
            self._thread = None
        if self._client is not None:
            self._client.close()
            self._client = None

    # --- sending -----------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            asyncio.run(self._send_at_rate())
        except BaseException as error:  # noqa: BLE001 - read by require_alive
            self.error = error

    async def _send_at_rate(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        under_way: set[asyncio.Task[None]] = set()
        async with httpx.AsyncClient(
            base_url=self._url, timeout=REQUEST_DEADLINE_S, limits=limits, trust_env=False
        ) as client:
            due = time.monotonic()
            number = 0
            while not self._stop.is_set():
                number += 1
                task = asyncio.create_task(self._send(client, write=number % WRITE_EVERY == 0))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                due += 1 / self._rate_per_s
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*under_way)

    async def _send(self, client: httpx.AsyncClient, *, write: bool) -> None:
        call = self._call(self._random, write=write)
        sent_s = time.monotonic()
        status: int | None = None
        error: str | None = None
        try:
            # httpx' own time-outs come first; this is for an answer that trickles in. To cancel
            # a request that is just connecting would leave its socket open.
            async with asyncio.timeout(2 * REQUEST_DEADLINE_S):
                answer = await client.request(
                    call.method, call.path, json=call.json, headers=call.headers
                )
                self._note(call, answer)
                status = answer.status_code
        except (httpx.HTTPError, TimeoutError, NotAcknowledged) as failure:
            error = repr(failure)
        took_s = time.monotonic() - sent_s
        self.samples.append(Sample(sent_s, took_s, call.kind, status, error))

    def _call(self, chance: random.Random, *, write: bool) -> Call:
        if not write or not self._asks.writes:
            return self._asks.read(chance)
        return self._asks.write(str(uuid.UUID(int=chance.getrandbits(128), version=4)), chance)

    def _note(self, call: Call, answer: httpx.Response) -> bool:
        """Enter what was promised into the ledger; whether it was. Raises NotAcknowledged."""
        if call.key is None:
            return False
        name = self._asks.acknowledged(answer)
        if name is not None:
            self.ledger.acknowledged[call.key] = name
        return name is not None

    # --- telling -----------------------------------------------------------------------------
    def require_alive(self) -> None:
        """Raise RuntimeError when the traffic has stopped: silence must not read as health."""
        if self._thread is None or not self._thread.is_alive():
            raise RuntimeError(f"the witness is not running: {self.error!r}")

    @property
    def writes(self) -> bool:
        """Whether its customers write, so that something could be lost."""
        return self._asks.writes

    def lost(self, stack: Stack, keys: Sequence[str]) -> set[str]:
        """Which of these acknowledged writes the system no longer has. Raises NotThere."""
        return set(keys) - self._asks.kept(stack, keys) if self.writes else set()

    def customer(self) -> Look:
        """A look that reads, and writes, as a customer would, there and then.

        The write goes into the ledger like every other.
        """
        if self._client is None:  # making one takes longer than what it is for
            self._client = httpx.Client(
                base_url=self._url, timeout=REQUEST_DEADLINE_S, trust_env=False
            )
        client, chance = self._client, random.Random()  # noqa: S311 - a look takes no repeatable turn

        def ask(call: Call) -> httpx.Response:
            try:
                return client.request(call.method, call.path, json=call.json, headers=call.headers)
            except httpx.HTTPError as error:
                raise AssertionError(f"a customer got no answer: {error!r}") from error

        def look() -> str:
            self._asks.read_well(ask(self._call(chance, write=False)))
            if not self.writes:
                return "a customer is served"
            call = self._call(chance, write=True)
            answer = ask(call)
            assert self._note(call, answer), f"{call.kind}: HTTP {answer.status_code}"
            return f"a customer is served, and the {call.kind} acknowledged"

        return Look("customers are served", look)

    def _recent(self, since_s: float) -> list[Sample]:
        """Samples that ended after a moment, newest first, without walking all of them."""
        recent: list[Sample] = []
        for one in reversed(self.samples):
            if one.sent_s + one.took_s < since_s:
                break
            recent.append(one)
        return recent

    def report(
        self, began_s: float, fault_s: float | None, healed_s: float | None, ended_s: float
    ) -> Report:
        """What users lived through in a drill; all moments are monotonic seconds."""
        fault = ended_s if fault_s is None else fault_s
        healed = ended_s if healed_s is None else healed_s
        mine = [one for one in self._recent(began_s) if one.sent_s < ended_s]
        return Report(
            felt_s=felt_s(mine, fault),
            requests=len(mine),
            failed=sum(one.failed for one in mine),
            latency_ms={
                "before": percentiles(mine, lambda one: one.sent_s < fault),
                "during": percentiles(mine, lambda one: fault <= one.sent_s < healed),
                "after": percentiles(mine, lambda one: one.sent_s >= healed),
            },
            samples=sorted(mine, key=lambda one: one.sent_s),
        )


def felt_s(samples: Iterable[Sample], since_s: float) -> float:
    """Seconds since a moment in which users' requests failed or were slow.

    Bad requests less than FELT_APART_S apart are one stretch, as in an outage each next one is;
    two slow ones a minute apart are two short stretches, and not a minute.
    """
    total_s, end_s = 0.0, float("-inf")
    for one in sorted(samples, key=lambda one: one.sent_s):
        until_s = one.sent_s + one.took_s
        if not one.felt or until_s <= max(since_s, end_s):
            continue
        joined = one.sent_s - end_s < FELT_APART_S
        total_s += until_s - (end_s if joined else max(since_s, one.sent_s))
        end_s = until_s
    return total_s


def percentiles(samples: Iterable[Sample], chosen: Callable[[Sample], bool]) -> dict[str, float]:
    """p50, p95 and p99 in ms, with the count; empty when there is nothing to measure."""
    took_ms = sorted(one.took_s * 1000 for one in samples if chosen(one))
    if not took_ms:
        return {}
    if len(took_ms) == 1:
        took_ms = took_ms * 2
        count = 1
    else:
        count = len(took_ms)
    cuts = statistics.quantiles(took_ms, n=100, method="inclusive")
    return {
        "p50": round(cuts[49], 1),
        "p95": round(cuts[94], 1),
        "p99": round(cuts[98], 1),
        "count": count,
    }
