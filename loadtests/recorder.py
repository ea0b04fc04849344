"""Counts what the generator's users saw, by the second in which each request was due.

Knows nothing of Locust: the locustfile feeds one in every process, and the master adds up what
its workers hand over.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from loadtests.histogram import Histogram
from loadtests.stream import Counted, numbered

_LONGEST_ERROR = 120
_MOST_ERRORS = 20
"""Kinds of errors told apart in a second; a service that breaks can be inventive."""


@dataclass
class _Cell:
    served: Histogram = field(default_factory=Histogram)
    failed: Histogram = field(default_factory=Histogram)
    late: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)


class Recorder:
    """Counts since it was last asked. One process' greenlets share it."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, str], _Cell] = {}
        self._cpu_s = time.process_time()

    def note(
        self, name: str, due_s: float, took_ms: float, *, late_ms: float = 0.0, error: str = ""
    ) -> None:
        """Count one answered request: due when (Unix time), answered how long after that."""
        cell = self._cells.setdefault((int(due_s), name), _Cell())
        (cell.failed if error else cell.served).add(took_ms)
        cell.late.add(late_ms)
        if error:
            kind = error[:_LONGEST_ERROR]
            known = kind in cell.errors or len(cell.errors) < _MOST_ERRORS
            cell.errors[kind if known else "other errors"] += 1

    def take(self) -> list[Counted]:
        """All that was counted since the last time, in no order."""
        taken, self._cells = self._cells, {}
        return [
            Counted(
                second,
                name,
                cell.served.counts,
                cell.failed.counts,
                dict(cell.errors),
                cell.late.counts,
            )
            for (second, name), cell in taken.items()
        ]

    def take_cpu_s(self) -> float:
        """Processor time of this process since the last time."""
        now_s = time.process_time()
        used_s, self._cpu_s = now_s - self._cpu_s, now_s
        return used_s


def packed(rows: list[Counted]) -> list[dict[str, Any]]:
    """Rows as a worker sends them to its master."""
    return [dict(vars(row)) for row in rows]


def unpacked(rows: list[dict[str, Any]]) -> list[Counted]:
    """What ``packed`` made, at the other end, where numbers in keys have become text."""
    return [numbered(row) for row in rows]
