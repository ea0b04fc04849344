"""One round: everything that a target's probes need is asked once, and each probe judges it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from drillbook.detectors.http import Exchange
from drillbook.looking import CouldNotLook
from probes import journeys
from probes.catalogue import Probe
from probes.client import Line, Request
from probes.redaction import Redaction
from probes.states import Outcome, Result
from probes.target import Journey, Limits

BROWSER_S = 30.0


@dataclass
class Pace:
    """Lets no more requests through, a second and at once, than a target is to bear."""

    limits: Limits
    _next_s: float = 0.0
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.limits.at_once)

    async def __aenter__(self) -> None:
        """Wait for a turn."""
        await self._slots.acquire()
        now_s = time.monotonic()
        turn_s = max(self._next_s, now_s)
        self._next_s = turn_s + 1 / self.limits.per_second
        if turn_s > now_s:
            try:
                await asyncio.sleep(turn_s - now_s)
            except BaseException:
                self._slots.release()
                raise

    async def __aexit__(self, *_: object) -> None:
        """Give the place to the next."""
        self._slots.release()


@dataclass
class Prober:
    """Probes one target, a round at a time."""

    line: Line
    probes: Sequence[Probe]
    pace: Pace
    redaction: Redaction
    journey: Journey | None = None
    base: str = ""

    def requests(self) -> list[Request]:
        """What a round asks, each once; journeys and browsers apart.

        Causes come before what follows from them: where much hangs, the cause is still told.
        """
        causes_first = sorted(self.probes, key=lambda probe: len(probe.depends))
        return list(dict.fromkeys(one for probe in causes_first for one in probe.requests))

    @property
    def patience_s(self) -> float:
        """How long a round takes where nobody answers anything."""
        limits, requests = self.pace.limits, len(self.requests())
        turns = requests / limits.at_once + 1
        return turns * limits.deadline_s + requests / limits.per_second

    async def round(self, deadline_s: float) -> list[Result]:
        """Ask everything and judge it. What is not done at the deadline (seconds) is unknown."""
        asking = {one: asyncio.create_task(self._ask(one)) for one in self.requests()}
        own = {
            probe.name: asyncio.create_task(self._own(probe))
            for probe in self.probes
            if probe.blocking is not None or probe.journey
        }
        tasks = [*asking.values(), *own.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=deadline_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        answers = {one: task.result() for one, task in asking.items() if _done(task)}
        looks = {name: task.result() for name, task in own.items() if _done(task)}
        return [self._result(probe, answers, looks) for probe in self.probes]

    async def _ask(self, request: Request) -> Exchange:
        async with self.pace:
            return await self.line.ask(request)

    async def _own(self, probe: Probe) -> Result:
        """A look that is no judgement of ``requests``: a journey's, or a browser's."""
        began_s = time.monotonic()
        outcome: Outcome
        try:
            if probe.blocking is not None:
                saw = await asyncio.wait_for(asyncio.to_thread(probe.blocking), BROWSER_S)
            else:
                assert self.journey is not None
                saw = await journeys.travel(self.journey, self.base, self._ask)
            outcome = "down"
        except AssertionError as error:
            outcome, saw = "up", str(error)
        except (CouldNotLook, TimeoutError) as error:
            outcome, saw = "unknown", str(error) or "no answer in time"
        return Result(probe, outcome, self.redaction(saw), time.monotonic() - began_s)

    def _result(
        self, probe: Probe, answers: dict[Request, Exchange], looks: dict[str, Result]
    ) -> Result:
        if probe.name in looks:
            return looks[probe.name]
        mine = [answers[one] for one in probe.requests if one in answers]
        if not probe.requests or len(mine) < len(probe.requests):
            return Result(probe, "unknown", "not answered before the round had to end")
        outcome, saw = judged(probe, mine)
        took_s = sum(one.took_s for one in mine)
        # Once judged, bodies are not kept: of 1,000 targets they would be most of the memory.
        light = replace(mine[0], body="", headers={})
        return Result(probe, outcome, self.redaction(saw), took_s, light)


def judged(probe: Probe, answers: Sequence[Exchange]) -> tuple[Outcome, str]:
    """What a probe makes of the answers to its requests, and in words.

    An answer that its detector cannot read tells nothing: unknown, with the error. A detector
    that breaks must not end the prober, which watches others too.
    """
    try:
        return ("up" if probe.wants_it else "down"), probe.judge(answers)
    except AssertionError as error:
        return ("down" if probe.wants_it else "up"), str(error)
    except CouldNotLook as error:
        return "unknown", str(error)
    except Exception as error:  # noqa: BLE001 - of an answer in no shape that anyone foresaw
        return "unknown", f"the answer could not be read: {error!r}"


def _done(task: asyncio.Task[object] | asyncio.Task[Exchange] | asyncio.Task[Result]) -> bool:
    return task.done() and not task.cancelled()
