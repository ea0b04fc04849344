"""A runbook as data: entries, their lines, and what may be wrong with the file they were read from.

Lines are named by position (``3.1 step 1``) and guarded by a digest of their words, so that an
edit shows and a re-wrap does not.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

Kind = Literal["symptom", "cause", "step", "verification"]
Platform = Literal["compose", "kubernetes"]

KINDS: tuple[Kind, ...] = ("symptom", "cause", "step", "verification")
PLATFORMS: tuple[Platform, ...] = ("compose", "kubernetes")


@dataclass(frozen=True)
class Problem:
    """What the reader has to say of a file: a rule's name, the line, why, and what to write."""

    rule: str
    line: int
    reason: str
    write: str = ""
    fatal: bool = False
    """Whether the file cannot be drilled so: a line's name would not be clear."""


class RunbookError(Exception):
    """The runbook cannot be drilled as it is.

    The message has a line a problem, each beginning with ``file:line:``.
    """

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        self.line = problems[0].line or None
        super().__init__("\n".join(self._told(one) for one in problems))

    def _told(self, problem: Problem) -> str:
        where = f"{self.path}:{problem.line}" if problem.line else f"{self.path}"
        return f"{where}: {problem.reason}"


class UnknownEntry(LookupError):
    """No entry has this number; the message lists those that exist."""

    def __init__(self, number: str, known: Mapping[str, Entry], path: Path) -> None:
        self.number = number
        near = _did_you_mean(number, known)
        hint = f" Did you mean {near.number} ({near.title})?" if near else ""
        listing = "\n".join(f"  {e.number:<5} {e.title}" for e in known.values())
        super().__init__(f"{path} has no entry {number!r}.{hint} It has:\n{listing}")

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Command:
    """Something a person would type."""

    text: str
    """As it is typed, without prompt and comment; placeholders such as ``<pod>`` as written."""
    line: int
    """Where it starts in the file, from 1."""
    platform: Platform | None = None
    """Where it belongs; None for a command of both platforms."""
    expected: str | None = None
    """What the runbook says beside it that it shows."""
    block: bool = False
    """Whether it stands in a block, and not in a sentence."""


@dataclass(frozen=True)
class Line:
    """One claim: a symptom, a cause, a step or a verification of an entry."""

    entry: str
    kind: Kind
    number: int
    """Position among the lines of its kind in the entry, from 1."""
    line: int
    """Where it starts in the file, from 1."""
    text: str
    """Its words on one line: emphasis and links reduced to their text, code in backticks."""
    commands: tuple[str, ...]
    """What a person would type, in order; placeholders such as ``<service_name>`` as written."""
    digest: str
    """16 hexadecimal digits that change with the words and not with their layout."""
    belongs: tuple[Platform | None, ...] = ()
    """The platform of each command; None for a command of both."""
    lead: str = ""
    """The bold words it opens with, if any: ``Logs.``"""
    parts: tuple[str, ...] = ()
    """Its text, paragraph by paragraph: sub-bullets and lines of blocks are parts of their own."""
    expected: tuple[str | None, ...] = ()
    """What each command must show, where the runbook says so beside it."""
    part: str = ""
    """The part of the entry it stands in: ``diagnosis`` and ``resolution`` both hold steps."""

    @property
    def name(self) -> str:
        """How people and reports name it: ``3.1 step 1``."""
        return f"{self.entry} {self.kind} {self.number}"

    def commands_for(self, platform: Platform) -> tuple[str, ...]:
        """The commands to type on one platform, in order."""
        owners = self.belongs or (None,) * len(self.commands)
        pairs = zip(self.commands, owners, strict=True)
        return tuple(command for command, owner in pairs if owner in (None, platform))

    def expected_of(self, command: str) -> str | None:
        """What the runbook says that this command shows; None where it says nothing."""
        pairs = zip(self.commands, self.expected, strict=False)
        return next((shown for one, shown in pairs if one == command), None)

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms it speaks of: one where it names only that one, else both."""
        plain = self.text.lower()
        kubernetes = "kubernetes" in plain or "kubernetes" in self.belongs
        compose = "docker compose" in plain or "compose:" in plain or "compose" in self.belongs
        if compose and not kubernetes:
            return ("compose",)
        if kubernetes and "docker" not in plain and "compose" not in plain:
            return ("kubernetes",)
        return PLATFORMS


@dataclass(frozen=True)
class Entry:
    """One section of the runbook that makes claims."""

    number: str
    """Its number; of an entry without one the alert that its heading names, or its anchor."""
    title: str
    line: int
    anchor: str
    """The fragment that code hosts give its heading: ``31-database-connection-failed``."""
    symptoms: tuple[Line, ...]
    causes: tuple[Line, ...]
    steps: tuple[Line, ...]
    verifications: tuple[Line, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """All of its lines: symptoms, causes, steps, verifications."""
        return self.symptoms + self.causes + self.steps + self.verifications

    def of(self, kind: Kind) -> tuple[Line, ...]:
        """Its lines of one kind."""
        lines: dict[Kind, tuple[Line, ...]] = {
            "symptom": self.symptoms,
            "cause": self.causes,
            "step": self.steps,
            "verification": self.verifications,
        }
        return lines[kind]


@dataclass(frozen=True)
class Runbook:
    """A whole runbook, as read from one file."""

    path: Path
    digest: str
    entries: Mapping[str, Entry]

    def entry(self, number: str) -> Entry:
        """The entry with this number. Raises UnknownEntry, which lists those that exist."""
        try:
            return self.entries[number]
        except KeyError:
            raise UnknownEntry(number, self.entries, self.path) from None

    def lines(self) -> Iterator[Line]:
        """Every line of every entry, in the order of the document."""
        for entry in self.entries.values():
            yield from entry.lines

    def find(self, name: str) -> Line | None:
        """The line of this name (``3.1 step 1``), or None where the runbook has none."""
        return self._by_name.get(name)

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of line to speak of: verifications only where it has any."""
        rare = any(entry.verifications for entry in self.entries.values())
        return KINDS if rare else KINDS[:-1]

    @cached_property
    def _by_name(self) -> Mapping[str, Line]:
        return {line.name: line for line in self.lines()}


def _did_you_mean(number: str, known: Mapping[str, Entry]) -> Entry | None:
    close = difflib.get_close_matches(number, known, n=1, cutoff=0.6)
    if close:
        return known[close[0]]
    wanted = number.replace("_", " ").replace("-", " ").lower().strip()
    by_title = (e for e in known.values() if wanted and wanted in e.title.lower())
    return next(by_title, None)
