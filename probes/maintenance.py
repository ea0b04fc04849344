"""Whether nobody is to be called now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from probes.target import DAYS, Maintenance


def reason(windows: Iterable[Maintenance], now: float) -> str:
    """Why there is maintenance at a time (Unix seconds); empty where there is none."""
    moment = datetime.fromtimestamp(now, UTC)
    return next((one.reason for one in windows if _within(one, moment)), "")


def _within(window: Maintenance, moment: datetime) -> bool:
    if window.begins is not None and window.ends is not None:
        return window.begins <= moment < window.ends
    assert window.at is not None
    assert window.until is not None
    local = moment.astimezone(ZoneInfo(window.zone))
    time = local.time()
    overnight = window.until <= window.at
    if not overnight:
        return DAYS[local.weekday()] in window.days and window.at <= time < window.until
    day = local if time >= window.at else local - timedelta(days=1)
    return DAYS[day.weekday()] in window.days and (time >= window.at or time < window.until)
