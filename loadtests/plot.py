"""Lines over time, as SVG that scales and takes its colours from the page's style sheet.

Positions are in a box of 1000 by 100, stretched to whatever room there is; the words beside it
are HTML, so that they are not stretched with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000.0, 100.0
MOST_TICKS = 6
MOST_LEVELS = 4

Values = Sequence[float | None]


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, in percent of its length."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A series: its name, its class in the style sheet, and SVG path data."""

    name: str
    look: str
    path: str


@dataclass(frozen=True)
class Mark:
    """A moment that is marked across the drawing, in percent of its width."""

    at: float
    look: str
    label: str


@dataclass(frozen=True)
class Plot:
    """A drawing: its lines, what its axes say, what is marked and shaded."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    levels: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    told: str
    """What it shows, in words, for those who do not see it."""
    marks: tuple[Mark, ...] = ()
    shade: tuple[float, float] | None = None
    """Left edge and width, in percent."""


def over_time(  # noqa: PLR0913 - what makes up a drawing
    title: str,
    unit: str,
    series: Sequence[tuple[str, str, Values]],
    *,
    logarithmic: bool = False,
    marks: Sequence[tuple[float, str, str]] = (),
    shade: tuple[float, float] | None = None,
) -> Plot:
    """Draw series of one value a second: (name, look, values); None is a gap.

    ``marks`` are (second, look, label); ``shade`` is (from, to) in seconds.
    """
    count = max((len(values) for _, _, values in series), default=0)
    known = [value for _, _, values in series for value in values if value is not None]
    scale = _Log.of(known) if logarithmic else _Linear.of(known)
    lines = tuple(Line(name, look, _path(values, count, scale)) for name, look, values in series)
    span_s = max(1, count)
    return Plot(
        title,
        unit,
        lines,
        scale.levels(),
        time_ticks(span_s),
        _in_words(title, unit, series),
        tuple(Mark(100 * at / span_s, look, label) for at, look, label in marks),
        None if shade is None else (100 * shade[0] / span_s, 100 * (shade[1] - shade[0]) / span_s),
    )


def time_ticks(span_s: float) -> tuple[Tick, ...]:
    """Round moments along the time axis, from 0."""
    step = _round_up(span_s / MOST_TICKS)
    count = math.floor(span_s / step + 1e-9)
    minutes = step >= 60
    return tuple(
        Tick(100 * n * step / span_s, f"{n * step / 60:g} min" if minutes else f"{n * step:g} s")
        for n in range(count + 1)
    )


@dataclass(frozen=True)
class _Linear:
    top: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Linear:
        step = _round_up(max(values, default=1.0) / MOST_LEVELS or 0.25)
        return cls(step * math.ceil(max(values, default=1.0) / step - 1e-9) or 1.0)

    def y(self, value: float) -> float:
        return HEIGHT * (1 - value / self.top)

    def levels(self) -> tuple[Tick, ...]:
        step = _round_up(self.top / MOST_LEVELS)
        count = math.floor(self.top / step + 1e-9)
        return tuple(Tick(self.y(n * step), _number(n * step)) for n in range(count + 1))


@dataclass(frozen=True)
class _Log:
    low: int
    high: int

    @classmethod
    def of(cls, values: Sequence[float]) -> _Log:
        positive = [value for value in values if value > 0] or [1.0]
        low = math.floor(math.log10(min(positive)) + 1e-9)
        return cls(low, max(low + 1, math.ceil(math.log10(max(positive)) - 1e-9)))

    def y(self, value: float) -> float:
        decades = self.high - self.low
        return HEIGHT * (1 - (math.log10(max(value, 10.0**self.low)) - self.low) / decades)

    def levels(self) -> tuple[Tick, ...]:
        return tuple(
            Tick(self.y(10.0**power), _number(10.0**power))
            for power in range(self.low, self.high + 1)
        )


def _path(values: Values, count: int, scale: _Linear | _Log) -> str:
    """A line through the middle of each second, with a gap where there is no value."""
    words: list[str] = []
    pen = "M"
    for number, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        words.append(f"{pen}{WIDTH * (number + 0.5) / count:.1f} {scale.y(value):.2f}")
        if pen == "M":
            words.append("h0")  # a lone point is seen too: line ends are round
        pen = "L"
    return "".join(words)


def _in_words(title: str, unit: str, series: Sequence[tuple[str, str, Values]]) -> str:
    told = []
    for name, _, values in series:
        known = [value for value in values if value is not None]
        if known:
            told.append(f"{name} {_number(min(known))} to {_number(max(known))} {unit}")
    return f"{title} over time: " + ("; ".join(told) or "nothing was measured")


def _round_up(rough: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = math.floor(math.log10(rough)) if rough > 0 else 0
    return next(f * 10.0**power for f in (1, 2, 5, 10) if f * 10.0**power >= rough * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
