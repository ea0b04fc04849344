"""A document as sections, and where in them the parts of entries begin.

A part is named by a heading, by bold words, by words before a colon, by the first words of a list's
item or by a table. All of them become the same `Mark`, so that whatever reads entries need not know
how a team writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from drillbook.runbook.blocks import Block, Span
from drillbook.runbook.labels import LONGEST, Label, Labels
from drillbook.runbook.model import Problem
from drillbook.runbook.text import collapse, spans

_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
_NUMBERED_TEXT = re.compile(r"\d+[.)]\s")
_JOINED = ":–—-"


@dataclass(slots=True)
class Mark:
    """Here begins a part of an entry."""

    label: Label
    line: int
    words: str
    """The label as it is written."""
    rest: Block | None = None
    """What stands behind it as part of its own words: ``Cause 2: a full disk``."""


Stream = list["Block | Mark"]


@dataclass
class Section:
    """A heading with what is below it, up to the next heading of its level."""

    heading: Block | None
    level: int
    blocks: list[Block] = field(default_factory=list)
    subsections: list[Section] = field(default_factory=list)
    label: Label | None = None
    stream: Stream = field(default_factory=list)
    """Its own blocks, with a mark where a part begins."""
    makes_claims: bool = False
    """Whether there is an entry's part anywhere below its heading."""

    @property
    def line(self) -> int:
        """Where its heading stands."""
        return self.heading.line if self.heading else 1

    @property
    def title(self) -> str:
        """Its heading's words."""
        return self.heading.text if self.heading else ""

    def all_blocks(self) -> Iterator[Block]:
        """Its heading and all of its own blocks, those behind a label included."""
        if self.heading:
            yield self.heading
        for one in self.stream:
            if isinstance(one, Block):
                yield one
            elif one.rest:
                yield one.rest

    def marks(self) -> Iterator[Mark]:
        """The parts that begin among its own blocks."""
        return (one for one in self.stream if isinstance(one, Mark))


