"""Markdown to a tree of blocks, each with its line and its words.

pulldown-cmark does the parsing (through pyromark): its cost grows with the bytes and nothing else,
whatever they are. It hands over a flat list of events; nothing here calls itself, so that no depth
of nesting is too deep.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pyromark

from drillbook.runbook.model import Problem
from drillbook.runbook.text import as_code, collapse, normal

BlockKind = Literal[
    "root", "heading", "paragraph", "list", "item", "fence", "quote", "html", "table", "row", "rule"
]
SpanKind = Literal["text", "code", "html", "break"]

_OPTIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_TASKLISTS
    | pyromark.Options.ENABLE_HEADING_ATTRIBUTES
)
_PARSER = pyromark.Markdown(options=_OPTIONS)
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n((?:[\w\"'-][^\n]*:[^\n]*\n|[ \t#-][^\n]*\n|\n)*?)---[ \t]*\n"
)
_CONTAINERS: dict[str, BlockKind] = {
    "Item": "item",
    "BlockQuote": "quote",
    "List": "list",
    "Table": "table",
    "TableHead": "row",
    "TableRow": "row",
    "TableCell": "paragraph",
    "Heading": "heading",
    "Paragraph": "paragraph",
    "CodeBlock": "fence",
    "HtmlBlock": "html",
}
_TEXT_HOLDERS = frozenset({"heading", "paragraph", "fence", "html"})
_FENCE_IN_CODE = re.compile(r"\A\s*(`{3,}|~{3,})([^\n`]*)\n(.*?)(?:\n\s*\1[`~]*\s*)?\Z", re.DOTALL)


_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SPANS: dict[str, SpanKind] = {
    "Text": "text",
    "Code": "code",
    "InlineHtml": "html",
    "Html": "html",
}
MOST_EVENTS = 100_000
"""How much of a file is read. A runbook of 40 kB has 3,000 of the parser's events."""


@dataclass(slots=True)
class Span:
    """A stretch of a paragraph's words."""

    kind: SpanKind
    text: str
    line: int
    bold: int = 0
    """Which of the paragraph's bold stretches it belongs to, from 1; 0 for none."""


