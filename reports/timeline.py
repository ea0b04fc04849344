"""A drill drawn over time: its phases, and the latency and failures that its users saw.

Positions are percentages of the drawing's width and height, so that it scales without its text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.run import Drill
from reports.text import millis, seconds

LEAST_TOP_MS = 100.0
MOST_TICKS = 5


@dataclass(frozen=True)
class Segment:
    """A stretch of the drill spent in one phase."""

    phase: str
    left: float
    width: float
    took: str


@dataclass(frozen=True)
class Mark:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Every request of the drill as a dot: when it was sent, how long it took, whether it failed.

    ``served`` and ``failed`` are SVG path data in a box of 1000 by 100; the vertical axis is
    logarithmic.
    """

    served: str
    failed: str
    levels: tuple[Mark, ...]


@dataclass(frozen=True)
class Timeline:
    """Everything drawn for one drill."""

    segments: tuple[Segment, ...]
    spent: tuple[tuple[str, str], ...]
    """Each phase and the time spent in it, in the order of the drill."""
    ticks: tuple[Mark, ...]
    broken: tuple[float, float] | None
    """Where the fault began, and how wide the stretch is until it was healed."""
    chart: Chart | None


def draw(drill: Drill) -> Timeline | None:
    """The timeline of a drill; None for one that was over before it began."""
    if drill.took_s <= 0:
        return None
    stretches = _stretches(drill)
    spent: dict[str, float] = {}
    for phase, began_s, ended_s in stretches:
        spent[phase] = spent.get(phase, 0.0) + ended_s - began_s
    segments = tuple(
        Segment(
            phase,
            _share(drill, began_s),
            100 * (ended_s - began_s) / drill.took_s,
            seconds(ended_s - began_s),
        )
        for phase, began_s, ended_s in stretches
    )
    told = tuple((phase, seconds(took_s)) for phase, took_s in spent.items())
    return Timeline(segments, told, _ticks(drill.took_s), _broken(drill), _chart(drill))


def _stretches(drill: Drill) -> list[tuple[str, float, float]]:
    """(phase, from, to) in seconds of the run; what follows in the same phase is joined."""
    entered = [(str(e["phase"]), float(e["t_s"])) for e in drill.of("PhaseEntered")]
    end_s = drill.began_s + drill.took_s
    joined: list[tuple[str, float, float]] = []
    for at, (phase, began_s) in enumerate(entered):
        ended_s = entered[at + 1][1] if at + 1 < len(entered) else max(end_s, began_s)
        if joined and joined[-1][0] == phase:
            joined[-1] = (phase, joined[-1][1], ended_s)
        else:
            joined.append((phase, began_s, ended_s))
    return joined


def _broken(drill: Drill) -> tuple[float, float] | None:
    faults = [e for e in drill.of("PhaseEntered") if e["phase"] == "fault"]
    if not faults:
        return None
    healed = drill.of("Recovered")
    left = _share(drill, float(faults[0]["t_s"]))
    right = _share(drill, float(healed[-1]["t_s"])) if healed else 100.0
    return left, max(0.0, right - left)


def _chart(drill: Drill) -> Chart | None:
    samples = (drill.witness or {}).get("samples")
    if not samples:
        return None
    top_ms = max(LEAST_TOP_MS, *(float(took_ms) for _, took_ms, _ in samples))
    decades = math.ceil(math.log10(top_ms))
    levels = tuple(
        Mark(100 - 100 * power / decades, millis(10.0**power)) for power in range(decades + 1)
    )
    served = [(at, ms) for at, ms, failed in samples if not failed]
    lost = [(at, ms) for at, ms, failed in samples if failed]
    return Chart(_dots(drill, served, decades), _dots(drill, lost, decades), levels)


def _dots(drill: Drill, samples: Sequence[tuple[float, float]], decades: int) -> str:
    """A path of no length for each: with round line ends, a dot that no scaling distorts."""
    dots = []
    for sent_s, took_ms in samples:
        x = 10 * min(100.0, max(0.0, _share(drill, float(sent_s))))
        y = 100 - 100 * math.log10(max(float(took_ms), 1.0)) / decades
        dots.append(f"M{x:.1f} {y:.1f}h0")
    return "".join(dots)


def _ticks(took_s: float) -> tuple[Mark, ...]:
    """Round moments along the time axis, from 0."""
    rough = took_s / MOST_TICKS
    power = math.floor(math.log10(rough))
    step = min(f * 10.0**power for f in (1, 2, 5, 10) if f * 10.0**power >= rough)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    count = int(took_s / step)
    return tuple(
        Mark(100 * number * step / took_s, f"{number * step:.{digits}f} s")
        for number in range(count + 1)
    )


def _share(drill: Drill, moment_s: float) -> float:
    return 100 * (moment_s - drill.began_s) / drill.took_s
