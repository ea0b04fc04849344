"""A runbook that lies: ``python -m tests.falsified COPY.md`` adds a false sentence to each line.

Drill the copy with ``./run drills --runbook COPY.md``: no line of it may read *proven*.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from itertools import cycle
from pathlib import Path

from drillbook.runbook import Runbook, load

ROOT = Path(__file__).parents[1]
LIES = (
    "Restarting the nginx container heals this.",
    "This shows only while the system is well.",
    "Never use EXPLAIN here.",
    "The browser's console shows errors about Content-Security-Policy.",
    "The database listens on port 5433.",
)
_ENDS = re.compile(r"\s*$|\s*([-*+]|\d+\.|```|~~~|\|)\s?")


def falsified(book: Runbook, names: Collection[str]) -> str:
    """The text of a runbook with a false sentence at the end of each line of these names."""
    text = book.path.read_text(encoding="utf-8").splitlines()
    lies = cycle(LIES)
    for line in book.lines():
        if line.name in names:
            last = _last_of_paragraph(text, line.line - 1)
            text[last] = f"{text[last].rstrip()} {next(lies)}"
    return "\n".join(text) + "\n"


def _last_of_paragraph(text: list[str], first: int) -> int:
    last = first
    while last + 1 < len(text) and not _ENDS.match(text[last + 1]):
        last += 1
    return last


if __name__ == "__main__":
    own = load(ROOT / "runbook.md")
    Path(sys.argv[1]).write_text(falsified(own, [line.name for line in own.lines()]), "utf-8")
