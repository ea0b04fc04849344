"""The search for the knee as it runs: each step is a rate held for some seconds, then judged.

A step's first second is left out, while connections are made; and between two steps there is a
pause with a single user, in which whatever queued up at the one is worked off before the other.
Several searches take turns, a step each, so that whatever else the machine does happens to all.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.knee import Search
from loadtests.measures import ALL, Measured
from loadtests.objectives import Objectives, Verdict
from loadtests.stream import Counted, Tried

SETTLE_S = 1
ANSWERS_S = 2
"""Answers are waited for so long after a step; what is not answered by then was not served."""
TOLD = 2
REST_S = (2.0, 10.0)
"""After a step that broke, at least and at most: twice the time its slowest requests took, so that
what queued up in it does not burden the next."""


class Trial:
    """Says how many users there should be at each moment; judges each step when it is over."""

    def __init__(
        self, searches: Sequence[Search], objectives: Objectives, pace_per_s: float, step_s: float
    ) -> None:
        self._searches = searches
        self._turn = 0
        self._objectives = objectives
        self._pace_per_s = pace_per_s
        self._step_s = step_s
        self._began_s: float | None = None
        self._rest_until_s: float | None = None
        self._measured: dict[tuple[int, str], Measured] = {}
        self._tried: list[Tried] = []

    def users(self, now_s: float) -> int | None:
        """How many users there should be now; None when the search is over."""
        if self._began_s is None:
            self._begin(now_s)
        assert self._began_s is not None
        into_s = now_s - self._began_s
        if into_s < self._step_s:
            return self._search.users
        if into_s < self._step_s + ANSWERS_S:
            return 1
        if self._rest_until_s is None:
            self._rest_until_s = now_s + self._judge(now_s)
        if now_s < self._rest_until_s:
            return 1
        if all(one.over for one in self._searches):
            return None
        self._next_turn()
        self._begin(now_s)
        return self._search.users

    def count(self, row: Counted) -> None:
        """Take in what was counted."""
        for name in (row.name, ALL):
            self._measured.setdefault((row.second, name), Measured()).add(row)

    def take_tried(self) -> list[Tried]:
        """The steps judged since the last time."""
        taken, self._tried = self._tried, []
        return taken

    @property
    def _search(self) -> Search:
        return self._searches[self._turn]

    def _next_turn(self) -> None:
        """Turn to the next search that is not over; there is one."""
        self._turn = (self._turn + 1) % len(self._searches)
        while self._search.over:
            self._turn = (self._turn + 1) % len(self._searches)

    def _begin(self, now_s: float) -> None:
        self._began_s, self._rest_until_s = now_s, None
        self._measured.clear()

    def _judge(self, now_s: float) -> float:
        """Judge the step that is over; how many seconds to rest after it."""
        measured = self._window()
        # an endpoint that so few requests did not reach says nothing; silence of all does
        verdicts = [
            one
            for one in self._objectives.judge(measured)
            if one.got is not None or one.objective.endpoint == ALL
        ]
        missed = [one for one in verdicts if not one.held]
        whole = measured[ALL]
        step = self._search.tell(held=not missed)
        self._tried.append(
            Tried(
                now_s,
                step.users,
                step.users * self._pace_per_s,
                round(whole.served_per_s, 2),
                whole.p_ms(99),
                step.held,
                _told(missed),
                self._turn,
                step.counts,
            )
        )
        if step.held:
            return 0.0
        least_s, most_s = REST_S
        slowest_ms = whole.p_ms(99)
        return most_s if slowest_ms is None else min(most_s, max(least_s, slowest_ms / 500))

    def _window(self) -> dict[str, Measured]:
        """What was due in the whole seconds of the step, its first left out."""
        assert self._began_s is not None
        first = int(self._began_s) + 1 + SETTLE_S
        last = int(self._began_s + self._step_s) - 1
        seconds = last - first + 1
        asked = self._search.users * self._pace_per_s * seconds
        window = {ALL: Measured(seconds, asked)}
        for (second, name), part in self._measured.items():
            if first <= second <= last:
                window.setdefault(name, Measured(seconds)).merge(part)
        return window


def _told(missed: list[Verdict]) -> str:
    """What broke, the first two in full."""
    told = "; ".join(one.told for one in missed[:TOLD])
    return f"{told}; and {len(missed) - TOLD} more" if len(missed) > TOLD else told
