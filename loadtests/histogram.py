"""Latencies counted in buckets that each are 2 % wider than the one before.

So a percentile is at most 1 % off, the counts of several processes simply add up, and a day of
requests takes no more room than a minute of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LEAST_MS = 0.05
GROWTH = 1.02
_STEP = math.log(GROWTH)


def bucket(took_ms: float) -> int:
    """The number of the bucket for a latency; whatever is below the least goes into the first."""
    return 0 if took_ms <= LEAST_MS else math.ceil(math.log(took_ms / LEAST_MS) / _STEP)


def middle_ms(number: int) -> float:
    """What a latency in this bucket is taken for."""
    return LEAST_MS * math.pow(GROWTH, max(number - 0.5, 0.0))


@dataclass
class Histogram:
    """How many latencies fell into each bucket."""

    counts: dict[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, counts: Mapping[str, int]) -> Histogram:
        """From JSON, whose keys are text."""
        return cls({int(number): count for number, count in counts.items()})

    @classmethod
    def of(cls, parts: Iterable[Histogram]) -> Histogram:
        """All of them added up."""
        whole = cls()
        for part in parts:
            whole.merge(part)
        return whole

    def add(self, took_ms: float) -> None:
        """Count one latency."""
        number = bucket(took_ms)
        self.counts[number] = self.counts.get(number, 0) + 1

    def merge(self, other: Histogram) -> None:
        """Count all that another has counted."""
        for number, count in other.counts.items():
            self.counts[number] = self.counts.get(number, 0) + count

    @property
    def total(self) -> int:
        """How many latencies were counted."""
        return sum(self.counts.values())

    def quantile_ms(self, share: float) -> float | None:
        """The latency that this share of requests did not exceed; None where there were none."""
        rank = max(1, math.ceil(share * self.total))
        passed = 0
        for number in sorted(self.counts):
            passed += self.counts[number]
            if passed >= rank:
                return middle_ms(number)
        return None

    def above(self, limit_ms: float) -> int:
        """How many took longer than a limit."""
        return sum(count for number, count in self.counts.items() if middle_ms(number) > limit_ms)
