"""How the load changes over time: how many users there should be at each moment of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

UsersAt = Callable[[float], float]
"""Progress through the run, 0 to 1 -> the share of all users there should be."""


@dataclass(frozen=True)
class Shape:
    """A course of the load. A run that is told to hold stays at the last level until stopped."""

    name: str
    what: str
    duration_s: float
    share_at: UsersAt

    def users(self, elapsed_s: float, duration_s: float, users: int) -> int:
        """How many users there should be after some seconds; never none."""
        progress = min(1.0, max(0.0, elapsed_s / duration_s))
        return max(1, round(users * self.share_at(progress)))


def _ramp(progress: float) -> float:
    return min(1.0, 0.1 + progress / 0.8 * 0.9)


def _spike(progress: float) -> float:
    return 1.0 if 0.4 <= progress < 0.6 else 0.25


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("steady", "the same all the time", 30, lambda _: 1.0),
        Shape("ramp", "from a tenth to all of it, which then stays for a while", 60, _ramp),
        Shape("spike", "a quarter, all of it at once, a quarter again", 60, _spike),
        Shape("soak", "the same for long, to see what grows or wears", 600, lambda _: 1.0),
    )
}
KNEE = "knee"
"""Not a course but a search: see ``loadtests.knee``."""
NAMES = (*SHAPES, KNEE)
