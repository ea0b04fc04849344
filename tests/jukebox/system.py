"""A jukebox: two small containers that are nothing like the shop."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import httpx

from drillbook.machine.images import TOXIPROXY, Kind
from drillbook.platforms import Stack
from drillbook.system import Call, Entrance, Link, System

HERE = Path(__file__).parent
RECIPES = HERE.parents[1] / "fixtures" / "stand_ins"
RUNTIME = Kind("python", "RUNTIME_IMAGE", "python:3.13-slim", "drillbook/python:3.13", RECIPES)


class Listener:
    """Somebody who listens, and owns nothing that could be lost."""

    writes = False

    def read(self, chance: random.Random) -> Call:
        """Ask what is played."""
        return Call("listen", "GET", f"/?seat={chance.randint(1, 9)}")

    def read_well(self, answer: httpx.Response) -> None:
        """Check that there is music. Raises AssertionError."""
        assert answer.is_success, f"listening: HTTP {answer.status_code} {answer.text.strip()}"

    def write(self, key: str, chance: random.Random) -> Call:
        """Never asked for: listeners write nothing."""
        raise NotImplementedError

    def acknowledged(self, answer: httpx.Response) -> str | None:
        """Nothing is promised."""
        return None

    def kept(self, stack: Stack, keys: Iterable[str]) -> set[str]:
        """Nothing is kept."""
        return set()


SYSTEM = System(
    name="jukebox",
    folder=HERE,
    compose_files=("compose.yml",),
    services=("library", "player"),
    customer=Listener(),
    entrances={"users": Entrance("PLAYER_PORT", 4545)},
    links=(Link("library", 7070, "default"),),
    images=(RUNTIME, TOXIPROXY),
    processes_of=("player",),
    runbook=HERE / "runbook.md",
    scenarios=HERE / "scenarios",
)
