"""What the engine's listing says of a service's containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drillbook.detectors import Detector


@dataclass(frozen=True)
class Listed:
    """A container as ``docker ps -a`` lists it."""

    state: str
    """In a word: ``running``, ``exited``, ``restarting`` …"""
    status: str
    """In words: ``Exited (137) 3 seconds ago``."""


AWAY = frozenset(("created", "dead", "exited", "removing", "restarting"))


def not_running(*services: str) -> Detector[Mapping[str, Listed]]:
    """A service's container is exited or restarting, or not listed. Paused is another thing."""

    def judge(listing: Mapping[str, Listed]) -> str:
        away = {
            name: listing[name].status if name in listing else "not there"
            for name in services
            if name not in listing or listing[name].state in AWAY
        }
        assert away, f"{', '.join(services)}: running"
        return "; ".join(f"{name} is listed as {status}" for name, status in away.items())

    return Detector(f"{', '.join(services)} does not run", judge)
