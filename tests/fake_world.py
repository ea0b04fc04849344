"""A stack that is not there, for the tests of the drill: a lamp, and who may break it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from drillbook.drill import Drill, recovery, steady
from drillbook.faults import Holds, fault
from drillbook.journal import Journal, read
from drillbook.looking import Action, Look
from drillbook.platforms.protocols import Reach
from drillbook.runbook import Platform, Runbook, load
from drillbook.terminal import Terminal
from drillbook.traffic import Ledger, Report, Witness
from fixtures.shop import Shop
from tests.fake_clock import FakeClock

WORDS = """# A runbook

### 9.1 The lamp is out

**Symptoms:**

- It is dark.
- The switch clicks, and nothing happens.

**Potential Causes:**

- The bulb is burnt out.
- The power is off.

**Resolution Steps:**

1.  Look at it: `echo the lamp is off`, or `echo <what>`.
2.  Enter the house with `bash` and call `echo anybody`.
3.  Change the bulb.
"""


@dataclass
class FakeWitness:
    """Users who never complain, and a ledger."""

    ledger: Ledger = field(default_factory=Ledger)
    kept: set[str] = field(default_factory=set)
    writes: bool = True

    def lost(self, _stack: object, keys: Iterable[str]) -> set[str]:
        return set(keys) - self.kept

    def report(self, *_moments: float | None) -> Report:
        return Report(0.0, 0, 0, {}, [])


@dataclass
class World:
    """What is true of the lamp. Satisfies what a drill asks of a stack."""

    lit: bool = True
    ill: str = ""  # why the steady state does not hold, if it does not
    left_behind: dict[str, object] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)
    witness: FakeWitness = field(default_factory=FakeWitness)
    environment: dict[str, str] = field(default_factory=lambda: {"POSTGRES_PASSWORD": "hush"})
    folder: Path = Path("service")
    marked_s: float = 0.0

    def mark(self) -> None:
        """Logs are read from here."""
        self.marked_s = self.clock.now()

    platform: Platform = "compose"

    path: str = os.environ["PATH"]

    def placeholder(self, _name: str) -> str | None:
        return None

    def terminal(self) -> Terminal:
        return Terminal(self.folder, {**os.environ, "PATH": self.path}, "hush")

    def reach(self) -> Reach:
        return Reach("compose", "house", frozenset({"lamp"}), frozenset({"house-lamp-1"}))

    # --- looks -------------------------------------------------------------------------------
    def steady(self, *_: object) -> Look:
        def look() -> str:
            if self.ill:
                raise AssertionError(self.ill)
            return "all is well"

        return Look("the steady state", look)

    def dark(self) -> Look:
        def look() -> str:
            if self.lit:
                raise AssertionError("it is light")
            return "it is dark"

        return Look("it is dark", look)

    def fingerprint(self, *_: object) -> dict[str, object]:
        return {"lamp": "there", **self.left_behind}

    # --- changes -----------------------------------------------------------------------------
    def change_bulb(self) -> Action:
        def act() -> str:
            self.lit = True
            self.done.append("changed")
            return "a new bulb"

        return Action("change the bulb", act)


@fault("the bulb is burnt out")
def burnt_out(world: World) -> Iterator[Holds]:
    """Break it, and mend it at the end where nobody has."""
    world.lit = False
    world.done.append("broken")
    try:
        yield world.dark()
    finally:
        if not world.lit:
            world.done.append("undone")
        world.lit = True


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A lamp that is lit, in place of the stack of a drill."""
    world = World()
    monkeypatch.setattr(steady, "steady", world.steady)
    monkeypatch.setattr(steady, "serving", world.steady)
    monkeypatch.setattr(recovery, "fingerprint", world.fingerprint)
    return world


@pytest.fixture
def book(tmp_path: Path) -> Runbook:
    """A runbook of one entry."""
    path = tmp_path / "runbook.md"
    path.write_text(WORDS)
    return load(path)


@pytest.fixture
def lamp(world: World, book: Runbook, tmp_path: Path) -> Iterator[Drill]:
    """A drill of the lamp, on a clock that does not wait."""
    journal = Journal(tmp_path / "journal.jsonl").open()
    yield Drill(
        cast(Shop, world),
        cast(Witness, world.witness),
        journal,
        book,
        "9.1",
        (1,),
        "The lamp is out",
        clock=world.clock,
    )
    journal.close()


def told(drill: Drill, *names: str) -> list[dict[str, object]]:
    """The drill's events of these names, as they are on disk."""
    return [one for one in read(drill.record.journal.path) if one["event"] in names]
