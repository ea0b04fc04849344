"""A run's figures as a table for the terminal."""

from __future__ import annotations

from loadtests.page import NAMES
from loadtests.results import Result
from reports.text import millis

HEADINGS = ("endpoint", "asked/s", "served/s", "answered", "failed", "p50", "p95", "p99")


def table(result: Result) -> str:
    """One line an endpoint, over the seconds that count."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    for name, one in result.measured().items():
        asked = f"{one.asked_per_s:.1f}" if one.asked else "-"
        latency = (millis(one.p_ms(percent)) for percent in (50, 95, 99))
        figures = (asked, f"{one.served_per_s:.1f}", str(one.answered), str(one.failed), *latency)
        rows.append((NAMES.get(name, name), *figures))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = (
        "  ".join(
            word.rjust(width) if column else word.ljust(width)
            for column, (word, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    share = f"the generator took {result.generator_share:.0%} of {result.cpus} processors"
    counted = f"{len(result.judged)} of {len(result.seconds)} s count"
    return "\n".join([*lines, f"{counted}; {share}", *filter(None, [result.drift])])