class Outline:
    """Makes sections of blocks, and finds the marks in them."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.problems: list[Problem] = []

    def sections(self, blocks: Sequence[Block]) -> Section:
        """The whole document as one section without a heading."""
        root = Section(None, 0)
        path = [root]
        for block in blocks:
            if block.kind != "heading":
                path[-1].blocks.append(block)
                continue
            while path[-1].level >= block.level:
                path.pop()
            section = Section(block, block.level)
            path[-1].subsections.append(section)
            path.append(section)
        self._mark(root)
        return root

    def _mark(self, root: Section) -> None:
        """Find labels, from the innermost sections outwards."""
        order = [root]
        for section in order:
            order.extend(section.subsections)
        for section in reversed(order):
            if section.heading:
                section.label = self.labels.heading(_heading_words(section.title))
            section.stream = list(self._stream(section.blocks, section.label))
            self._settle(section)

    def _settle(self, section: Section) -> None:
        """Decide whether a heading that reads like a label is one, or that of entries below it."""
        below = [one.label for one in section.subsections if one.label]
        own = [mark.label for mark in section.marks()]
        hides_entries = any(
            one.makes_claims and not one.label for one in section.subsections
        ) and not (section.label and section.label.kind == "cause")
        begins_anew = any(one.kind in ("symptom", "cause") for one in [*below, *own])
        within = section.label and section.label.kind in ("symptom", "cause")
        if section.label and (hides_entries or (begins_anew and not within)):
            section.label = None
        section.makes_claims = any(label.kind for label in [*below, *own]) or any(
            one.makes_claims for one in section.subsections
        )

    # --- marks in blocks ---------------------------------------------------------------------
    def _stream(self, blocks: Sequence[Block], label: Label | None) -> Iterator[Block | Mark]:
        inside = bool(label and label.kind)
        for block in blocks:
            for one in self._marked(block, inside):
                if isinstance(one, Mark):
                    inside = one.label.kind is not None
                yield one

    def _marked(self, block: Block, inside: bool) -> Iterator[Block | Mark]:
        if block.kind == "paragraph":
            yield from self._paragraph(block)
        elif block.kind == "list":
            yield from self._list(block, inside)
        elif block.kind == "table":
            yield from self._table(block)
        elif block.kind == "quote" and not inside and self._labels_in(block):
            for child in block.children:
                yield from self._marked(child, inside)
        else:
            yield block

    def _labels_in(self, quote: Block) -> bool:
        paragraphs = [one for one in quote.children if one.kind == "paragraph"]
        return any(self._starts(one) for one in paragraphs)

    def _paragraph(self, block: Block) -> Iterator[Block | Mark]:
        starts = self._starts(block)
        if not starts:
            yield block
            return
        first = starts[0][0]
        if first and any(span.text.strip() for span in block.spans[:first]):
            yield _piece(block, block.spans[:first])
        ends = [start for start, *_ in starts[1:]] + [len(block.spans)]
        for (_, after, label, words), end in zip(starts, ends, strict=True):
            line = block.spans[after - 1].line if after else block.line
            yield Mark(label, line, words, _paragraph_of(label.rest, line))
            rest = _without_joint(block.spans[after:end])
            if rest:
                self._check_rest(rest, words)
                yield _piece(block, rest)

    def _check_rest(self, rest: Sequence[Span], words: str) -> None:
        lines = [one for one in rest if one.kind == "text" and _NUMBERED_TEXT.match(one.text)]
        if lines and lines[0] is rest[0]:
            reason = (
                f"the lines below {words!r} are no list: start a list at 1, or leave a blank line"
            )
            self.problems.append(Problem("not-a-list", lines[0].line, reason, fatal=True))

    def _starts(self, block: Block) -> list[tuple[int, int, Label, str]]:
        """Where labels stand in a paragraph: their spans, the label, its words."""
        found: list[tuple[int, int, Label, str]] = []
        own = block.spans
        at = 0
        while at < len(own):
            at_start = at == 0 or own[at - 1].kind == "break"
            end = at + 1
            if own[at].bold and (at == 0 or own[at - 1].bold != own[at].bold):
                while end < len(own) and own[end].bold == own[at].bold:
                    end += 1
                self._bold_start(block, at, end, at_start, found)
            elif at_start and own[at].kind == "text":
                self._plain_start(block, at, found)
            at = end
        return found

    def _bold_start(
        self, block: Block, at: int, end: int, at_start: bool,
        found: list[tuple[int, int, Label, str]],
    ) -> None:  # fmt: skip
        own = block.spans
        words = collapse("".join(one.text for one in own[at:end]))
        if len(words) > LONGEST + 20:
            return
        label = self.labels.heading(words.rstrip(": "))
        if label is None and ":" in words[:-1]:
            label = self.labels.heading(words)
        if label is None:
            return
        after = own[end] if end < len(own) else None
        ends_line = after is None or after.kind == "break"
        joined = words.endswith(":") or bool(
            after and after.kind == "text" and after.text.lstrip()[:1] in tuple(_JOINED)
        )
        if not joined and not (at_start and ends_line):
            return
        if label.kind is None and not (ends_line and at == 0 and end == len(own)):
            return  # a note within a part, not the end of it
        if not at_start and not words.endswith(":"):
            return
        found.append((at, end, label, words))

    def _plain_start(self, block: Block, at: int, found: list[tuple[int, int, Label, str]]) -> None:
        span = block.spans[at]
        words, colon, rest = span.text.partition(":")
        if not colon or len(words) > LONGEST or (rest and not rest[0].isspace()):
            return
        label = self.labels.part(words)
        if label is None or label.kind is None:
            return
        # what follows the colon becomes a span of its own, which the mark's rest begins with
        block.spans[at : at + 1] = [
            Span("text", f"{words}:", span.line),
            *([Span("text", rest.lstrip(), span.line)] if rest.strip() else []),
        ]
        found.append((at, at + 1, label, words))

    # --- lists and tables --------------------------------------------------------------------
    def _list(self, block: Block, inside: bool) -> Iterator[Block | Mark]:
        labelled = [] if inside else [self._item_label(item) for item in block.children]
        parts = {label.part for label in labelled if label}
        # numbered steps may be called as parts are: **Check**, **Verify**
        if parts & {"symptom", "cause"} if block.number is not None else parts:
            for item, starts in zip(block.children, labelled, strict=True):
                if starts:
                    yield from self._paragraph(item.children[0])
                    yield from item.children[1:]
                else:
                    yield Block("list", item.line, number=block.number, children=[item])
            return
        rest = Block("list", block.line, number=block.number)
        for item in block.children:
            rest.children.append(item)
            swallowed = self._swallowed(item)
            if swallowed:
                yield rest
                yield from self._paragraph(swallowed)
                rest = Block("list", swallowed.line, number=block.number)
        if rest.children:
            yield rest

    def _item_label(self, item: Block) -> Label | None:
        """The part that an item is, if it begins with a label."""
        first = item.children[0] if item.children else None
        if first is None or first.kind != "paragraph":
            return None
        starts = self._starts(first)
        if starts:
            return starts[0][2]
        label = self.labels.part(first.text.rstrip(": ")) if len(item.children) > 1 else None
        if label is None or not label.kind:
            return None
        first.spans = [Span("text", first.text, first.line, 1)]
        return label

    def _swallowed(self, item: Block) -> Block | None:
        """A label that Markdown takes for the last words of an item, cut off from it."""
        last = item
        while last.children and last.children[-1].kind in ("list", "item", "paragraph"):
            last = last.children[-1]
        if last.kind != "paragraph":
            return None
        for at, span in enumerate(last.spans[1:], 1):
            if span.kind != "break":
                continue
            rest = _piece(last, last.spans[at + 1 :])
            starts = self._starts(rest)
            if starts and starts[0][0] == 0:
                words = starts[0][3]
                last.spans = last.spans[:at]
                reason = f"{words!r} is part of the list above it"
                write = "Leave a blank line between the two."
                self.problems.append(Problem("swallowed-label", rest.line, reason, write))
                return rest
        return None

    def _table(self, block: Block) -> Iterator[Block | Mark]:
        head, *rows = block.children
        columns = [self.labels.part(cell.text) for cell in head.children]
        if sum(1 for label in columns if label and label.kind) > 1:
            yield from self._columns(head, rows, columns)
            return
        firsts = [
            (row, self.labels.part(row.children[0].text)) for row in block.children if row.children
        ]
        if sum(1 for _, label in firsts if label and label.kind) > 1:
            for row, label in firsts:
                if label:
                    yield Mark(label, row.line, row.children[0].text)
                    for cell in row.children[1:]:
                        yield from _lines_of_cell(cell)
            return
        yield block

    def _columns(
        self, head: Block, rows: Sequence[Block], columns: Sequence[Label | None]
    ) -> Iterator[Block | Mark]:
        for at, label in enumerate(columns):
            if label is None or label.kind is None:
                continue
            yield Mark(label, head.line, head.children[at].text)
            cells = [row.children[at] for row in rows if at < len(row.children)]
            items = [Block("item", cell.line, children=[cell]) for cell in cells if cell.spans]
            yield Block("list", head.line, children=items)


def _paragraph_of(words: str, line: int) -> Block | None:
    if not words:
        return None
    pieces = [Span("code" if code else "text", text, line) for code, text in spans(words)]
    return Block("paragraph", line, spans=pieces)


def _heading_words(title: str) -> str:
    return title.rstrip(": ") if not re.search(r":\s*\S", title) else title


def _piece(block: Block, spans: Sequence[Span]) -> Block:
    """A paragraph of some of another's spans, as bold as they were."""
    first = next((one.line for one in spans if one.kind != "break"), block.line)
    kept = [replace(one) for one in spans]
    while kept and kept[-1].kind == "break":
        kept.pop()
    offset = next((one.bold - 1 for one in kept if one.bold), 0)
    for one in kept:
        one.bold = max(one.bold - offset, 0)
    return Block("paragraph", first, spans=kept)


def _without_joint(spans: Sequence[Span]) -> list[Span]:
    """The spans after a label, without the colon or dash that joins them to it."""
    rest = list(spans)
    while rest and (rest[0].kind == "break" or not rest[0].text.strip(_JOINED + " ")):
        rest.pop(0)
    if rest and rest[0].kind == "text":
        text = re.sub(r"^\s*(?::|[–—-]\s)\s*", "", rest[0].text)
        rest[0] = Span("text", text.lstrip(), rest[0].line, rest[0].bold)
    return rest


def _lines_of_cell(cell: Block) -> Iterator[Block]:
    """A cell's lines, which ``<br>`` parts, as paragraphs."""
    spans: list[Span] = []
    for span in cell.spans:
        if span.kind == "html" and _BREAK_TAG.fullmatch(span.text.strip()):
            if spans:
                yield _piece(cell, spans)
            spans = []
        else:
            spans.append(span)
    if spans:
        yield _piece(cell, spans)
