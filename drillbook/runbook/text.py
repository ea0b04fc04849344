"""Bytes to text, and text to what is compared: whitespace, code, anchors, digests."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from drillbook.runbook.model import Problem

LARGEST_BYTES = 16 * 1024 * 1024
LONGEST_LINE = 64 * 1024

_TICKS = re.compile(r"`+")
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0e-\x1f\x7f]")


def read(path: Path) -> tuple[str, list[Problem]]:
    """A file's text, line feeds at its lines' ends, and what kept it from being read as it is."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        return "", [_unreadable(0, "there is no such file")]
    except OSError as error:
        return "", [_unreadable(0, f"cannot be read: {error.strerror}")]
    return decode(raw)


def decode(raw: bytes) -> tuple[str, list[Problem]]:
    """Text of UTF-8 bytes, a byte order mark and carriage returns left out.

    What is no UTF-8, no text or too long for a line of a runbook is a problem each, and reads as
    nothing. Other control characters than NUL are a problem, and stay.
    """
    if len(raw) > LARGEST_BYTES:
        return "", [_unreadable(0, f"is larger than {LARGEST_BYTES // 2**20} MiB")]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return "", [_unreadable(line, "is not UTF-8 text", "Save the file as UTF-8.")]
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        return "", [_unreadable(line, "is not text: it has a NUL character")]
    text, problems = _without_long_lines(text)
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        reason = f"has a control character, {control[0]!r}, that nobody sees"
        problems.append(Problem("control-character", line, reason, "Leave it out."))
    return text, problems


def _without_long_lines(text: str) -> tuple[str, list[Problem]]:
    if len(text) <= LONGEST_LINE:
        return text, []
    lines = text.split("\n")
    problems = []
    for at, line in enumerate(lines):
        if len(line) > LONGEST_LINE:
            lines[at] = ""
            reason = f"a line of {len(line)} characters was not read"
            problems.append(Problem("unreadable", at + 1, reason, "Break the line."))
    return "\n".join(lines), problems


def _unreadable(line: int, reason: str, write: str = "") -> Problem:
    return Problem("unreadable", line, reason, write, fatal=True)


_BLANKS = str.maketrans("\t\r\n", "   ")


def collapse(text: str) -> str:
    """One space for each stretch of what a shell takes for blanks; others are left as they are."""
    return " ".join(filter(None, text.translate(_BLANKS).split(" ")))


def normal(text: str) -> str:
    """The text as lines are compared: composed characters, and whitespace collapsed."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


def as_code(content: str) -> str:
    """Put text into backticks: one more of them than the longest run inside."""
    runs = re.findall(r"`+", content) if "`" in content else []
    fence = "`" * (max(map(len, runs), default=0) + 1)
    pad = " " if runs else ""
    return f"{fence}{pad}{content}{pad}{fence}"


def spans(text: str) -> Iterator[tuple[bool, str]]:
    """Split a line's text into (is code, text) pieces, for those who render it."""
    end = 0
    for opening, closing in _code_spans(text):
        if opening.start() > end:
            yield False, text[end : opening.start()]
        code = text[opening.end() : closing.start()]
        yield True, code.strip() or code
        end = closing.end()
    if end < len(text):
        yield False, text[end:]


def _code_spans(text: str) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    """The runs of backticks that open and close each code span; each run is looked at once."""
    runs = list(_TICKS.finditer(text))
    following: dict[int, int] = {}  # the next run of this length, looking from the end
    closes: list[int | None] = [None] * len(runs)
    for at in range(len(runs) - 1, -1, -1):
        length = len(runs[at][0])
        closes[at] = following.get(length)
        following[length] = at
    at = 0
    while at < len(runs):
        closing = closes[at]
        if closing is not None:
            yield runs[at], runs[closing]
            at = closing
        at += 1


def anchor(heading: str) -> str:
    """The fragment that GitHub, GitLab and Gitea derive from a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def digest(text: str) -> str:
    """16 hexadecimal digits that change with the text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
