"""What is remembered of a runbook: the words that were read against its drills, and the proofs.

The lock of ``runbook.md`` is ``runbook.lock`` beside it; each edition has its own. It is JSON, so
that any program can read it, in the runbook's order and indented, so that a change reads well in a
diff::

    {
      "version": 2,
      "lines": {
        "3.1 symptom 1": {
          "compose": {
            "words": "The application's log says that the database cannot be reached: …",
            "proven_by": [
              {
                "drill": "scenarios/test_3_1_….py::test_database_container_crashed",
                "title": "The database container crashed",
                "run": "2026-11-25T04-13-29",
                "at": "2026-11-25T04:15:02Z",
                "how": "seen",
                "detector": "drillbook.symptoms.logs.mention"
              }
            ]
          }
        }
      }
    }

``words`` were read against the drill by whoever ran it with ``--lock``. ``proven_by`` says which
drills proved the line in these words, on that platform: all that a prober on another machine has
to know of where its detector was seen to fire.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from drillbook.runbook.model import KINDS

VERSION = 2
ABOUT = (
    "The words of each line that were read against its drills, and the drills that proved them. "
    "Written by ./run drills ENTRY --lock."
)


class LockError(Exception):
    """A lock cannot be read; the message starts with the file, and names the line or the key."""


@dataclass(frozen=True)
class Proof:
    """One drill that proved a line."""

    drill: str
    """The scenario's function, as pytest names it."""
    title: str
    run: str
    """The run's name, which is that of its folder."""
    at: str
    """When: ISO 8601, in UTC."""
    how: str
    """What it did: brought about a cause, saw a symptom, typed a step …"""
    detector: str = ""
    """The function that saw a symptom, as Python names it; the command, where one was typed."""


@dataclass(frozen=True)
class LockedLine:
    """A line in the words that were read against its drills, on one platform."""

    name: str
    """``3.1 step 1``."""
    platform: str
    words: str
    proven_by: tuple[Proof, ...] = ()

    @property
    def entry(self) -> str:
        """The number of the entry that it belongs to."""
        return self.name.rsplit(" ", 2)[0]

    def __str__(self) -> str:
        return f"{self.name} {self.platform}"


@dataclass(frozen=True)
class Lock:
    """The lines of a lock, in the runbook's order."""

    path: Path
    lines: tuple[LockedLine, ...] = ()

    def __iter__(self) -> Iterator[LockedLine]:
        return iter(self.lines)

    def get(self, name: str, platform: str) -> LockedLine | None:
        """What it holds of a line on a platform, if anything."""
        return self._by_name.get((name, platform))

    @cached_property
    def _by_name(self) -> Mapping[tuple[str, str], LockedLine]:
        return {(one.name, one.platform): one for one in self.lines}


@dataclass(frozen=True)
class Locks:
    """Which words of an edition of the runbook were read against the drills.

    Its own lock counts first. What that does not hold is compared with the lock of the project,
    whose words the drills were written against.
    """

    own: Lock
    project: Lock | None = None
    """None where the edition is the project's own runbook."""

    def get(self, name: str, platform: str) -> LockedLine | None:
        """What was read of a line on a platform, if anything."""
        found = self.own.get(name, platform)
        if found is None and self.project is not None:
            return self.project.get(name, platform)
        return found


def of_edition(runbook: Path, project: Path) -> Locks:
    """The locks of an edition, where ``project`` is the project's own. Raises LockError."""
    own = read(beside(runbook))
    if runbook.resolve() == project.resolve():
        return Locks(own)
    return Locks(own, read(beside(project)))


def beside(runbook: Path) -> Path:
    """Where the lock of a runbook is: ``wiki/runbook.lock`` for ``wiki/runbook.md``."""
    return runbook.with_suffix(".lock")


def read(path: Path) -> Lock:
    """Read a lock; one without lines where there is no file. Raises LockError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Lock(path)
    except OSError as error:
        raise LockError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LockError(f"{path}: not the lock of a runbook: it is no UTF-8 text") from None
    try:
        document = json.loads(text, object_pairs_hook=_without_repeats)
    except ValueError as error:
        at = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise LockError(f"{path}{at}: not the lock of a runbook: {error}") from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise LockError(f'{path}: not the lock of a runbook: it has no "version": {VERSION}')
    lines = _mapping(path, "lines", document.get("lines"))
    platforms = (
        (name, platform, value)
        for name, by_platform in lines.items()
        for platform, value in _mapping(path, name, by_platform).items()
    )
    return Lock(path, tuple(_line(path, *one) for one in platforms))


def require_writable(lock: Lock) -> None:
    """Raise LockError where the lock could not be written: better before a run than after it."""
    folder = lock.path.parent
    if not os.access(folder, os.W_OK):
        raise LockError(f"{lock.path}: cannot be written: no leave to write in {folder}")


def write(path: Path, lines: Iterable[LockedLine]) -> None:
    """Write a lock, its lines in the order given. Raises OSError."""
    document: dict[str, Any] = {"version": VERSION, "about": ABOUT, "lines": {}}
    for line in lines:
        proofs = [_without_blanks(asdict(proof)) for proof in line.proven_by]
        platforms = document["lines"].setdefault(line.name, {})
        platforms[line.platform] = {"words": line.words, "proven_by": proofs}
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    whole = path.with_name(path.name + ".new")  # a kill in mid-write leaves the old lock
    whole.write_text(text, encoding="utf-8")
    whole.replace(path)


def _line(path: Path, name: str, platform: str, value: object) -> LockedLine:
    where = f"{name} {platform}"
    entry, _, position = name.partition(" ")
    kind, _, number = position.partition(" ")
    if not entry or kind not in KINDS or not number.isdecimal():
        raise LockError(f"{path}: {name!r} names no line of a runbook, as '3.1 step 1' does")
    held = _mapping(path, where, value)
    words, proofs = held.get("words"), held.get("proven_by", [])
    if not isinstance(words, str) or not words:
        raise LockError(f'{path}: {where}: "words" is no text')
    if not isinstance(proofs, list):
        raise LockError(f'{path}: {where}: "proven_by" is no list')
    return LockedLine(name, platform, words, tuple(_proof(path, where, one) for one in proofs))


def _proof(path: Path, where: str, value: object) -> Proof:
    held = {"detector": ""} | _mapping(path, f"{where}: proven_by", value)
    for one in fields(Proof):
        if not isinstance(held.get(one.name), str):
            raise LockError(f"{path}: {where}: proven_by: {one.name!r} is no text")
    return Proof(**{one.name: held[one.name] for one in fields(Proof)})


def _mapping(path: Path, where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LockError(f"{path}: {where}: not an object with names in it")
    return value


def _without_blanks(held: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in held.items() if value}


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that is there twice, as after a merge: one of the two would be forgotten."""
    held: dict[str, Any] = {}
    for name, value in pairs:
        if name in held:
            raise ValueError(f"{name!r} is in it twice")
        held[name] = value
    return held
