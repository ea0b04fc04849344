"""Timing contenders fairly: they alternate, each begins from the same settled state, one warm-up.

A machine's speed drifts within minutes. A ratio is therefore only stated between series that were
taken in one run, a round of each in turn, and the load of the machine is stated beside it.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Taken = Mapping[str, float]
"""What one round of a contender took, in seconds, by the name of the series it belongs to."""


@dataclass
class Series:
    """Rounds of one contender, in seconds."""

    name: str
    took_s: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """The median of its rounds. Raises statistics.StatisticsError where there are none."""
        return statistics.median(self.took_s)

    def __str__(self) -> str:
        low, high = min(self.took_s), max(self.took_s)
        return f"{self.name:<42} {self.median_s:7.3f} s   ({low:.3f} to {high:.3f})"


@dataclass(frozen=True)
class Goal:
    """A bound on the ratio of two series' medians."""

    numerator: str
    denominator: str
    below: float


def alternate(
    contenders: Sequence[Callable[[], Taken]],
    rounds: int,
    *,
    settle: Callable[[], None],
    say: Callable[[str], None],
) -> dict[str, Series]:
    """Run each contender in turn, ``rounds`` times and once more before, which is not counted."""
    found: dict[str, Series] = {}
    for number in range(rounds + 1):
        for contender in contenders:
            settle()
            taken = contender()
            told = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in taken.items())
            say(f"  {f'round {number}' if number else 'warm-up':<9} {told}")
            if number:
                for name, seconds in taken.items():
                    found.setdefault(name, Series(name)).took_s.append(seconds)
    return found


def compare(found: Mapping[str, Series], goals: Sequence[Goal]) -> tuple[str, bool]:
    """Medians, ratios and whether every goal is met, as text; and whether every one is."""
    lines = [str(series) for series in found.values()]
    met = True
    for goal in goals:
        ratio = found[goal.numerator].median_s / found[goal.denominator].median_s
        ok = ratio <= goal.below
        met = met and ok
        mark = "met" if ok else "missed"
        lines.append(
            f"{goal.numerator} / {goal.denominator} = {ratio:.2f}   "
            f"(goal: at most {goal.below:g}; {mark})"
        )
    return "\n".join(lines), met


def machine() -> str:
    """The machine and how busy it is: figures mean little without."""
    load = os.getloadavg()
    return f"{os.cpu_count()} CPUs, load {load[0]:.1f} (1 min) {load[1]:.1f} (5 min)"
