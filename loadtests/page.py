"""A load run as one self-contained page: its verdict, its objectives, and plots over time.

Made by Jinja with escaping always on; a Content Security Policy says that nothing in it may load
or run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from loadtests.budget import Spent
from loadtests.measures import ALL, Measured
from loadtests.objectives import Verdict
from loadtests.plot import Plot, over_time
from loadtests.results import Result
from reports.text import millis

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
NAMES = {ALL: "all requests", "order_status": "order status"}


@dataclass(frozen=True)
class Section:
    """One endpoint's drawings."""

    name: str
    plots: tuple[Plot, ...]


TEMPLATES.filters["millis"] = millis
TEMPLATES.filters["named"] = lambda name: NAMES.get(name, name)


def plots(
    series: Sequence[Measured],
    marks: Sequence[tuple[float, str, str]] = (),
    shade: tuple[float, float] | None = None,
) -> tuple[Plot, ...]:
    """Latency, rate, and errors where there are any, a value a second each."""
    latency = over_time(
        "latency",
        "ms",
        [(f"p{p}", f"p{p}", [one.p_ms(p) for one in series]) for p in (50, 95, 99)],
        logarithmic=True,
        marks=marks,
        shade=shade,
    )
    rate = over_time(
        "rate",
        "requests/s",
        [
            ("asked", "asked", [one.asked for one in series]),
            ("served", "served", [float(one.served) for one in series]),
            ("failed", "failed", [float(one.failed) if one.failed else None for one in series]),
        ],
        marks=marks,
        shade=shade,
    )
    return latency, rate


def render(result: Result, verdicts: Sequence[Verdict], cost: Spent) -> str:
    """The page, as text."""
    shade = (0.0, float(result.judged.start - result.first)) if result.judged else None
    names = (ALL, *result.endpoints)
    measured = result.measured()
    return TEMPLATES.get_template("load.html").render(
        headline=_headline(result, verdicts),
        when=_when(result.started.at),
        run=result.started,
        seconds=len(result.seconds),
        warm_up=len(result.seconds) - len(result.judged),
        verdicts=verdicts,
        missed=[one for one in verdicts if not one.held],
        measured=[(name, measured[name]) for name in names],
        sections=[Section(name, plots(result.by_second(name), (), shade)) for name in names],
        knee=_knees(result),
        tried=result.tried,
        losses=result.losses,
        warnings=result.warnings,
        drift=result.drift,
        cost=cost,
        generator=f"{result.generator_share:.0%} of {result.cpus} processors",
        errors=measured[ALL].errors.most_common(12),
    )


def _headline(result: Result, verdicts: Sequence[Verdict]) -> str:
    missed = sum(not one.held for one in verdicts)
    if result.losses:
        return "A worker was lost: the figures are of what remained"
    if result.tried:
        knees = _knees(result)
        if not knees:
            return "No knee: no rate held the objectives, or the search did not end"
        return f"The objectives hold up to {knees} requests/s"
    if missed:
        verb = "was" if missed == 1 else "were"
        return f"{missed} of {len(verdicts)} objectives {verb} missed"
    return f"All {len(verdicts)} objectives held"


def _knees(result: Result) -> str:
    """The knees that were found, for a sentence; empty where there is none."""
    return " and ".join(f"{one:.0f}" for one in result.knees if one is not None)


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
