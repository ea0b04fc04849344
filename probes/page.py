"""The status page: now, 24 hours, 30 days, incidents with the entry to follow, the provenance.

Rendered here and whole without a script.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from drillbook.runbook import spans
from probes.history import SECONDS_A_DAY, SLOT_S, HistoryError, Slot
from probes.states import Outcome, Watched
from probes.watch import Watch

DAYS = 30
HOURS = 24
WORDS: Mapping[str, str] = {
    "up": "up",
    "down": "down",
    "unknown": "unknown",
    "none": "no data",
}
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Bar:
    """A stretch of time of one probe, and how its rounds came out."""

    began: float
    up: int = 0
    down: int = 0
    unknown: int = 0

    @property
    def word(self) -> str:
        """Down where a round was; unknown where none could tell; none where there was none."""
        if self.down:
            return "down"
        if self.up:
            return "up"
        return "unknown" if self.unknown else "none"


def routes(watches: Sequence[Watch], every_s: float) -> list[BaseRoute]:
    """The page of all targets, one for each, and one for each entry of the runbook."""
    by_name = {one.state.name: one for one in watches}
    refresh_s = max(5, min(60, round(every_s)))

    async def overview(_: Request) -> Response:
        targets = [_summary(one) for one in watches]
        targets.sort(key=lambda one: ("down", "unknown", "up").index(one["state"]))
        return _page("targets.html", refresh_s, targets=targets, words=WORDS)

    async def target(request: Request) -> Response:
        watch = by_name.get(request.path_params["name"])
        if watch is None:
            return _missing("There is no such target.")
        return _page("target.html", refresh_s, **_target(watch, time.time()))

    async def entry(request: Request) -> Response:
        runbook = watches[0].runbook
        found = runbook.entries.get(request.path_params["number"])
        if found is None:
            return _missing("The runbook has no such entry.")
        return _page("entry.html", 0, entry=found, runbook=runbook.path.name, spans=spans)

    return [
        Route("/", overview),
        Route("/targets/{name}", target, name="target"),
        Route("/entries/{number}", entry, name="entry"),
    ]


def _page(template: str, refresh_s: int, **values: Any) -> Response:
    html = _templates.get_template(template).render(
        refresh_s=refresh_s, now=moment(time.time()), moment=moment, span=span, **values
    )
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(html, headers=headers)


def _missing(words: str) -> Response:
    page = _page("missing.html", 0, words=words)
    page.status_code = 404
    return page


def state_of(watch: Watch) -> Outcome:
    """Of a whole target: down where a probe is, else unknown where one is."""
    states = {one.state for one in watch.state.watched.values()}
    if "down" in states:
        return "down"
    return "unknown" if "unknown" in states or not states else "up"


def _summary(watch: Watch) -> dict[str, Any]:
    red = [
        one.last.probe for one in watch.state.watched.values() if one.state == "down" and one.last
    ]
    return {
        "name": watch.state.name,
        "url": watch.url,
        "state": state_of(watch),
        "entries": _entries(watch, [one.entry for one in red]),
        "probes": len(watch.probes),
        "maintenance": watch.counts.maintenance,
        "ended": watch.counts.last_ended,
    }


def _entries(watch: Watch, numbers: Sequence[str]) -> list[tuple[str, str]]:
    known = watch.runbook.entries
    return [(n, known[n].title if n in known else "") for n in dict.fromkeys(numbers)]


def _target(watch: Watch, now: float) -> dict[str, Any]:
    trouble = ""
    slots: Mapping[str, list[Slot]] = {}
    incidents = []
    try:
        slots = watch.history.slots(watch.state.name, now - DAYS * SECONDS_A_DAY)
        incidents = watch.history.incidents(watch.state.name)
    except HistoryError as error:
        trouble = f"The history cannot be read: {error}"
    rows = [_row(watch, probe.name, slots.get(probe.name, []), now) for probe in watch.probes]
    titles = {number: entry.title for number, entry in watch.runbook.entries.items()}
    return {
        "summary": _summary(watch),
        "counts": watch.counts,
        "rows": rows,
        "incidents": incidents,
        "titles": titles,
        "trouble": watch.settings.redaction(trouble),
        "words": WORDS,
    }


def _row(watch: Watch, name: str, slots: Sequence[Slot], now: float) -> dict[str, Any]:
    probe = next(one for one in watch.probes if one.name == name)
    watched = watch.state.watched.get(name) or Watched(watch.state.damping)
    day = bars(slots, now - HOURS * 3600, now, SLOT_S * 2)
    month = bars(slots, now - DAYS * SECONDS_A_DAY, now, SECONDS_A_DAY)
    return {
        "probe": probe,
        "state": watched.state if watched.last else "none",
        "saw": watched.last.saw if watched.last else "",
        "took_s": watched.last.took_s if watched.last else 0.0,
        "pending": watched.state == "up" and watched.last and watched.last.outcome == "down",
        "provenance": watch.provenance[name],
        "day": day,
        "month": month,
        "day_share": share(day),
        "month_share": share(month),
    }


def bars(slots: Sequence[Slot], since: float, until: float, width_s: int) -> list[Bar]:
    """The slots of a stretch of time, put together to bars of equal width, the oldest first."""
    first = int(since // width_s) * width_s
    count = int((until - first) // width_s) + 1
    made = [[0, 0, 0] for _ in range(count)]
    for slot in slots:
        index = (slot.begins - first) // width_s
        if 0 <= index < count:
            for position, number in enumerate((slot.up, slot.down, slot.unknown)):
                made[index][position] += number
    return [Bar(first + index * width_s, *numbers) for index, numbers in enumerate(made)]


def share(made: Sequence[Bar]) -> str:
    """Which share of the rounds that could tell was up; never rounded up to 100 %."""
    up, down = sum(one.up for one in made), sum(one.down for one in made)
    if not up + down:
        return "no data"
    percent = up / (up + down) * 100
    return "100 %" if not down else f"{min(percent, 99.99):.2f} %"


def moment(at: float | None) -> str:
    """A time (Unix seconds) in words; UTC, since a page cannot know where it is read."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "never"


def span(seconds: float) -> str:
    """A length of time in words."""
    for unit, length in (("d", SECONDS_A_DAY), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
