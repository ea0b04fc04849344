"""One plain command as its words, by a parser of bash; anything more than that is refused.

What this lets through means the same to whoever reads it and to the shell that runs it: there is
nothing in it for the shell to expand, to redirect, to join or to run besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from drillbook.drill.commands import PLACEHOLDER
from drillbook.runbook.lookalikes import look_alikes

LONGEST = 1000
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
_QUOTABLE = re.compile(r"[ -~]*")

# What a shell does besides running one command, by the name that the grammar gives it.
_MORE: Mapping[str, str] = {
    "pipeline": "it hands what is shown to another command",
    "list": "it is more than one command",
    "subshell": "it is more than one command",
    "compound_statement": "it is more than one command",
    "negated_command": "it is more than one command",
    "function_definition": "it is more than one command",
    "redirected_statement": "it redirects what is shown or read",
    "file_redirect": "it redirects what is shown or read",
    "herestring_redirect": "it redirects what is shown or read",
    "heredoc_redirect": "it redirects what is shown or read",
    "command_substitution": "it has the shell run another command for its words",
    "process_substitution": "it has the shell run another command for its words",
    "variable_assignment": "it sets a variable for the command",
    "variable_assignments": "it sets a variable for the command",
    "simple_expansion": "it has a variable, whose value nobody sees beforehand",
    "expansion": "it has a variable, whose value nobody sees beforehand",
    "arithmetic_expansion": "it has the shell work out its words",
}


class Refused(Exception):
    """A command is not typed; the message says why."""


def words(command: str) -> list[str]:
    """The words of one plain command. Raises Refused where it is anything more."""
    if (placeholder := PLACEHOLDER.search(command)) is not None:
        raise Refused(f"no value is known for {placeholder[0]}")
    if (odd := look_alikes(command)) or not command.isascii() or not command.isprintable():
        raise Refused(f"it has characters that no command needs: {', '.join(odd) or 'others'}")
    if len(command) > LONGEST:
        raise Refused(f"it is longer than {LONGEST} characters")
    root = _parser().parse(command.encode()).root_node
    if root.has_error:
        raise Refused("a shell could not read it")
    if len(root.children) != 1 or root.children[0].type != "command":
        raise Refused(_first_reason(root) or "it is more than one command")
    only = root.children[0]
    found = list(_words(only))
    if _left_out(command, only).strip(" "):
        raise Refused("a shell would do something with what stands between its words")
    return found


def _left_out(command: str, node: Node) -> str:
    """What no word of it takes up: the grammar passes over an escaped blank, and bash does not."""
    taken = {at for child in node.children for at in range(child.start_byte, child.end_byte)}
    return "".join(char for at, char in enumerate(command) if at not in taken)


def _words(command: Node) -> Iterator[str]:
    for child in command.children:
        if child.type == "command_name" and len(child.children) == 1:
            yield _word(child.children[0])
        else:
            yield _word(child)


def _word(node: Node) -> str:
    if node.type == "concatenation":
        return "".join(map(_word, node.children))
    text = (node.text or b"").decode()
    if node.type in ("word", "number") and _PLAIN.fullmatch(text):
        return text
    if node.type == "raw_string" and _QUOTABLE.fullmatch(text):
        return text[1:-1]
    if node.type == "string":
        inside = text[1:-1]
        plain = all(child.type in ('"', "string_content") for child in node.children)
        if plain and _QUOTABLE.fullmatch(inside) and not set(inside) & set("\\$`!"):
            return inside
    raise Refused(_first_reason(node) or f"a shell would do something with `{text}`")


def _first_reason(node: Node) -> str | None:
    """What the first part of it that is more than a word does."""
    if node.type in _MORE:
        return _MORE[node.type]
    return next((reason for child in node.children if (reason := _first_reason(child))), None)


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))
