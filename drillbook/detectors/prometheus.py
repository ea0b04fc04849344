"""What Prometheus' answers say: of its targets, and of a query over the last seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drillbook.detectors import Detector


@dataclass(frozen=True)
class Target:
    """One target as Prometheus has it."""

    job: str
    instance: str
    address: str
    health: str
    error: str

    def __str__(self) -> str:
        told = f"{self.job} ({self.address}) is {self.health.upper()}"
        return f"{told}: {self.error}" if self.error else told


@dataclass(frozen=True)
class Curve:
    """What a query gave over the last seconds: the times (Unix) at which each series has a value.

    A panel draws its curve from this.
    """

    query: str
    seconds: float
    series: Sequence[Sequence[float]]


def target_of(found: Mapping[str, Any]) -> Target:
    """One of ``activeTargets`` of ``/api/v1/targets``."""
    labels = found["labels"]
    address = str(found["discoveredLabels"].get("__address__", labels["instance"]))
    return Target(labels["job"], labels["instance"], address, found["health"], found["lastError"])


def times_of(result: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """The times of each series in the ``result`` of ``/api/v1/query_range``."""
    return [[float(at) for at, _ in series["values"]] for series in result]


def target(health: str, *, address: str = "", error: str = "") -> Detector[Sequence[Target]]:
    """A target has a health (``up``, ``down``), and an error that matches.

    Without an address, any target with that health will do; with one, all at that address must
    have it.
    """

    def judge(found: Sequence[Target]) -> str:
        mine = [one for one in found if not address or one.address == address]
        assert mine, f"no target {address} among {', '.join(one.address for one in found)}"
        there = [one for one in mine if one.health == health and re.search(error, one.error)]
        enough = len(there) == len(mine) if address else bool(there)
        wanted = f" (not /{error}/)" if error else ""
        assert enough, f"{_counted(mine, address)}{wanted}"
        return "; ".join(map(str, there))

    return Detector(f"{address or 'a target'} is {health.upper()}", judge)


def no_data() -> Detector[Curve]:
    """A query gives no value over the last seconds: a panel says "No data", a curve has a gap."""

    def judge(curve: Curve) -> str:
        told = f"{curve.query}: {len(curve.series)} series over the last {curve.seconds:g} s"
        newest = max((times[-1] for times in curve.series if times), default=None)
        assert newest is None, f"{told}, the newest sample {time.time() - (newest or 0):.1f} s old"
        return f"{told}: no data"

    return Detector("the query gives no data", judge)


def _counted(mine: Sequence[Target], address: str) -> str:
    if address or len(mine) < 2:
        return "; ".join(map(str, mine))
    up = sum(one.health == "up" for one in mine)
    return f"{up} of {len(mine)} targets are UP"
