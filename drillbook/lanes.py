"""Two drills at once: `-n 2` runs a stack a lane, and makes one run of what the lanes journal.

pytest-xdist starts a process a lane. The first lane has the documented ports and gets the drills
whose entry has a command that names one; all others have ports of their own. A drill that measures
time or builds images says so, and none of these runs while another one does. The process that
starts the lanes drills nothing: it copies their events into the run's one journal as they come,
and whoever reports reads only that.
"""

from __future__ import annotations

import fcntl
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drillbook.journal import FILE_NAME, Journal
from drillbook.runbook import Runbook

FOLDER = "lanes"
LOCK = "exclusive.lock"
KINDS = "kinds.json"
EVERY_S = 0.1
# The run's own, which the process that starts the lanes writes once for all of them.
OF_THE_RUN = ("RunStarted", "RunEnded")


@dataclass(frozen=True)
class Lane:
    """One of the processes that drill side by side."""

    number: int
    """From 0; the first has the documented ports."""
    directory: Path
    """The folder of the whole run."""
    origin_s: float
    """The moment on the monotonic clock from which every journal of the run counts."""

    @property
    def journal(self) -> Path:
        """Where this lane journals."""
        return self.directory / FOLDER / str(self.number) / FILE_NAME

    @property
    def documented_ports(self) -> bool:
        """Whether it has the ports that the runbook names."""
        return self.number == 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep lanes from preparing the machine, or drilling what is exclusive, side by side."""
        path = self.directory / LOCK
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def write_kinds(self, kinds: Mapping[str, Sequence[str]]) -> None:
        """Leave the names of drills by kind for the process that hands them out."""
        path = self.journal.with_name(KINDS)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kinds))


def read_kinds(directory: Path) -> Mapping[str, Sequence[str]]:
    """What the first lane of a run wrote; all of them collect the same drills."""
    kinds: Mapping[str, Sequence[str]] = json.loads((directory / FOLDER / "0" / KINDS).read_text())
    return kinds


def names_a_port(runbook: Runbook, entry: str, ports: Sequence[int]) -> bool:
    """Whether an entry has a command with one of the documented ports in it."""
    pattern = re.compile(rf":({'|'.join(map(str, ports))})\b") if ports else None
    commands = [command for line in runbook.entry(entry).lines for command in line.commands]
    return pattern is not None and any(pattern.search(one) for one in commands)


@dataclass
class Queue:
    """Which test a lane gets next."""

    waiting: list[int]
    first_lane_only: frozenset[int]
    exclusive: frozenset[int]
    under_way: dict[int, list[int]] = field(default_factory=dict)
    """By lane: what it was given and has not finished."""

    def take(self, lane: int) -> int | None:
        """The next test of a lane, and off the queue; None where nothing is left for it.

        The first lane takes what only it can do before anything else. What is exclusive waits
        for as long as another lane has such a one and there is something else to do.
        """
        elsewhere = {
            one for number, ones in self.under_way.items() if number != lane for one in ones
        }
        busy = bool(elsewhere & self.exclusive)

        def rank(test: int) -> tuple[bool, bool, int]:
            own = lane == 0 and test in self.first_lane_only
            return busy and test in self.exclusive, not own, self.waiting.index(test)

        allowed = [one for one in self.waiting if lane == 0 or one not in self.first_lane_only]
        if not allowed:
            return None
        chosen = min(allowed, key=rank)
        self.waiting.remove(chosen)
        self.under_way.setdefault(lane, []).append(chosen)
        return chosen

    def done(self, lane: int, test: int) -> None:
        """A lane has finished a test."""
        self.under_way[lane].remove(test)


class Scheduler:
    """What pytest-xdist asks about which lane runs what: one test at a time, and one in hand.

    A worker of pytest-xdist runs a test only once it knows the next one, or that there is none.
    """

    def __init__(self, lanes: int, choose: Callable[[Sequence[str]], Queue]) -> None:
        self._lanes = lanes
        self._choose = choose
        self._queue: Queue | None = None
        self._nodes: list[Any] = []
        self._collections: dict[Any, list[str]] = {}

    @property
    def nodes(self) -> list[Any]:
        """The lanes that live."""
        return list(self._nodes)

    @property
    def collection_is_completed(self) -> bool:
        """Whether every lane knows its tests."""
        return len(self._collections) >= self._lanes

    @property
    def has_pending(self) -> bool:
        """Whether anything is still to be run."""
        return self._queue is None or bool(
            self._queue.waiting or any(self._queue.under_way.values())
        )

    @property
    def tests_finished(self) -> bool:
        """Whether the lanes may be told to end."""
        queue = self._queue
        return queue is not None and not queue.waiting and not self.has_pending

    def add_node(self, node: Any) -> None:
        """A lane lives."""
        self._nodes.append(node)

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """A lane has collected these tests."""
        self._collections[node] = list(collection)

    def schedule(self) -> None:
        """Give each lane its first tests. Raises RuntimeError where they collected other ones."""
        if self._queue is not None:
            return
        first, *others = self._collections.values()
        if any(one != first for one in others):
            raise RuntimeError("the lanes collected different drills; name them by nothing random")
        self._queue = self._choose(first)
        for node in self._nodes:
            self._give(node)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:  # noqa: ARG002
        """A lane has finished a test."""
        assert self._queue is not None
        self._queue.done(self._number(node), item_index)
        self._give(node)

    def mark_test_pending(self, item: str) -> None:
        """Never asked for: nothing that ran is run again."""
        raise NotImplementedError(item)

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> None:
        """Never asked for: no lane gives back what it was given."""
        raise NotImplementedError(indices)

    def remove_node(self, node: Any) -> str | None:
        """A lane is gone; the test that it was in, if any. What it had in hand goes to others."""
        self._nodes.remove(node)
        if self._queue is None:
            return None
        pending = self._queue.under_way.pop(self._number(node), [])
        if not pending:
            return None
        self._queue.waiting[:0] = [
            one for one in pending[1:] if one not in self._queue.first_lane_only
        ]
        for other in self._nodes:
            self._give(other)
        return next(iter(self._collections.values()))[pending[0]]

    def _give(self, node: Any) -> None:
        assert self._queue is not None
        lane = self._number(node)
        given = []
        while len(self._queue.under_way.setdefault(lane, [])) < 2:
            test = self._queue.take(lane)
            if test is None:
                break
            given.append(test)
        if given and not node.shutting_down:
            node.send_runtest_some(given)
        if len(self._queue.under_way[lane]) < 2 and not node.shutting_down:
            node.shutdown()

    def _number(self, node: Any) -> int:
        return number_of(node.gateway.id)


def number_of(worker: str) -> int:
    """The number of a lane by what pytest-xdist calls it: 1 of ``gw1``."""
    return int(worker.removeprefix("gw"))


class Merger:
    """Copies the lanes' events into the run's journal while they come, in the order they come."""

    def __init__(self, journal: Journal, directory: Path) -> None:
        self._journal = journal
        self._directory = directory / FOLDER
        self._read: dict[Path, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lanes", daemon=True)
        self.error: Exception | None = None

    def start(self) -> None:
        """Begin copying."""
        self._thread.start()

    def stop(self) -> None:
        """Copy what is left, and end. Raises what copying raised."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            while not self._stop.wait(EVERY_S):
                self._copy()
            self._copy()
        except Exception as error:  # noqa: BLE001 - a thread's error; stop() raises it
            self.error = error

    def _copy(self) -> None:
        events = [
            one
            for path in sorted(self._directory.glob(f"*/{FILE_NAME}"))
            for one in self._new(path)
        ]
        for record in sorted(events, key=lambda one: float(one["t_s"])):
            self._journal.copy(record)

    def _new(self, path: Path) -> Iterator[Mapping[str, Any]]:
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            text = file.read()
        whole = text.rpartition(b"\n")[0]
        self._read[path] = self._read.get(path, 0) + len(whole) + bool(whole)
        for line in whole.splitlines():
            record = json.loads(line)
            if record["event"] not in OF_THE_RUN:
                yield {**record, "lane": int(path.parent.name)}
