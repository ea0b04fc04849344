"""Drills side by side: who gets what, and one journal of it all."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbook.journal import FILE_NAME, Journal, Progress, RunStarted, read
from drillbook.lanes import Lane, Merger, Queue, Scheduler, names_a_port, read_kinds
from drillbook.runbook import load

ROOT = Path(__file__).parents[1]


def queue(waiting: int, first: Sequence[int] = (), exclusive: Sequence[int] = ()) -> Queue:
    return Queue(list(range(waiting)), frozenset(first), frozenset(exclusive))


# --- who gets what -----------------------------------------------------------------------------
def test_what_needs_the_documented_ports_goes_to_the_first_lane_and_first() -> None:
    tests = queue(4, first=[2])
    assert tests.take(1) == 0
    assert tests.take(0) == 2
    assert tests.take(0) == 1


def test_a_lane_that_may_do_nothing_of_what_is_left_gets_nothing() -> None:
    tests = queue(1, first=[0])
    assert tests.take(1) is None
    assert tests.take(0) == 0


def test_what_is_exclusive_waits_while_another_lane_has_such_a_one() -> None:
    tests = queue(4, exclusive=[0, 1])
    assert tests.take(0) == 0
    assert tests.take(1) == 2
    tests.done(0, 0)
    assert tests.take(1) == 1


def test_what_is_exclusive_is_taken_where_nothing_else_is_left() -> None:
    tests = queue(2, exclusive=[0, 1])
    assert [tests.take(0), tests.take(1)] == [0, 1]  # they take turns by the lock


@given(
    st.integers(0, 12), st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)), st.integers(0, 99)
)
def test_every_test_is_given_once_and_none_to_a_lane_that_may_not(
    count: int, first: set[int], exclusive: set[int], seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    tests = queue(count, [one for one in first if one < count], list(exclusive))
    given_to: dict[int, int] = {}
    idle: set[int] = set()
    while len(idle) < 2:
        lane = chance.randint(0, 1)
        test = tests.take(lane)
        if test is None:
            idle.add(lane)
        else:
            assert test not in given_to
            given_to[test] = lane
            if chance.random() < 0.5:
                tests.done(lane, test)
    assert sorted(given_to) == list(range(count))
    assert all(given_to[one] == 0 for one in first if one < count)


@pytest.mark.parametrize(
    ("entry", "ports", "named"),
    [("4.2", [8000], True), ("3.1", [8000, 80], False), ("4.2", [], False), ("4.2", [800], False)],
)
def test_an_entry_whose_command_has_a_documented_port(
    entry: str, ports: list[int], named: bool
) -> None:
    assert names_a_port(load(ROOT / "runbook.md"), entry, ports) is named


# --- what pytest-xdist asks --------------------------------------------------------------------
class Node:
    """A lane, as pytest-xdist has it."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        assert not self.shutting_down
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduled(tests: Queue, names: list[str]) -> tuple[Scheduler, list[Node]]:
    scheduler = Scheduler(2, lambda _: tests)
    nodes = [Node(0), Node(1)]
    for node in nodes:
        scheduler.add_node(node)
        scheduler.add_node_collection(node, names)
    scheduler.schedule()
    return scheduler, nodes


def test_each_lane_has_one_test_and_one_in_hand() -> None:
    scheduler, nodes = scheduled(queue(5), list("abcde"))
    assert [node.given for node in nodes] == [[0, 1], [2, 3]]
    scheduler.mark_test_complete(nodes[1], 2)
    assert nodes[1].given == [2, 3, 4]
    scheduler.mark_test_complete(nodes[1], 3)
    assert nodes[1].shutting_down  # it is told that the one in hand is its last
    assert scheduler.has_pending


