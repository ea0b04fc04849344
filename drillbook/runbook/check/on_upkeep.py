"""When somebody last looked: reviews by the front matter, proofs by the lock beside the runbook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from drillbook.runbook.check.context import Context
from drillbook.runbook.model import Problem

_REVIEWED = ("last_reviewed_on", "last_reviewed", "reviewed_on", "last-reviewed-on", "reviewed")
_OWNED = ("owner", "owners", "owner_slack", "team", "maintainer", "maintainers", "contact")


def check(context: Context) -> Iterator[Problem]:
    """Reviews and proofs of long ago; a front matter without an owner."""
    yield from _review(context)
    yield from _proofs(context)


def _review(context: Context) -> Iterator[Problem]:
    front = context.document.front_matter
    if not front or not context.document.runbook.entries:
        return
    reviewed = next((_date(front[key]) for key in _REVIEWED if key in front), None)
    if reviewed is not None and _age_days(reviewed) > context.settings.stale_days:
        reason = f"last reviewed on {reviewed}, {_age_days(reviewed)} days ago"
        write = "Read it against what runs, and set the date."
        yield Problem("stale-review", _line_of(context, _REVIEWED), reason, write)
    if not any(front.get(key) for key in _OWNED):
        yield Problem("no-owner", 1, "the front matter names no owner", "Write `owner: TEAM`.")


def _proofs(context: Context) -> Iterator[Problem]:
    lock = context.path.with_suffix(".lock")
    try:
        lines = json.loads(lock.read_text(encoding="utf-8")).get("lines", {})
    except (OSError, ValueError, AttributeError):
        return
    latest: dict[str, date] = {}
    for name, platforms in lines.items() if isinstance(lines, dict) else ():
        entry = name.split(" ")[0]
        for proved in _dates(platforms):
            latest[entry] = max(proved, latest.get(entry, proved))
    for number, proved in latest.items():
        found = context.document.runbook.entries.get(number)
        if found and _age_days(proved) > context.settings.stale_days:
            reason = f"entry {number} was last proven on {proved}, {_age_days(proved)} days ago"
            yield Problem("stale-proof", found.line, reason, f"Run `./run drills {number} --lock`.")


def _dates(platforms: Any) -> Iterator[date]:
    for one in platforms.values() if isinstance(platforms, dict) else ():
        for proof in one.get("proven_by", []) if isinstance(one, dict) else []:
            found = _date(proof.get("at")) if isinstance(proof, dict) else None
            if found:
                yield found


def _date(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _age_days(then: date) -> int:
    return (datetime.now(UTC).date() - then).days


def _line_of(context: Context, keys: tuple[str, ...]) -> int:
    for number, line in enumerate(context.document.text.split("\n"), 1):
        if line.partition(":")[0].strip() in keys:
            return number
    return 1
