"""The error budget: what a month may lack, and how much of that a stretch of trouble took.

An objective of 99.9 % over 30 days leaves 43 minutes in which nothing is served, or any mixture
that comes to the same: a fault that fails half of all requests spends them at half the speed. A
request spends budget when it fails or takes longer than ``slow_ms``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.measures import Measured
from loadtests.objectives import Budget


@dataclass(frozen=True)
class Spent:
    """What a stretch of seconds cost."""

    bad: int
    of: int
    outage_s: float
    """The same in seconds of nothing being served."""
    budget: Budget

    @property
    def share(self) -> float:
        """Of the whole budget."""
        return self.outage_s / self.budget.outage_s

    def __str__(self) -> str:
        return (
            f"{self.bad} of {self.of} requests failed or took over {self.budget.slow_ms:.0f} "
            f"ms, as much as {self.outage_s:.1f} s of outage: {100 * self.share:.2g} % of the "
            f"budget that {100 * self.budget.availability:.4g} % leaves in {self.budget.days:g} "
            "days"
        )


def spent(series: Sequence[Measured], budget: Budget) -> Spent:
    """What some seconds cost, each weighed by the requests that were due in it."""
    bad, total, outage_s = 0, 0, 0.0
    for one in series:
        if one.answered:
            spoilt = one.failed + one.fine.above(budget.slow_ms)
            bad += spoilt
            total += one.answered
            outage_s += one.seconds * spoilt / one.answered
    return Spent(bad, total, outage_s, budget)
