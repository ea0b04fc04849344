"""Characters that a reader takes for another one, and a shell does not.

Word processors and wikis put them into commands: a no-break space, an en dash for a hyphen, curly
quotes, characters of no width. A command that has one is typed as it is, and so found out.
"""

from __future__ import annotations

import re
import unicodedata

_DASHES = frozenset("\u2212\u2043\u00ad")  # minus, bullet and soft hyphen; others have a category
_QUOTES = {"\u2018": "'", "\u2019": "'", "\u201b": "'", "\u2032": "'", "\u00b4": "'"} | {
    "\u201c": '"',
    "\u201d": '"',
    "\u201f": '"',
    "\u2033": '"',
}
_TAKEN_FOR_SPACES = frozenset("\x0b\x0c\x1c\x1d\x1e\x1f\x85")


def taken_for(char: str) -> str:
    """What a reader takes a character for: itself, unless it looks like another."""
    category = unicodedata.category(char)
    if char.isascii() and char not in _TAKEN_FOR_SPACES:
        return char
    if category in ("Zs", "Zl", "Zp") or char in _TAKEN_FOR_SPACES:
        return " "
    if category == "Pd" or char in _DASHES:
        return "-"
    if category == "Cf":
        return ""
    return _QUOTES.get(char, char)


def as_read(text: str) -> str:
    """The text as it looks: one space for each that seems to be one, and so on."""
    return re.sub(r"[ \t\n]+", " ", "".join(map(taken_for, text))).strip()


def look_alikes(text: str) -> list[str]:
    """The characters in it that look like another, each once: ``U+2013 EN DASH``."""
    odd = dict.fromkeys(char for char in text if taken_for(char) != char)
    return [f"U+{ord(char):04X} {unicodedata.name(char, 'a control')}" for char in odd]


def seems(text: str, other: str) -> bool:
    """Whether a reader takes one text for another that it is not: it has look-alikes in it.

    A dash may stand for two hyphens, as word processors have it.
    """
    if text == other or not look_alikes(text):
        return False
    read, wanted = (re.sub(r"-+", "-", as_read(one)) for one in (text, other))
    return read == wanted
