"""Watching one target: rounds that never pile up, what they change, and who is told of it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from drillbook.runbook import Runbook
from probes import catalogue, maintenance, notify
from probes.client import Client, Line
from probes.history import History, HistoryError, Round
from probes.metrics import Counts
from probes.provenance import Provenance, Provenances
from probes.rounds import Pace, Prober
from probes.states import Changes, Incident, Result, TargetState, Watched
from probes.target import Settings

ONCE_S = 120.0
UNWRITTEN = 1000
PRUNE_EVERY = 100
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class Clock(Protocol):
    """Time as a schedule needs it."""

    def monotonic(self) -> float:
        """Seconds that never go back: rounds are due by these, whatever the wall clock does."""

    def wall(self) -> float:
        """Unix seconds, which may jump: they only say when something was."""

    async def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    def wall(self) -> float:
        """See Clock."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        await asyncio.sleep(seconds)


def next_due(due: float, now: float, every_s: float) -> tuple[float, int]:
    """When the round after one that was due is to begin, and how many are left out until then.

    A round that is late does not push the others: each is due at a multiple of ``every_s`` after
    the first, and those whose time is over are skipped.
    """
    due += every_s
    late = max(0, int((now - due) // every_s) + 1) if now > due else 0
    return due + late * every_s, late


@dataclass
class Watch:
    """One target, watched."""

    settings: Settings
    runbook: Runbook
    history: History
    prober: Prober
    provenance: dict[str, Provenance]
    line: Line
    page: str = ""
    clock: Clock = field(default_factory=SystemClock)
    say: Callable[[str], None] = lambda _: None
    state: TargetState = field(init=False)
    counts: Counts = field(default_factory=Counts)
    _unwritten: deque[tuple[Round, Changes, list[str]]] = field(
        default_factory=lambda: deque(maxlen=UNWRITTEN)
    )
    _due: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.state = TargetState(self.settings.name, self.settings.target.damping)

    @property
    def url(self) -> str:
        """The target's base URL."""
        return self.settings.target.url

    @property
    def probes(self) -> Sequence[catalogue.Probe]:
        """Its probes, in the runbook's order."""
        return self.prober.probes

    def restore(self) -> None:
        """Take up where the history ends: open incidents, and the rounds that damping counts.

        Raises HistoryError.
        """
        by_name = {probe.name: probe for probe in self.probes}
        for one in self.history.incidents(self.state.name, open_only=True):
            if any(name in by_name for name in one.probes):
                self.state.open[one.entry] = one
        for outcomes in self.history.last_outcomes(self.state.name, self.state.damping.of):
            known = [
                Result(by_name[name], outcome, "before the prober started", because=because)
                for name, (outcome, because) in outcomes.items()
                if name in by_name
            ]
            for result in known:
                self._restored(result)
            self.state.fired = {one.probe.entry for one in known if one.outcome == "down"}
        self._count_pending()

    def _restored(self, result: Result) -> None:
        new = Watched(self.state.damping)
        self.state.watched.setdefault(result.probe.name, new).update(result)

    # --- rounds ------------------------------------------------------------------------------
    async def round(self, deadline_s: float) -> list[Result]:
        """One round: ask, judge, keep, report. Returns what was seen, dependencies applied."""
        began, began_s = self.clock.wall(), self.clock.monotonic()
        windows = self.settings.target.maintenance
        self.counts.maintenance = maintenance.reason(windows, began)
        seen = await self.prober.round(deadline_s)
        took_s = self.clock.monotonic() - began_s
        ended = self.clock.wall()
        changes = self.state.take(seen, ended, maintenance=bool(self.counts.maintenance))
        watched = (self.state.watched[one.probe.name] for one in seen)
        told = [one.last for one in watched if one.last is not None]
        self.counts.numbers["rounds"] += 1
        self.counts.last_round_s, self.counts.last_ended = took_s, ended
        finished = Round(self.state.name, began, took_s, self.counts.maintenance, told)
        self._keep(finished, changes)
        return told

    async def every(
        self, every_s: float, offset_s: float, each: Callable[[list[Result]], None]
    ) -> None:
        """Go on, a round every ``every_s`` seconds, the first after ``offset_s``; never returns."""
        due = self.clock.monotonic() + offset_s
        while True:
            await self.clock.sleep(max(0.0, due - self.clock.monotonic()))
            each(await self.round(max(every_s, self.prober.patience_s)))
            due, skipped = next_due(due, self.clock.monotonic(), every_s)
            if skipped:
                self._skip(skipped)

    def _skip(self, skipped: int) -> None:
        self.counts.numbers["rounds_skipped"] += skipped
        self.say(f"{self.state.name}: {skipped} rounds were late, and are left out")

    # --- keeping -----------------------------------------------------------------------------
    def _keep(self, finished: Round, changes: Changes) -> None:
        payloads = []
        if self.settings.webhook_url:
            payloads = [self._payload(one) for one in (*changes.opened, *changes.closed)]
        if len(self._unwritten) == UNWRITTEN:
            self._drop_a_quiet_one()
        self._unwritten.append((finished, changes, payloads))
        self._write()

    def _drop_a_quiet_one(self) -> None:
        """Make room by a round that changed nothing: what is to be reported is never dropped."""
        for index, (_, changes, _payloads) in enumerate(self._unwritten):
            if not changes:
                del self._unwritten[index]
                return

    def _write(self) -> None:
        """Write what is not written yet; where it cannot be, the next round tries again."""
        replaced = self.history.replaced
        try:
            while self._unwritten:
                finished, changes, payloads = self._unwritten[0]
                self.history.record(finished, changes.opened, changes.closed, payloads)
                self._unwritten.popleft()
                if payloads:
                    self._due.set()
            if self.counts.numbers["rounds"] % PRUNE_EVERY == 0:
                self.history.prune(self.clock.wall())
        except HistoryError as error:
            self.counts.numbers["history_errors"] += 1
            self.say(f"{self.state.name}: {len(self._unwritten)} rounds are not kept yet: {error}")
        self.counts.numbers["history_replaced"] += self.history.replaced - replaced
        self._count_pending()

    def _payload(self, incident: Incident) -> str:
        provenance = {name: str(one) for name, one in self.provenance.items()}
        body = notify.payload(incident, self.runbook, page=self.page, provenance=provenance)
        return self.settings.redaction(body)

    # --- reporting -----------------------------------------------------------------------------
    def _count_pending(self) -> None:
        if not self.settings.webhook_url:
            return
        try:
            self.counts.pending = len(self.history.deliveries(self.state.name))
        except HistoryError as error:
            self.say(f"{self.state.name}: {error}")
        if self.counts.pending:
            self._due.set()

    async def deliver(self) -> None:
        """Deliver reports as they become due, each until it is acknowledged; never returns."""
        pause_s = FIRST_PAUSE_S
        while True:
            await self._due.wait()
            self._due.clear()
            if await self._deliver_all():
                pause_s = FIRST_PAUSE_S
                continue
            await self.clock.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._due.set()

    async def _deliver_all(self) -> bool:
        """Send what is due, in order, up to the first that is not acknowledged."""
        try:
            for one in self.history.deliveries(self.state.name):
                url, headers = self.settings.webhook_url, self.settings.webhook_headers
                if not url:
                    return True
                failed = await notify.deliver(one, url, headers, self.line)
                if failed:
                    self.counts.numbers["delivery_failures"] += 1
                    words = self.settings.redaction(failed)
                    self.say(f"{self.state.name}: the webhook did not take a report: {words}")
                    return False
                self.history.delivered(one.id)
                self.counts.numbers["deliveries"] += 1
                self.counts.pending -= 1
        except HistoryError as error:
            self.say(f"{self.state.name}: {error}")
            return False
        return True

    async def deliver_once(self, deadline_s: float) -> None:
        """Deliver what is due, for a run that looks only once; what is left is kept."""
        try:
            await asyncio.wait_for(self._deliver_all(), deadline_s)
        except TimeoutError:
            self.say(f"{self.state.name}: the webhook took too long; the report is kept")


def watch(  # noqa: PLR0913 - whatever a target's watch stands on
    settings: Settings,
    client: Client,
    runbook: Runbook,
    provenances: Provenances,
    history: History,
    *,
    clock: Clock | None = None,
    page: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> Watch:
    """A watch on a target, taken up where its history ends. Raises HistoryError."""
    target = settings.target
    line = catalogue.line_to(settings, client)
    probes = catalogue.of(settings)
    prober = Prober(
        line, probes, Pace(target.limits), settings.redaction, target.journey, target.url
    )
    provenance = {probe.name: provenances.of(probe) for probe in probes}
    made = Watch(
        settings, runbook, history, prober, provenance, line, page, clock or SystemClock(), say
    )
    made.restore()
    return made
