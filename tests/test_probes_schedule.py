"""Rounds that never pile up, whatever the clocks, the target and the disk do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbook.runbook import load as load_runbook
from probes.client import Client
from probes.history import History
from probes.provenance import Fired, Provenances
from probes.states import Result
from probes.target import load
from probes.watch import Watch, next_due, watch
from tests.probe_target import FakeTarget, open_target

RUNBOOK = load_runbook(Path(__file__).parents[1] / "runbook.md")


class Enough(Exception):
    """The test has seen what it wanted."""


class FakeClock:
    """A schedule's clock: waiting takes no time, and the wall clock can be set."""

    def __init__(self) -> None:
        self.time_s, self.offset_s = 0.0, 1_000_000.0

    def monotonic(self) -> float:
        return self.time_s

    def wall(self) -> float:
        return self.time_s + self.offset_s

    async def sleep(self, seconds: float) -> None:
        self.time_s += seconds
        await asyncio.sleep(0)


@given(st.floats(0, 1e6), st.floats(0, 1e5), st.floats(0.1, 3600))
def test_the_next_round_is_a_multiple_ahead_and_what_lies_between_is_counted(
    due: float, late_s: float, every_s: float
) -> None:
    now = due + late_s
    following, skipped = next_due(due, now, every_s)
    assert following >= now or following == pytest.approx(now)
    assert following == pytest.approx(due + (skipped + 1) * every_s)
    assert following - every_s <= max(now, due) + 1e-6 * max(1.0, now)
    assert skipped >= 0


@pytest.fixture
def target() -> Iterator[FakeTarget]:
    with open_target() as opened:
        yield opened


@pytest.fixture
def small(target: FakeTarget, tmp_path: Path) -> Path:
    """A target of which only /health is asked."""
    file = tmp_path / "small.toml"
    file.write_text(
        f'url = "{target.url}"\nallow_private = true\nentries = ["4.2"]\n'
        f'[webhook]\nurl = "{target.url}/hook"\n[limits]\nper_second = 1000\n'
    )
    return file


def made(file: Path, history: History, client: Client, **options: Any) -> Watch:
    return watch(load(file), client, RUNBOOK, Provenances([], RUNBOOK), history, **options)


def go_on(file: Path, rounds: int, each: Any = None, *, every_s: float = 60.0) -> tuple[Watch, Any]:
    """So many rounds by a fake clock; ``each`` is called with the clock after every one."""
    clock = FakeClock()

    async def run() -> Watch:
        client, history = Client(), History(None, keep_days=31, say=print)
        one = made(file, history, client, clock=clock)
        seen = 0

        def after(_: list[Result]) -> None:
            nonlocal seen
            seen += 1
            if each:
                each(clock, seen)
            if seen == rounds:
                raise Enough

        with pytest.raises(Enough):
            await one.every(every_s, 0.0, after)
        await client.close()
        return one

    return asyncio.run(run()), clock


def test_a_round_is_due_every_so_often(small: Path) -> None:
    one, clock = go_on(small, 5)
    assert clock.time_s == pytest.approx(4 * 60)
    assert one.counts.numbers["rounds_skipped"] == 0


def test_a_round_that_takes_too_long_has_those_due_meanwhile_left_out(small: Path) -> None:
    def slow(clock: FakeClock, seen: int) -> None:
        clock.time_s += 150 if seen == 1 else 0

    one, clock = go_on(small, 2, slow)
    assert one.counts.numbers["rounds_skipped"] == 2
    assert clock.time_s == pytest.approx(180), "and the next is due when it always was"
    assert one.counts.numbers["rounds"] == 2


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0], ids=["back", "ahead"])
def test_a_wall_clock_that_jumps_changes_no_schedule(small: Path, jump_s: float) -> None:
    def jump(clock: FakeClock, seen: int) -> None:
        clock.offset_s += jump_s if seen == 2 else 0

    one, clock = go_on(small, 4, jump)
    assert clock.time_s == pytest.approx(3 * 60)
    assert one.counts.numbers["rounds_skipped"] == 0
    assert [len(one.history.last_outcomes("small", n)) for n in (2, 9)] == [2, 4]


def test_a_clock_set_back_during_an_incident_still_lets_it_end(
    small: Path, target: FakeTarget
) -> None:
    target.health = 500

    def jump(clock: FakeClock, seen: int) -> None:
        if seen == 3:
            clock.offset_s -= 86_400.0
            target.health = 200

    one, _ = go_on(small, 6, jump)
    assert one.state.open == {}
    [incident] = one.history.incidents("small")
    assert incident.ended is not None
    assert len(one.history.deliveries("small")) == 2


