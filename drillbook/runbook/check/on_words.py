"""What stands in a runbook and should not, or should and does not: brackets, secrets, warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from drillbook.runbook.check.context import Context
from drillbook.runbook.check.typed import Typed
from drillbook.runbook.model import Problem
from drillbook.runbook.text import spans

_OPEN = re.compile(r"(?<![<\w=])<([A-Za-z][A-Za-z0-9]*[_-][\w-]*)(?=\s|$)(?![^<]*>)")
_CLOSED = re.compile(r"(?:^|\s)([A-Za-z][A-Za-z0-9]*[_-][\w-]*)>(?=\s|$)")
_BRACES = re.compile(r"\{\{[^{}]*\}?(?!\})(?=\s|$)|(?<!\{)\{[\w. ]+\}\}")
_NO_SECRET = re.compile(
    r"(?i)^(?:<.*>|\$.*|\{.*\}|%.*|\*+|x+|\.+|…|(?:your|my|the)?[-_]?(?:password|passwd|secret|token|key|pass|pw)"
    r"|change[-_]?me|example|dummy|foo|bar|none|null|true|false|redacted|placeholder|test|)$"
)
_ASSIGNED = re.compile(
    r"(?i)\b([a-z_]*(?:password|passwd|secret|token|api[-_]?key|access[-_]?key)[a-z_]*)\s*[=:]\s*"
    r"[\"']?([^\s\"'`;&|,)]+)"
)
_IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@<$]+:([^\s@/<$]+)@")
_KNOWN_KEYS = re.compile(
    r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|glpat-[\w-]{20,}|sk_live_[A-Za-z0-9]{16,}|eyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{10,})\b"
    r"|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"
)
_BEARER = re.compile(r"(?i)\bbearer\s+([A-Za-z0-9._-]{16,})")
_WARNED = re.compile(
    r"""(?i)\b(warn|caution|careful|destroy|delet|remov|irrevers|lost|lose[sn]?|losing|loss|discard
    |wip(?:e|es|ed|ing)|danger|undone|undo|back\ ?ups?|never|only\ (?:if|when|where|after)
    |permanent|erase|throws?\ away)|⚠|\[!(?:WARNING|CAUTION|DANGER|IMPORTANT)\]""",
    re.VERBOSE,
)
_SQL = re.compile(
    r"(?i)\b(drop\s+(table|database|schema)|truncate\s+(table\s+)?\w|delete\s+from\s+\w+\s*(;|$|\"|'))"
)


def check(context: Context) -> Iterator[Problem]:
    """Open placeholders, secrets in clear, destruction without a warning."""
    yield from _placeholders(context)
    yield from _secrets(context)
    yield from _destruction(context)


def _placeholders(context: Context) -> Iterator[Problem]:
    places = {(command.text, command.line): None for command in context.document.commands}
    for text, line in places:
        found = _OPEN.search(text) or (None if "<" in text else _CLOSED.search(text))
        if not found and ("{{" in text) != ("}}" in text):
            found = _BRACES.search(text)
        if found:
            reason = f"a placeholder with one bracket: `{found[0].strip()}`"
            write = f"Write `<{found[1]}>`." if found.lastindex else "Close its braces."
            yield Problem("open-placeholder", line, reason, write)


def _secrets(context: Context) -> Iterator[Problem]:
    for number, line in enumerate(context.document.text.split("\n"), 1):
        if any(_secrets_in(line)):
            name = next(_secrets_in(line))
            reason = f"a secret stands in clear ({name})"
            write = "Take it from where secrets are kept, and change it: it has been published."
            yield Problem("secret", number, reason, write)


def _secrets_in(line: str) -> Iterator[str]:
    if _KNOWN_KEYS.search(line):
        yield "by its form"
    for match in _IN_URL.finditer(line):
        if not _NO_SECRET.match(match[1]):
            yield "the password of an address"
    lowered = line.lower()
    if "bearer" in lowered and _BEARER.search(line):
        yield "a bearer token"
    if "=" not in line and ":" not in line:
        return
    for match in _ASSIGNED.finditer(line):
        value = match[2].strip("*_")
        strong = re.search(r"\d", value) or re.search(r"[^\w-]", value)
        if strong and not _NO_SECRET.match(value) and not re.search(r"[<>${}(\[/]|://", value):
            yield match[1]


def _destruction(context: Context) -> Iterator[Problem]:
    warned: dict[int, bool] = {}
    for command, typed in context.typed:
        what = _destroys(typed) or (_SQL.search(command.text) or [""])[0]
        if not what or warned.get(command.line):
            continue
        words = "".join(text for code, text in spans(context.around(command)) if not code)
        if not _WARNED.search(words):
            warned[command.line] = True
            reason = f"`{what}` destroys, and nothing beside it says so"
            write = "Say what is lost by it, and when it may be done."
            yield Problem("no-warning", command.line, reason, write)


def _destroys(typed: Typed) -> str:
    """The words of a command that destroy; empty where they do not."""
    name = typed.program.replace("docker-compose", "docker compose")
    short = "".join(one[1:] for one, _ in typed.options if not one.startswith("--"))
    long = {one for one, _ in typed.options}
    first = typed.operands[0].partition("/")[0] if typed.operands else ""
    whole = f"{name} {first}".strip()
    if name == "kubectl delete" and first and first not in ("pod", "pods", "po"):
        return whole
    for words, letter, option in _WITH_OPTION:
        if words in (name, whole) and (letter in short or option in long):
            return f"{words} {option if option in long else '-' + letter}"
    return next((one for one in _DESTROYERS if one in (name, whole, whole.lower())), "")


_WITH_OPTION = (
    ("rm", "r", "--recursive"),
    ("rm", "R", "--recursive"),
    ("docker compose down", "v", "--volumes"),
    ("git push", "f", "--force"),
    ("git reset", "-", "--hard"),
)
_DESTROYERS = (
    "docker system prune",
    "docker volume rm",
    "docker volume prune",
    "helm uninstall",
    "helm delete",
    "terraform destroy",
    "dropdb",
    "mkfs",
    "mkfs.ext4",
    "wipefs",
    "redis-cli flushall",
    "redis-cli flushdb",
)
