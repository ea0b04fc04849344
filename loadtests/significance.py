"""Whether one version is slower than another: an exact permutation test.

Each round of each version gives one figure. If the versions did not differ, any way of dealing
the rounds' figures to them would be as likely as the one that was seen; the p value is the share
of all ways that set the two at least as far apart. Nothing is assumed about how latencies are
distributed. Several endpoints are tested at once, so the p values are corrected by Holm's method.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

SIGNIFICANT = 0.05
LEAST_EFFECT = 0.10
"""A difference below this share is none that anyone would act on, however sure it is."""


@dataclass(frozen=True)
class Comparison:
    """One figure of two versions, round by round."""

    what: str
    before: tuple[float, ...]
    after: tuple[float, ...]
    p: float
    """Corrected for how many comparisons were made."""
    higher_is_worse: bool = True

    @property
    def was(self) -> float:
        """The median of the rounds before."""
        return statistics.median(self.before)

    @property
    def now(self) -> float:
        """The median of the rounds after."""
        return statistics.median(self.after)

    @property
    def effect(self) -> float:
        """How much more it is now, as a share of what it was."""
        return self.now / self.was - 1 if self.was else math.inf

    @property
    def word(self) -> str:
        """``regression``, ``improvement`` or ``no difference shown``."""
        if self.p > SIGNIFICANT or abs(self.effect) < LEAST_EFFECT:
            return "no difference shown"
        return "regression" if (self.effect > 0) == self.higher_is_worse else "improvement"

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.was:.1f} -> {self.now:.1f} ({self.effect:+.0%}), "
            f"p = {self.p:.3f}: {self.word}"
        )


def permutation_p(before: Sequence[float], after: Sequence[float]) -> float:
    """The exact two-sided p value for the difference of two groups' means."""
    values = [*before, *after]
    total = math.fsum(values)
    seen = abs(math.fsum(after) / len(after) - math.fsum(before) / len(before))
    as_far = ways = 0
    for chosen in combinations(values, len(after)):
        mine = math.fsum(chosen)
        apart = abs(mine / len(after) - (total - mine) / len(before))
        as_far += apart >= seen * (1 - 1e-12)
        ways += 1
    return as_far / ways


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's correction: each p value as if it were the only one, in the order given."""
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    corrected = [0.0] * len(ps)
    highest = 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, ps[at] * (len(ps) - rank)))
        corrected[at] = highest
    return corrected


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons, their p values corrected for how many there are."""
    ps = holm([one.p for one in comparisons])
    return [replace(one, p=p) for one, p in zip(comparisons, ps, strict=True)]


def rounds_needed(comparisons: int) -> int:
    """How many rounds of each version it takes for any difference at all to be significant."""
    rounds = 2
    while comparisons * 2 / math.comb(2 * rounds, rounds) > SIGNIFICANT:
        rounds += 1
    return rounds