def test_a_history_that_cannot_be_written_loses_neither_rounds_nor_reports(
    small: Path, target: FakeTarget, tmp_path: Path
) -> None:
    target.health = 500
    said: list[str] = []

    async def run() -> None:
        client = Client()
        history = History(tmp_path / "history.db", keep_days=31, say=print)
        one = made(small, history, client, say=said.append)
        await one.round(5)
        pages = history._db.execute("PRAGMA page_count").fetchone()[0]
        history._db.execute(f"PRAGMA max_page_count = {pages}")
        while not one.counts.numbers["history_errors"]:
            await one.round(5)
        for _ in range(3):
            await one.round(5)
        assert one.counts.numbers["history_errors"] == 4
        history._db.execute("PRAGMA max_page_count = 100000")
        await one.round(5)
        assert history.rounds("small") == one.counts.numbers["rounds"]
        assert len(history.deliveries("small")) == 1
        await client.close()
        history.close()

    asyncio.run(run())
    assert "not kept yet" in said[0]
    assert "full" in said[0]


# --- reports -------------------------------------------------------------------------------------
def test_the_webhook_is_called_once_for_an_incident_and_once_for_its_end(
    small: Path, target: FakeTarget, tmp_path: Path
) -> None:
    async def run() -> None:
        client = Client()
        history = History(tmp_path / "history.db", keep_days=31, say=print)
        one = made(small, history, client, page="http://prober.example")
        for health in (200, 500, 500, 500, 500, 200, 200, 200):
            target.health = health
            await one.round(5)
            await one.deliver_once(5)
        await client.close()
        history.close()

    asyncio.run(run())
    firing, resolved = map(json.loads, target.posted)
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert firing["version"] == "4"
    assert firing["groupKey"] == resolved["groupKey"]
    [alert] = firing["alerts"]
    assert alert["labels"]["entry"] == "4.2"
    assert alert["annotations"]["runbook_url"] == "runbook.md#42-health-check-failing"
    assert alert["generatorURL"] == "http://prober.example/targets/small"
    assert alert["endsAt"].startswith("0001-")
    assert resolved["alerts"][0]["fingerprint"] == alert["fingerprint"]
    assert resolved["alerts"][0]["startsAt"] == alert["startsAt"]


def test_a_report_is_delivered_by_the_next_prober_where_this_one_could_not(
    small: Path, target: FakeTarget, tmp_path: Path
) -> None:
    """The receiver is down while the incident opens, and the prober dies; both come back."""
    target.health, target.webhook_status = 500, 503

    def restarted(rounds: int) -> Watch:
        async def run() -> Watch:
            client = Client()
            history = History(tmp_path / "history.db", keep_days=31, say=print)
            one = made(small, history, client, say=lambda _: None)
            for _ in range(rounds):
                await one.round(5)
                await one.deliver_once(5)
            if not rounds:
                await one.deliver_once(5)
            await client.close()
            history.close()
            return one

        return asyncio.run(run())

    first = restarted(3)
    assert first.counts.numbers["delivery_failures"] == 2
    assert first.counts.pending == 1
    target.posted.clear()
    target.webhook_status = 200
    second = restarted(0)
    assert len(target.posted) == 1
    assert second.counts.pending == 0
    third = restarted(3)
    assert len(target.posted) == 1, "an incident that was reported is not reported again"
    assert set(third.state.open) == {"4.2"}
    target.health = 200
    restarted(3)
    assert [json.loads(one)["status"] for one in target.posted] == ["firing", "resolved"]


def test_damping_goes_on_where_the_last_prober_ended(
    small: Path, target: FakeTarget, tmp_path: Path
) -> None:
    target.health = 500

    async def one_round() -> set[str]:
        client = Client()
        history = History(tmp_path / "history.db", keep_days=31, say=print)
        one = made(small, history, client)
        await one.round(5)
        await client.close()
        history.close()
        return set(one.state.open)

    assert asyncio.run(one_round()) == set()
    assert asyncio.run(one_round()) == {"4.2"}


# --- provenance ----------------------------------------------------------------------------------
def fired(**changed: str) -> Fired:
    line = RUNBOOK.find("4.2 symptom 1")
    assert line is not None
    values = {
        "line": line.name,
        "words": line.text,
        "platform": "compose",
        "drill": "scenarios/test_4_2.py::test_no_health",
        "title": "There is no /health",
        "run": "2026-11-25T04-00-00",
        "at": "2026-11-25T04:01:02Z",
        "detector": "drillbook.detectors.http.unhealthy",
        **changed,
    }
    return Fired(**values)


@pytest.mark.parametrize(
    ("proofs", "says"),
    [
        ([], "unproven: no drill has seen its detector fire"),
        ([fired()], "seen to fire in test_no_health, run 2026-11-25T04-00-00"),
        ([fired(), fired(at="2026-11-26T00:00:00Z", run="newer")], "run newer"),
        ([fired(detector="other")], "unproven: drills saw 4.2 symptom 1 by another detector"),
        ([fired(words="other words")], "unproven: 4.2 symptom 1 was edited since its drill"),
        ([fired(line="4.2 symptom 2")], "unproven: no drill has seen its detector fire"),
    ],
)
def test_a_drill_vouches_for_a_probe_by_line_words_and_detector(
    small: Path, proofs: list[Fired], says: str
) -> None:
    history = History(None, keep_days=1, say=print)
    one = watch(load(small), Client(), RUNBOOK, Provenances(proofs, RUNBOOK), history)
    history.close()
    assert says in str(one.provenance["health"])