@dataclass(slots=True)
class Block:
    """A block of Markdown."""

    kind: BlockKind
    line: int
    level: int = 0
    """Of a heading, from 1."""
    number: int | None = None
    """Of an item, the number it is written with; of a list, that of its first item."""
    info: str = ""
    """Of a fence, what stands behind its backticks; of a heading, the id it is given."""
    content: str = ""
    """Of a fence or HTML, its lines."""
    closed: bool = True
    """Whether a fence has an end."""
    fenced: bool = False
    """Whether a block of code has a fence, or is merely indented."""
    spans: list[Span] = field(default_factory=list)
    children: list[Block] = field(default_factory=list)
    commands: list[Any] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its own words on one line, without emphasis and link targets, code in backticks."""
        return normal("".join(map(_flat, self.spans)))

    @property
    def lead(self) -> str:
        """The bold words it opens with."""
        return self.bold_text(1) if self.spans and self.spans[0].bold == 1 else ""

    def bold_text(self, number: int) -> str:
        """The words of one of its bold stretches."""
        return collapse("".join(_flat(one) for one in self.spans if one.bold == number))

    def walk(self) -> Iterator[Block]:
        """The block and all below it, in the order of the document."""
        waiting = [self]
        while waiting:
            block = waiting.pop()
            yield block
            waiting.extend(reversed(block.children))


@dataclass(slots=True)
class Link:
    """A link, with where it leads."""

    target: str
    line: int


@dataclass
class Tree:
    """A parsed file."""

    blocks: list[Block]
    links: list[Link]
    front_matter: str
    problems: list[Problem]


def parse(text: str) -> Tree:
    """The blocks of a text, links and front matter apart. Never raises."""
    front_matter = _FRONT_MATTER.match(text)
    if front_matter:
        text = "\n" * front_matter[0].count("\n") + text[front_matter.end() :]
    builder = _Builder(text)
    builder.build()
    return Tree(
        builder.root.children,
        builder.links,
        front_matter[1] if front_matter else "",
        builder.problems,
    )


def parts(block: Block) -> Iterator[str]:
    """The paragraphs below a block, each on one line; of code, each line that has any."""
    for one in block.walk():
        if one.kind == "fence":
            lines = [as_code(collapse(ln)) for ln in logical_lines(one.content) if ln.strip()]
        elif one.kind == "html":
            lines = [_COMMENT.sub("", one.content)]
        elif one.spans:
            text = one.text
            if text:
                yield text
            continue
        else:
            continue
        yield from filter(None, map(normal, lines))


def logical_lines(code: str) -> list[str]:
    """Lines of code, those that end in a backslash joined with the next."""
    return re.sub(r"\\\n\s*", " ", code).splitlines()


def _flat(span: Span) -> str:
    return as_code(collapse(span.text)) if span.kind == "code" else span.text


class _Builder:
    """Turns the parser's events into blocks."""

    def __init__(self, text: str) -> None:
        self.source = text
        self.raw = text.encode()
        self.line_starts = [0, *(m.end() for m in re.finditer(rb"\n", self.raw))]
        self.root = Block("root", 1)
        self.open = [self.root]
        self.links: list[Link] = []
        self.problems: list[Problem] = []
        self.code: list[str] = []
        self.row = 1
        """The line that is being read."""
        self.bold = self.bold_depth = 0
        self.implicit = False
        """Whether the open paragraph is that of a tight item, which the parser does not name."""

    def line(self, offset: int) -> int:
        return bisect_right(self.line_starts, offset)

    def build(self) -> None:
        start, end, inline = self._start, self._end, self._inline
        for number, (event, range_) in enumerate(_PARSER.events_with_range(self.source)):
            if number == MOST_EVENTS:
                self._stop(range_["start"])
                break
            if isinstance(event, str):
                self._plain(event, range_["start"])
                continue
            parts_: dict[str, Any] = event  # type: ignore[assignment] # one of many typed dicts
            for name, value in parts_.items():
                if name == "Start":
                    start(value, range_["start"], range_["end"])
                elif name == "End":
                    end(value)
                else:
                    inline(name, value, range_["start"])
        self._close_implicit()

    def _stop(self, offset: int) -> None:
        """Say where reading ends in a file that is no runbook, for it has more than any has."""
        reason = f"reading stops here: the file has more than {MOST_EVENTS} pieces"
        self.problems.append(
            Problem("unreadable", self.line(offset), reason, "Split the file.", fatal=True)
        )

    def _plain(self, event: str, offset: int) -> None:
        if event == "Rule":
            self._close_implicit()
            self.open[-1].children.append(Block("rule", self.line(offset)))
        elif event in ("SoftBreak", "HardBreak"):
            self.open[-1].spans.append(Span("break", " ", self.row, self._bold()))
            self.row += 1

    def _start(self, tag: Any, offset: int, end: int) -> None:
        name: str
        value: Any
        name, value = (tag, None) if isinstance(tag, str) else next(iter(tag.items()))
        kind = _CONTAINERS.get(name)
        if kind is None:
            self._start_inline(name, value, offset)
            return
        self._close_implicit()
        self.row = self.line(offset)
        block = Block(kind, self.row)
        if name == "Heading":
            block.level, block.info = int(value["level"][1]), value["id"] or ""
        elif name == "List":
            block.number = value
        elif name == "Item":
            block.number = self._written_number(offset)
        elif name == "CodeBlock":
            self._begin_code(block, value, offset, end)
        if kind in _TEXT_HOLDERS:
            self.bold = self.bold_depth = 0
        self.open[-1].children.append(block)
        self.open.append(block)

    def _start_inline(self, name: str, value: Any, offset: int) -> None:
        if name == "Strong":
            self._holder(offset)
            self.bold_depth += 1
            self.bold += self.bold_depth == 1
        elif name in ("Link", "Image") and isinstance(value, dict):
            self.links.append(Link(value.get("dest_url", ""), self.line(offset)))

    def _begin_code(self, block: Block, value: Any, offset: int, end: int) -> None:
        if isinstance(value, str):
            return
        block.info, block.fenced = value["Fenced"].strip(), True
        source = self.raw[offset:end].rstrip()
        fence = source[:3]
        last = source[source.rfind(b"\n") + 1 :].strip(b" >\t")
        block.closed = b"\n" in source and last.startswith(fence) and not last.strip(fence[:1])

    def _written_number(self, offset: int) -> int | None:
        written = re.compile(rb"\s*(\d{1,9})[.)]").match(self.raw, offset, offset + 20)
        return int(written[1]) if written else None

    def _end(self, tag: Any) -> None:
        name = tag if isinstance(tag, str) else next(iter(tag))
        if name not in _CONTAINERS:
            if name == "Strong":
                self.bold_depth -= 1
            return
        self._close_implicit()
        block = self.open.pop()
        if block.kind in ("fence", "html"):
            block.content = "".join(self.code)
            self.code.clear()
        if block.kind == "fence":
            self._end_code(block)

    def _end_code(self, block: Block) -> None:
        inner = None if block.fenced else _FENCE_IN_CODE.match(block.content)
        if inner:  # a fence in a block that is indented further than Markdown allows
            block.info, block.fenced, block.content = inner[2].strip(), True, inner[3] + "\n"
        if not block.closed:
            reason = "a block of code begins here and does not end"
            write = "End it with a line of three backticks."
            self.problems.append(Problem("unclosed-block", block.line, reason, write))

    def _inline(self, name: str, value: str, offset: int) -> None:
        top = self.open[-1]
        kind = top.kind
        if kind == "fence" or kind == "html":  # noqa: PLR1714 - this runs for each word
            self.code.append(value)
            return
        if kind != "paragraph" and kind != "heading":  # noqa: PLR1714
            top = self._holder(offset)
        span = _SPANS.get(name)
        if span is None:
            return
        if span == "html" and value.startswith("<!--"):
            return  # a comment is no part of the words
        if span != "text":
            self.row = self.line(offset)
        top.spans.append(Span(span, value, self.row, self.bold if self.bold_depth else 0))

    def _holder(self, offset: int) -> Block:
        """The block that takes words; one of its own in a tight item, which has no paragraph."""
        top = self.open[-1]
        if top.kind in _TEXT_HOLDERS:
            return top
        self.row = self.line(offset)
        paragraph = Block("paragraph", self.row)
        top.children.append(paragraph)
        self.open.append(paragraph)
        self.implicit = True
        self.bold = self.bold_depth = 0
        return paragraph

    def _close_implicit(self) -> None:
        if self.implicit:
            self.implicit = False
            self.open.pop()

    def _bold(self) -> int:
        return self.bold if self.bold_depth else 0
