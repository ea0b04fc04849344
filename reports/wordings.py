"""Two wordings of a line side by side: the one that was read against its drill, and the one now."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_WORDS = re.compile(r"(?:`[^`]*`|\S)+\s*")  # code is one word, however many are in it
MOST_WORDS = 2000
"""Of longer lines the words that differ are not looked for, since that takes too long."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a wording, and whether the other one has it too."""

    text: str
    same: bool


@dataclass(frozen=True)
class Wordings:
    """Both wordings, in pieces. Joined they are the whole text."""

    read: tuple[Piece, ...]
    now: tuple[Piece, ...]


def compare(read: str, now: str) -> Wordings:
    """Find what differs, word by word."""
    ours, theirs = _WORDS.findall(read), _WORDS.findall(now)
    if max(len(ours), len(theirs)) > MOST_WORDS:
        return Wordings((Piece(read, same=False),), (Piece(now, same=False),))
    bare = [[word.strip() for word in words] for words in (ours, theirs)]
    matcher = difflib.SequenceMatcher(None, bare[0], bare[1], autojunk=False)
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        for pieces, words in ((left, ours[a:b]), (right, theirs[c:d])):
            if words:
                pieces.append(Piece("".join(words), kind == "equal"))
    return Wordings(tuple(left), tuple(right))
