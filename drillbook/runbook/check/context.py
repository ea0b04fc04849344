"""What a rule looks at: one document, what lies beside it, and all documents that are checked."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from drillbook.runbook.blocks import Block, parts
from drillbook.runbook.check.beside import Beside
from drillbook.runbook.check.settings import Settings
from drillbook.runbook.check.typed import Typed, commands_of
from drillbook.runbook.document import Document
from drillbook.runbook.model import Command, Entry


@dataclass(frozen=True)
class Code:
    """A code span or a line of code, with its line."""

    text: str
    line: int
    words: str
    """The sentence or item that it stands in."""


@dataclass
class Context:
    """One document as rules see it."""

    document: Document
    beside: Beside
    settings: Settings
    others: Mapping[Path, Document] = field(default_factory=dict)
    """All documents that are checked, by their resolved path."""

    @property
    def path(self) -> Path:
        """The document's file."""
        return self.document.path

    @property
    def is_runbook(self) -> bool:
        """Whether it has entries, or is named as if it had."""
        if self.document.runbook.entries:
            return True
        names = [
            self.path.stem.lower(),
            *(one.name.lower() for one in self.path.resolve().parents[:2]),
        ]
        return any(word in name for name in names for word in ("runbook", "playbook"))

    @cached_property
    def typed(self) -> list[tuple[Command, Typed]]:
        """Each command taken apart, with those inside of it."""
        return [
            (command, typed)
            for command in self.document.commands
            for typed in commands_of(command.text)
        ]

    @cached_property
    def _passages(self) -> dict[tuple[int, str], str]:
        """The words around each command: its item or paragraph, those above it, its heading."""
        found: dict[tuple[int, str], str] = {}
        heading = above = ""
        for block in self.document.blocks:
            if block.kind == "heading":
                heading, above = block.text, ""
            for top in block.children if block.kind == "list" else [block]:
                words = " ".join(parts(top))
                for command in _commands(top):
                    found[command.line, command.text] = f"{heading}\n{above}\n{words}"
            if block.kind != "heading":
                above = " ".join(parts(block))
        return found

    def around(self, command: Command) -> str:
        """What is said beside a command: its heading, the block above it, its item or paragraph."""
        return self._passages.get((command.line, command.text), "")

    @cached_property
    def codes(self) -> list[Code]:
        """All code spans outside of blocks, with the words around them."""
        return [
            Code(span.text, span.line, block.text)
            for top in self.document.blocks
            for block in top.walk()
            for span in block.spans
            if span.kind == "code"
        ]

    def entry_at(self, line: int) -> Entry | None:
        """The entry that a line of the file stands in."""
        found = None
        for entry in self.document.runbook.entries.values():
            if entry.line <= line:
                found = entry
        return found


def did_you_mean(word: str, known: Collection[str]) -> str:
    """What to write instead: the known word most like another, or all of them if they are few."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    if close:
        return f"Write `{close[0]}`."
    listed = ", ".join(f"`{one}`" for one in sorted(known)[:12])
    more = ", …" if len(known) > 12 else ""
    return f"There are: {listed}{more}." if known else ""


def _commands(block: Block) -> Iterator[Command]:
    for one in block.walk():
        yield from one.commands
