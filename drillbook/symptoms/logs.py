"""What a service wrote, since the stack's mark (a drill sets it when it breaks or mends)."""

from __future__ import annotations

import re

from drillbook.looking import Look
from drillbook.platforms import Workload

SHOWN = 300
WHOLE = 1.0  # the engine takes no 0


def mention(service: Workload, pattern: str, *, since: float | None = None) -> Look:
    """Some line of the service's log matches a pattern (case does not matter).

    ``since`` is a Unix time, by default the stack's mark; WHOLE is since the container was made.
    """
    wanted = re.compile(pattern, re.IGNORECASE)

    def look() -> str:
        lines = service.log_lines(since)
        for line in lines:
            found = wanted.search(line)
            if found:
                return _around(line, found.start())
        last = lines[-1][:SHOWN] if lines else "nothing"
        raise AssertionError(f"{len(lines)} lines, none matches; the last: {last}")

    return Look(f"{service.name}'s log mentions /{pattern}/", look)


def first_error(service: Workload, pattern: str) -> Look:
    """The first line of a service's log that speaks of an error matches a pattern."""
    error = re.compile(r"error|exception|fatal|critical|invalid|failed", re.IGNORECASE)

    def look() -> str:
        lines = service.log_lines()
        first = next((line for line in lines if error.search(line)), None)
        assert first is not None, f"{len(lines)} lines, none speaks of an error"
        assert re.search(pattern, first, re.IGNORECASE), f"the first error: {first[:SHOWN]}"
        return first[:SHOWN]

    return Look(f"the first error in {service.name}'s log matches /{pattern}/", look)


def _around(line: str, position: int) -> str:
    if len(line) <= SHOWN:
        return line
    start = max(0, position - SHOWN // 3)
    return f"…{line[start : start + SHOWN]}…"
