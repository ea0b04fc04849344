"""Links, their anchors, and alerts that lead to entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from drillbook.runbook.check.beside import Alert
from drillbook.runbook.check.context import Context, did_you_mean
from drillbook.runbook.document import Document, read_document
from drillbook.runbook.model import Entry, Problem

_HTML_ID = re.compile(r"<[a-z]+\s[^>]*\b(?:id|name)=[\"']([^\"']+)[\"']", re.IGNORECASE)
_GENERATED = re.compile(r"(?:L\d+|user-content-|:~:)")


def check(context: Context) -> Iterator[Problem]:
    """Links to files and headings that are not there; entries that no alert leads to."""
    for link in context.document.links:
        yield from _link(context, link.target, link.line)
    if context.beside.alerts:
        led = {entry.line for alert in context.beside.alerts for entry in led_to(context, alert)}
        for entry in context.document.runbook.entries.values():
            if entry.line not in led:
                reason = f"no alert leads to entry {entry.number}"
                write = f"Give one `runbook_url: {context.path.name}#{entry.anchor}`."
                yield Problem("no-alert", entry.line, reason, write)


def _link(context: Context, target: str, line: int) -> Iterator[Problem]:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or target.startswith(("mailto:", "{", "/")):
        return
    path, fragment = unquote(parts.path), unquote(parts.fragment)
    if not path and not fragment:
        return
    file = context.path.parent / path if path else context.path
    if path and not file.exists():
        names = {str(one.relative_to(context.beside.folder)) for one in context.beside.files}
        close = did_you_mean(path, names)
        write = close if close.startswith("Write") else "Correct the link, or leave it out."
        yield Problem("dead-link", line, f"the link leads to no file: {path}", write)
        return
    if not fragment or _GENERATED.match(fragment) or (path and file.suffix != ".md"):
        return
    document = _document(context, file)
    known = set(document.anchors) | set(_HTML_ID.findall(document.text))
    if fragment not in known and fragment.lower() not in known:
        reason = f"the link leads to no heading: #{fragment}"
        close = did_you_mean(fragment, known)
        write = close.replace("`", "`#", 1) if close.startswith("Write") else "Correct the link."
        yield Problem("dead-anchor", line, reason, write)


def _document(context: Context, file: Path) -> Document:
    if file == context.path:
        return context.document
    known = context.others.get(file.resolve())
    return known or read_document(file, context.settings.labels)


def led_to(context: Context, alert: Alert) -> Iterable[Entry]:
    """The entries of a document that an alert leads to: by its address, or by bearing its name."""
    entries = context.document.runbook.entries
    if not alert.runbook_url:
        return [entry for entry in entries.values() if entry.number == alert.name]
    parts = urlsplit(alert.runbook_url)
    same_file = Path(parts.path).stem.lower() == context.path.stem.lower()
    if same_file and not parts.fragment:
        return list(entries.values())
    named = {parts.fragment.lower(), Path(parts.path).name.lower()} - {""}
    return [
        entry
        for entry in entries.values()
        if (same_file and entry.anchor == parts.fragment)
        or (not same_file and entry.number.lower() in named)
        or (not same_file and entry.anchor in named)
    ]


def check_alerts(
    alerts: Iterable[Alert], contexts: Mapping[Path, Context]
) -> Iterator[tuple[Alert, Problem]]:
    """The alerts whose address leads to a checked file, and to nothing in it."""
    for alert in alerts:
        if not alert.runbook_url or "{{" in alert.runbook_url or "$" in alert.runbook_url:
            continue
        parts = urlsplit(alert.runbook_url)
        stem = Path(parts.path).stem.lower()
        about = [one for one in contexts.values() if one.path.stem.lower() == stem]
        if about and not any(_leads(one, alert, parts.fragment) for one in about):
            anchors = {a for one in about for a in one.document.anchors}
            yield alert, _nowhere(alert, f"#{parts.fragment}", about[0].path.name, anchors)
            continue
        nowhere = not (about or parts.scheme or (alert.file.parent / parts.path).exists())
        if nowhere and not any(list(led_to(one, alert)) for one in contexts.values()):
            names = {one.path.name for one in contexts.values()}
            yield alert, _nowhere(alert, parts.path, "what is checked", names)


def _leads(context: Context, alert: Alert, fragment: str) -> bool:
    return bool(led_to(context, alert)) or (bool(fragment) and fragment in context.document.anchors)


def _nowhere(alert: Alert, what: str, where: str, known: set[str]) -> Problem:
    reason = f"the runbook_url of {alert.name} leads to nothing: {what} is not in {where}"
    return Problem("alert-to-nowhere", alert.line, reason, did_you_mean(what.lstrip("#"), known))
