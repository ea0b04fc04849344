"""Finding the knee: the highest rate at which the objectives still hold.

The rate goes up by a half until the objectives break, and then the gap between the last rate
that held and the first that broke is halved until it is small. A rate has broken when it broke
twice in a row: one hiccup of the machine is not the service's limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

GROWTH = 1.5
GAP = 0.04
"""The search is over when the rate that held and the one that broke differ by this share."""


@dataclass(frozen=True)
class Step:
    """One rate that was tried."""

    users: int
    held: bool
    why: str = ""


@dataclass
class Search:
    """The search itself: ``users`` is what to try next; ``tell`` how that went."""

    start: int
    limit: int
    users: int = 0
    steps: list[Step] = field(default_factory=list)
    _held: int = 0
    _broke: int | None = None
    _doubted: bool = False
    over: bool = False

    def __post_init__(self) -> None:
        self.users = self.start

    def tell(self, *, held: bool, why: str = "") -> None:
        """How the step at ``users`` went; sets the next one, or ``over``."""
        self.steps.append(Step(self.users, held, why))
        if held:
            self._held = max(self._held, self.users)
        elif not self._doubted:
            self._doubted = True
            return  # once more at the same rate
        else:
            self._broke = self.users if self._broke is None else min(self._broke, self.users)
        self._doubted = False
        self._choose()

    @property
    def knee(self) -> int | None:
        """The last number of users that held; None where not even the first did."""
        return self._held or None

    @property
    def found(self) -> bool:
        """Whether the objectives were seen to break: else the knee is higher than was tried."""
        return self._broke is not None

    def _choose(self) -> None:
        if self._broke is None:
            self.over = self.users >= self.limit
            self.users = min(self.limit, max(self.users + 1, round(self.users * GROWTH)))
            return
        gap = self._broke - self._held
        self.over = gap <= max(1, GAP * self._broke)
        self.users = self._held + gap // 2
