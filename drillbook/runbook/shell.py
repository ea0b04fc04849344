"""Shell, parsed by tree-sitter's grammar of bash: statements of a block, words of a command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bash.language()))
_PLACEHOLDER = re.compile(
    r"""(?<![<\w])<([A-Za-z_$#{][^<>\n|;&`]{0,80}?)(?<![\ -])>(?!>)
    |\{\{[^{}\n]{1,80}\}\}
    |\[\[[A-Za-z][\w\ -]*\]\]""",
    re.VERBOSE,
)
_LONGEST = 64 * 1024
_BLANK = re.compile(r"[ \t]+")


@dataclass(frozen=True)
class Statement:
    """What is typed at once: all that a shell reads before it asks for more."""

    text: str
    row: int
    """Of the block, from 0."""
    last_row: int
    sound: bool
    """Whether it is whole and correct shell."""


@dataclass(frozen=True)
class Simple:
    """A command with its arguments, wherever in a statement it stands."""

    words: tuple[str, ...]
    """Unquoted, where the quotes hold no more than plain text."""
    assigned: tuple[str, ...] = ()
    """What is set before it, ``NAME=value`` each."""


def masked(text: str) -> str:
    """The text, each placeholder as one word of its length: ``<pod>`` is no redirection."""

    def word(match: re.Match[str]) -> str:
        return re.sub(r"[^\w\n]", "_", match[0])

    return _PLACEHOLDER.sub(word, text) if "<" in text or "{{" in text or "[[" in text else text


def statements(source: str) -> list[Statement]:
    """The statements of a block of shell, comments left out. Costs as much as the block is long."""
    if len(source) > _LONGEST:
        return [Statement(source, 0, source.count("\n"), sound=False)]
    text = masked(source)
    raw, shown = text.encode(), source.encode()
    if len(raw) != len(shown):  # a placeholder in other letters than ASCII
        shown = raw
    root = _PARSER.parse(raw).root_node
    found: list[Statement] = []
    last: tuple[int, int, int, int, bool] | None = None
    for node in root.children:
        if node.type in ("comment", ";", "\n", "&"):
            continue
        start, end = node.start_byte, node.end_byte
        here = (start, end, node.start_point.row, _last_row(node), not node.has_error)
        if last and here[2] <= last[3]:  # `a; b`: typed as one
            last = (last[0], max(end, last[1]), last[2], max(here[3], last[3]), last[4] and here[4])
            continue
        if last:
            found.append(_statement(shown, last))
        last = here
    if last:
        found.append(_statement(shown, last))
    return found


def sound(command: str) -> bool:
    """Whether a command is whole and correct shell."""
    return not _PARSER.parse(masked(command).encode()[:_LONGEST]).root_node.has_error


@lru_cache(maxsize=8192)
def simple_commands(command: str) -> tuple[Simple, ...]:
    """The commands in a statement: of each side of a pipe, in loops, in ``$(…)``."""
    shown, raw = command.encode()[:_LONGEST], masked(command).encode()[:_LONGEST]
    if len(shown) != len(raw):  # a placeholder in other letters than ASCII
        shown = raw
    root = _PARSER.parse(raw).root_node
    return tuple(_simple(node, shown) for node in _walk(root) if node.type in _COMMANDS)


def tidy(command: str) -> str:
    """A command on one line: continued lines joined, and blanks outside of quotes as one."""
    joined = re.sub(r"\\\n\s*", " ", command).strip()
    if "\n" in joined:
        return joined
    if "'" not in joined and '"' not in joined:
        return " ".join(joined.split())
    pieces = re.split(r"""("(?:\\.|[^"\\])*"|'[^']*')""", joined)
    return "".join(p if at % 2 else _BLANK.sub(" ", p) for at, p in enumerate(pieces))


_COMMANDS = ("command", "declaration_command", "unset_command")


def _last_row(node: Node) -> int:
    end = node.end_point
    return end.row - 1 if end.column == 0 and end.row > node.start_point.row else end.row


def _statement(source: bytes, found: tuple[int, int, int, int, bool]) -> Statement:
    start, end, row, last_row, whole = found
    return Statement(source[start:end].decode("utf-8", "replace"), row, last_row, whole)


def _walk(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        if node.child_count:
            waiting.extend(reversed(node.children))


def _simple(node: Node, shown: bytes) -> Simple:
    words, assigned = [], []
    for child in node.children:
        text = shown[child.start_byte : child.end_byte].decode("utf-8", "replace")
        if child.type == "variable_assignment":
            assigned.append(text)
            if node.type == "declaration_command":
                words.append(text)
        elif "redirect" not in child.type and child.type != "ERROR":
            words.append(_unquoted(text))
    return Simple(tuple(words), tuple(assigned))


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text
