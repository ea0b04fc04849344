"""A part of an entry as its items: each becomes one line.

Where a part has a numbered list, its numbers are the items, and whatever stands between them
unindented belongs to the one before. Else its bullets are; else its headings, its table's rows, or
its paragraphs, each with the block of code below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from drillbook.runbook.blocks import Block, parts
from drillbook.runbook.model import Command, Kind


@dataclass
class Item:
    """What will be one line."""

    line: int
    blocks: list[Block]
    number: int | None = None
    """The number it is written with."""
    sequence: int = 0
    """Which of the part's lists it is in."""
    continued: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """Its words, paragraph by paragraph."""
        return tuple(part for block in self.blocks for part in parts(block))

    @property
    def lead(self) -> str:
        """The bold words it opens with."""
        for block in self.blocks:
            for one in block.walk():
                if one.spans:
                    return one.lead if one.kind == "paragraph" else ""
        return ""

    @property
    def commands(self) -> list[Command]:
        """What is typed in it."""
        return [c for block in self.blocks for one in block.walk() for c in one.commands]


@dataclass
class Heading:
    """A heading within a part, or bold words that stand for one, with what is below it."""

    block: Block
    blocks: list[Block] = field(default_factory=list)


@dataclass
class Split:
    """The items of a part, and the blocks that are in none of them."""

    items: list[Item] = field(default_factory=list)
    prose: list[Block] = field(default_factory=list)


def split(content: Sequence[Block | Heading], kind: Kind) -> Split:
    """Find the items of a part."""
    splitter = _Splitter(kind, content)
    for one in content:
        if isinstance(one, Heading):
            splitter.heading(one)
        else:
            splitter.block(one)
    return splitter.result


def is_bold_heading(block: Block) -> bool:
    """Whether a paragraph is bold throughout, but for a colon."""
    if block.kind != "paragraph" or not block.spans or block.spans[0].bold != 1:
        return False
    rest = "".join(one.text for one in block.spans if one.bold != 1)
    return rest.strip() in ("", ":")


class _Splitter:
    def __init__(self, kind: Kind, content: Sequence[Block | Heading]) -> None:
        self.kind = kind
        self.result = Split()
        lists = [one for one in content if isinstance(one, Block) and one.kind == "list"]
        self.has_lists = bool(lists)
        self.has_numbers = any(one.number is not None for one in lists)
        self.sequence = 0
        self.closed = True
        """Whether the next paragraph begins an item of its own."""

    def heading(self, heading: Heading) -> None:
        below = split(heading.blocks, self.kind)
        numbered = [item for item in below.items if item.number is not None]
        if self.kind == "step" and len(numbered) > 1:
            self.result.prose.append(heading.block)
            self.result.prose.extend(below.prose)
            self.sequence += 1
            for item in below.items:
                item.sequence += self.sequence
            self.sequence = max(item.sequence for item in below.items)
            self.result.items.extend(below.items)
        else:
            self._add(Item(heading.block.line, [heading.block, *heading.blocks]))
        self.closed = True

    def block(self, block: Block) -> None:
        if block.kind == "list":
            self._list(block)
        elif block.kind == "paragraph":
            self._paragraph(block)
        elif block.kind == "table" and not self.has_lists:
            for row in block.children[1:]:
                self._add(Item(row.line, [row]))
            self.closed = True
        elif block.kind in ("fence", "quote", "table"):
            self._below(block)

    def _list(self, block: Block) -> None:
        if block.number is None and self.has_numbers:
            self._continue(block)
            return
        self.sequence += 1
        for item in block.children:
            self._add(Item(item.line, [item], item.number, self.sequence))

    def _paragraph(self, block: Block) -> None:
        if self.has_lists:
            self._continue(block) if block.commands else self.result.prose.append(block)
            return
        if not self.closed or (self.result.items and "xpected" in block.text[:24]):
            self.result.items[-1].blocks.append(block)
        else:
            self._add(Item(block.line, [block]))
        self.closed = not block.text.endswith(":") or self.kind == "step"

    def _below(self, block: Block) -> None:
        """Code or a quotation: it belongs to what stands above it."""
        self.closed = True
        if self.has_lists or self.result.items:
            self._continue(block)
        else:
            self._add(Item(block.line, [block]))

    def _continue(self, block: Block) -> None:
        if self.result.items:
            self.result.items[-1].blocks.append(block)
        else:
            self.result.prose.append(block)

    def _add(self, item: Item) -> None:
        self.result.items.append(item)


def misnumbered(items: Sequence[Item], before: int) -> Iterator[tuple[int, Item]]:
    """The items that carry another number than their position, of each list the first.

    A list may begin anew at 1, go on from where the last one stopped, or have the same number
    throughout, as Markdown allows. ``before`` is how many lines of the kind stand before the part.
    """
    sequences: dict[int, list[tuple[int, Item]]] = {}
    for position, item in enumerate(items, 1):
        if item.number is not None:
            sequences.setdefault(item.sequence, []).append((position, item))
    for numbered in sequences.values():
        written = [item.number for _, item in numbered]
        if len(set(written)) == 1 and written[0] in (0, 1):
            continue
        position = numbered[0][0]
        first = written[0]
        if first not in (0, 1, position, position + before):
            yield position + before, numbered[0][1]
            continue
        for at, (position, item) in enumerate(numbered):
            if item.number != (first or 0) + at:
                yield position + before, item
                break