def test_a_lane_for_which_nothing_is_left_ends_and_the_other_goes_on() -> None:
    scheduler, nodes = scheduled(queue(3, first=[0, 1, 2]), list("abc"))
    assert nodes[1].shutting_down
    for test in (0, 1, 2):
        assert not scheduler.tests_finished
        scheduler.mark_test_complete(nodes[0], test)
    assert scheduler.tests_finished


def test_a_lane_that_dies_names_its_drill_and_others_take_what_it_had_in_hand() -> None:
    scheduler, nodes = scheduled(queue(6), list("abcdef"))
    assert scheduler.remove_node(nodes[0]) == "a"
    scheduler.mark_test_complete(nodes[1], 2)
    assert nodes[1].given[:3] == [2, 3, 1]


def test_lanes_that_collected_other_drills_are_refused() -> None:
    scheduler = Scheduler(2, lambda _: queue(1))
    for node, names in ((Node(0), ["a"]), (Node(1), ["b"])):
        scheduler.add_node(node)
        scheduler.add_node_collection(node, names)
    with pytest.raises(RuntimeError, match="different drills"):
        scheduler.schedule()


# --- one journal -------------------------------------------------------------------------------
@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / FILE_NAME).open()
    yield journal
    journal.close()


def lane(number: int, whole: Journal) -> Journal:
    place = Lane(number, whole.path.parent, whole.started_s)
    return Journal(place.journal, started_s=place.origin_s).open()


def test_the_lanes_events_become_one_journal_on_one_clock(whole: Journal, tmp_path: Path) -> None:
    shown: list[Any] = []
    whole.subscribers.append(shown.append)
    merger = Merger(whole, tmp_path)
    merger.start()
    lanes = [lane(number, whole) for number in (0, 1)]
    for number in range(6):
        lanes[number % 2].write(Progress(f"event {number}"))
        time.sleep(0.002)  # so that no two have the same time
    lanes[0].write(RunStarted("a lane's", [], 1, "compose", "x", "y", {}, {}))
    merger.stop()
    records = list(read(whole.path))
    assert [one["text"] for one in records] == [f"event {number}" for number in range(6)]
    assert [one["lane"] for one in records] == [0, 1] * 3
    assert [one["t_s"] for one in records] == sorted(one["t_s"] for one in records)
    assert shown == records
    for one in lanes:
        one.close()


def test_a_line_that_is_still_being_written_is_waited_for(whole: Journal, tmp_path: Path) -> None:
    path = Lane(0, tmp_path, 0.0).journal
    path.parent.mkdir(parents=True)
    text = json.dumps({"event": "Progress", "t_s": 0.1, "text": "größer"}).encode()
    path.write_bytes(text[:-9])
    merger = Merger(whole, tmp_path)
    merger._copy()
    assert list(read(whole.path)) == []
    path.write_bytes(text + b"\n")
    merger._copy()
    merger._copy()
    assert [one["text"] for one in read(whole.path)] == ["größer"]


def test_what_cannot_be_copied_is_raised_at_the_end(whole: Journal, tmp_path: Path) -> None:
    path = Lane(0, tmp_path, 0.0).journal
    path.parent.mkdir(parents=True)
    path.write_text("no event\n")
    merger = Merger(whole, tmp_path)
    merger.start()
    with pytest.raises(ValueError, match="Expecting value"):
        merger.stop()


def test_exclusive_drills_of_two_lanes_take_turns(tmp_path: Path) -> None:
    order: list[str] = []
    lanes = [Lane(number, tmp_path, 0.0) for number in (0, 1)]
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with lanes[1].alone():
            order.append("second")

    with lanes[0].alone():
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(5.0)
        order.append("first")
    thread.join(5.0)
    assert order == ["first", "second"]


def test_what_a_lane_says_of_its_drills_is_read_by_who_hands_them_out(tmp_path: Path) -> None:
    Lane(0, tmp_path, 0.0).write_kinds({"first lane only": ["a"], "exclusive": []})
    assert read_kinds(tmp_path) == {"first lane only": ["a"], "exclusive": []}
