"""Words and figures, put the same way in every report."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

# What a terminal is told (colours, cursor, window title), and control characters, which neither
# XML nor a reader can do anything with.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
LONGEST_GIST = 1_000


def plain(text: str) -> str:
    """A transcript as it looks on paper: no escape sequences, no control characters.

    Whatever the text, the result is well-formed in XML, HTML and UTF-8, and the time it takes grows
    as the text does.
    """
    text = _ESCAPES.sub("", text)
    if "\r" in text:
        text = "\n".join(_overtyped(line) for line in text.split("\n"))
    return _CONTROLS.sub("", text)


def _overtyped(line: str) -> str:
    """What is left to see of a line in which the cursor went back to its start."""
    return line.rstrip("\r").rpartition("\r")[2]


def cut(text: str, most: int) -> str:
    """At most so many characters; what is left out is counted."""
    if len(text) <= most:
        return text
    head = most * 3 // 4
    tail = most - head
    left_out = len(text) - most
    return f"{text[:head]}\n[… {left_out} characters left out, see the journal …]\n{text[-tail:]}"


def first_line(text: str) -> str:
    """The first line that says something, in at most ``LONGEST_GIST`` characters."""
    lines = (line.strip() for line in plain(text).splitlines())
    return clipped(next(filter(None, lines), ""), LONGEST_GIST)


def gist(message: str) -> str:
    """A drill's failure message in one sentence: what was expected, and what was seen instead.

    Where the runbook's own command was typed in place of another, what came of it is the gist.
    It is one line of at most ``LONGEST_GIST`` characters.
    """
    return shortened(_gist(message), LONGEST_GIST)


def _gist(message: str) -> str:
    text = plain(message)
    _, typed, session = text.partition("typed as the runbook has it:")
    if typed and (told := _session_gist(session)):
        return told
    found = {
        label: match[1].strip()
        for label in ("expected", "last seen")
        if (match := re.search(rf"^ *{label}:? +(\S.*)$", text, re.MULTILINE))
    }
    if len(found) < 2:
        return first_line(message)
    return f"expected {found['expected']}; saw {found['last seen']}"


def _session_gist(session: str) -> str | None:
    """The last command of a transcript, and the last line that came of it."""
    lines = [line.strip() for line in session.partition("\nevidence ")[0].splitlines()]
    starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
    if not starts:
        return None
    command = lines[starts[-1]].removeprefix("$ ")
    answer = [line for line in lines[starts[-1] + 1 :] if line]
    if any("did not end" in line for line in answer):
        return f"typed as written, `{command}` does not end by itself"
    words = [line for line in answer if not line.startswith("[exit status")] or answer
    return f"typed as written, `{command}`: {words[-1] if words else 'no output'}"


def shortened(text: str, width: int) -> str:
    """On one line of at most ``width`` columns, with an ellipsis where it was longer."""
    return clipped(" ".join(plain(text).split()), width)


def clipped(line: str, width: int) -> str:
    """A line of at most ``width`` columns, its spaces kept, with an ellipsis where cut."""
    if line.isascii() and len(line) <= width:
        return line
    used = fits = 0
    for at, character in enumerate(line):
        used += _columns(character)
        if used > width:
            return line[:fits] + "…"
        if used < width:  # leaves room for the ellipsis
            fits = at + 1
    return line


def _columns(character: str) -> int:
    """How many columns of a terminal a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def seconds(value: float | None) -> str:
    """A duration in seconds for people: ``0.36 s``, ``12.4 s``, ``3 min 20 s``; ``-`` for None."""
    if value is None:
        return "-"
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 119.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def millis(value: float | None) -> str:
    """A latency in milliseconds for people: ``8.4 ms``, ``120 ms``, ``2.1 s``; ``-`` for None."""
    if value is None:
        return "-"
    if value < 9.95:
        return f"{value:.1f} ms"
    return f"{value:.0f} ms" if value < 999.5 else f"{value / 1000:.1f} s"


def counted(number: int, noun: str) -> str:
    """``1 line``, ``2 lines``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def name_of(ref: Mapping[str, Any]) -> str:
    """How a journal's reference to a runbook line is named: ``3.1 step 1``."""
    return f"{ref['entry']} {ref['kind']} {ref['number']}"
