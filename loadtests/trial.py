"""The search for the knee as it runs: each step is a rate held for some seconds, then judged.

A step's first second is left out, while connections are made; and between two steps there is a
pause with a single user, in which whatever queued up at the one is worked off before the other.
"""

from __future__ import annotations

from loadtests.knee import Search
from loadtests.measures import ALL, Measured
from loadtests.objectives import Objectives, Verdict
from loadtests.stream import Counted, Tried

SETTLE_S = 1
ANSWERS_S = 2
"""Answers are waited for so long after a step; what is not answered by then was not served."""
TOLD = 2
REST_S = 6
"""After a step that broke, so that what queued up in it does not burden the next."""


class Trial:
    """Says how many users there should be at each moment; judges each step when it is over."""

    def __init__(
        self, search: Search, objectives: Objectives, pace_per_s: float, step_s: float
    ) -> None:
        self._search = search
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
            self._rest_until_s = now_s if self._judge(now_s) else now_s + REST_S
        if self._search.over:
            return None
        if now_s < self._rest_until_s:
            return 1
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

    def _begin(self, now_s: float) -> None:
        self._began_s, self._rest_until_s = now_s, None
        self._measured.clear()

    def _judge(self, now_s: float) -> bool:
        measured = self._window()
        # an endpoint that so few requests did not reach says nothing; silence of all does
        verdicts = [
            one
            for one in self._objectives.judge(measured)
            if one.got is not None or one.objective.endpoint == ALL
        ]
        missed = [one for one in verdicts if not one.held]
        whole = measured[ALL]
        users = self._search.users
        why = _told(missed)
        self._search.tell(held=not missed, why=why)
        self._tried.append(
            Tried(
                now_s,
                users,
                users * self._pace_per_s,
                round(whole.served_per_s, 2),
                whole.p_ms(99),
                not missed,
                why,
            )
        )
        return not missed

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
