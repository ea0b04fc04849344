"""Finding the knee: the rate up to which the objectives hold more often than they break.

Near its limit a service does not break at one rate for good: a machine that is a little slower for
some seconds moves the limit with it, and a single step that held or broke there says little. So
the search is a staircase, as psychophysics has them for thresholds (H. Levitt, "Transformed
up-down methods in psychoacoustics", 1971): the rate goes up until the objectives break; from then
on a step that holds is followed by a higher rate and one that breaks by a lower one, so that the
search climbs up and down around the rate at which either is as likely. Their mean is the knee.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

GROWTH = 1.5
"""Between two rates on the way up, until the objectives first break."""
COARSE, FINE = 1.12, 1.05
"""Between two rates of the staircase: until it first turns, and from then on."""
STEPS = 24
"""How many fine steps make a knee."""


@dataclass(frozen=True)
class Step:
    """One rate that was tried; ``counts`` says that it is one of those whose mean is the knee."""

    users: int
    held: bool
    counts: bool


@dataclass
class Search:
    """The search itself: ``users`` is what to try next; ``tell`` how that went."""

    start: int
    limit: int
    steps: list[Step] = field(default_factory=list)
    over: bool = False
    _level: float = 0.0
    _growing: bool = True
    _factor: float = COARSE

    def __post_init__(self) -> None:
        self._level = float(min(self.start, self.limit))

    @property
    def users(self) -> int:
        """How many users to try next."""
        return max(1, round(self._level))

    def tell(self, *, held: bool) -> Step:
        """How the step at ``users`` went; sets the next one, or ``over``. Returns the step."""
        turned = bool(self.steps) and self.steps[-1].held != held
        if not self._growing and turned:
            self._factor = FINE
        step = Step(self.users, held, not self._growing and self._factor == FINE)
        self.steps.append(step)
        if self._growing:
            self._grow(held=held, turned=turned)
        else:
            self._move(self._factor if held else 1 / self._factor)
        self.over = self.over or sum(one.counts for one in self.steps) >= STEPS
        return step

    def _grow(self, *, held: bool, turned: bool) -> None:
        at_the_end = self.users == (self.limit if held else 1)
        if turned:
            self._growing = False
            self._move(math.sqrt(GROWTH) if held else 1 / math.sqrt(GROWTH))
        elif at_the_end:
            self.over = True
        else:
            self._move(GROWTH if held else 1 / GROWTH)

    def _move(self, factor: float) -> None:
        self._level = min(float(self.limit), max(1.0, self._level * factor))


def estimate(steps: Iterable[Step]) -> float | None:
    """The knee of a search, in users: the geometric mean of the steps that count.

    Where nothing ever broke, the highest that was tried; None where nothing held, and for a search
    that was cut short after something broke.
    """
    told = list(steps)
    fine = [one.users for one in told if one.counts]
    if len(fine) >= STEPS:
        return math.exp(math.fsum(math.log(one) for one in fine) / len(fine))
    if all(one.held for one in told):
        return max((float(one.users) for one in told), default=None)
    return None
