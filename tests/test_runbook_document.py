"""The project's own runbook: readable, its links lead somewhere, its proven lines unedited."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drillbook.runbook import Runbook, load, lock, spans
from drillbook.runbook.lock import LockedLine

ROOT = Path(__file__).parents[1]
RUNBOOK = ROOT / "runbook.md"
LOCK = ROOT / "runbook.lock"

# Symptoms, causes and steps of each entry: a line that is added or dropped shifts the names of
# those below it, and with them the drills that speak of them.
SHAPE = {
    "1": (0, 0, 5),
    "2.1": (2, 4, 5),
    "2.2": (2, 2, 3),
    "2.3": (3, 5, 6),
    "2.4": (2, 3, 3),
    "3.1": (2, 4, 5),
    "3.2": (3, 5, 6),
    "4.1": (2, 4, 4),
    "4.2": (2, 4, 4),
    "4.3": (3, 4, 4),
    "4.4": (1, 0, 3),
    "5.1": (2, 4, 5),
    "5.2": (1, 3, 3),
    "6.1": (1, 5, 6),
    "6.2": (2, 4, 4),
}


@pytest.fixture(scope="module")
def book() -> Runbook:
    return load(RUNBOOK)


def test_entries_keep_their_numbers_and_shape(book: Runbook) -> None:
    shape = {n: (len(e.symptoms), len(e.causes), len(e.steps)) for n, e in book.entries.items()}
    assert shape == SHAPE


def test_every_link_inside_the_runbook_leads_to_a_heading(book: Runbook) -> None:
    source = RUNBOOK.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        for text in re.findall(r"^#+ (.*)$", source, re.MULTILINE)
    }
    links = set(re.findall(r"\]\(#([^)]*)\)", source))
    assert links <= headings
    assert {entry.anchor for entry in book.entries.values()} <= links, "the contents miss an entry"


def test_no_command_needs_the_compose_that_is_gone(book: Runbook) -> None:
    gone = [
        f"runbook.md:{line.line}: {command}"
        for line in book.lines()
        for command in line.commands
        if command.startswith("docker-compose")
    ]
    assert gone == []


def test_no_command_outlives_the_person_who_typed_it(book: Runbook) -> None:
    """Without a terminal (-t), Ctrl-C ends `docker exec` and not what it started inside."""
    endless = re.compile(r"^docker exec (?!-\S*t)\S+ (ping (?!-c )|tail -f|top\b|watch )")
    found = [
        f"runbook.md:{line.line}: {command}"
        for line in book.lines()
        for command in line.commands
        if endless.search(command)
    ]
    assert found == []


def test_code_is_closed_and_lines_are_short(book: Runbook) -> None:
    for line in book.lines():
        words = "".join(text for code, text in spans(line.text) if not code)
        assert "`" not in words, f"runbook.md:{line.line}: a backtick without its pair"
    for number, text in enumerate(RUNBOOK.read_text(encoding="utf-8").splitlines(), 1):
        assert len(text) <= 100 or "](#" in text, f"runbook.md:{number}: longer than 100"


LOCKED = lock.read(LOCK).lines


@pytest.mark.parametrize("locked", LOCKED or [None], ids=str)
def test_no_line_was_edited_since_it_was_last_proven(
    book: Runbook, locked: LockedLine | None
) -> None:
    if locked is None:
        pytest.skip("runbook.lock is empty: no line was ever proven")
    line = book.find(locked.name)
    assert line is not None, (
        f"runbook.lock says {locked.name} was proven, and runbook.md has no such line; "
        f"run ./run drills {locked.entry} --lock"
    )
    assert line.text == locked.words, (
        f"runbook.md:{line.line}: {locked.name} was edited since it was last read against its "
        f"drill on {locked.platform}; read it, then run ./run drills {locked.entry} --lock"
    )
