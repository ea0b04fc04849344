"""Following a documented step: is the command in the step, and did it show what it should."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drillbook.runbook import Line
from drillbook.terminal import Output, Transcript, Typed

WRONG_COMMAND_S = 6.0
GIST = 300
PLACEHOLDER = re.compile(r"<([A-Za-z][\w -]*)>")


class MissingPlaceholder(ValueError):
    """A scenario gave no value for a placeholder of the command that it types."""


@dataclass(frozen=True)
class Otherwise:
    """What a step was to show, and what it showed instead."""

    expected: str
    saw: str


def filled(command: str, values: Mapping[str, str], *, strict: bool = True) -> str:
    """Fill in ``<service_name>`` from ``service_name=``; hyphens and spaces read as ``_``.

    Raises MissingPlaceholder where ``strict`` and a value is missing.
    """

    def value(found: re.Match[str]) -> str:
        name = re.sub(r"[ -]", "_", found[1])
        if name in values:
            return values[name]
        if strict:
            raise MissingPlaceholder(f"`{command}` wants a value for {found[0]}: pass {name}=…")
        return found[0]

    return PLACEHOLDER.sub(value, command)


def undocumented(line: Line, typed: Sequence[Typed]) -> str | None:
    """The first of these commands that the step does not contain, if any."""
    return next((one.command for one in typed if one.command not in line.commands), None)


def closest(line: Line, command: str) -> str | None:
    """The command of the step that looks most like another one, if it has any."""
    here = line.commands_for("compose")
    if not here:
        return None
    return max(here, key=lambda one: difflib.SequenceMatcher(None, one, command).ratio())


def as_documented(
    line: Line, typed: Sequence[Typed], values: Mapping[str, str]
) -> list[Typed] | None:
    """What the runbook has in place of these lines, to type for the record of what it does.

    None where it has nothing to type instead.
    """
    instead: list[Typed] = []
    for one in typed:
        command = one.command if one.command in line.commands else closest(line, one.command)
        if command is None:
            return None
        instead.append(Typed(filled(command, values, strict=False)))
    return instead


def shown_otherwise(transcript: Transcript, typed: Sequence[Typed]) -> Otherwise | None:
    """The first line that did not show what it should, did not end or failed; None if all held.

    A line that says what it shows may exit as it likes: that `ping` fails can be the very thing
    that is wanted of it.
    """
    for number, line in enumerate(typed):
        if number >= len(transcript.outputs):
            return Otherwise(f"a prompt to type `{line.command}` at", _ending(transcript))
        output = transcript.outputs[number]
        if line.shows and not re.search(line.shows, output.text, re.MULTILINE):
            return Otherwise(f"`{output.command}` to show /{line.shows}/", _told(output))
        if not output.ended:
            return Otherwise(f"`{output.command}` to end by itself", _told(output))
        if not line.shows and output.exit_status:
            return Otherwise(f"`{output.command}` to succeed", _told(output))
    return None


def gist(transcript: Transcript, typed: Sequence[Typed]) -> str:
    """The line that showed what was wanted, or else the last one, a line a command."""
    told = []
    for output, line in zip(transcript.outputs, typed, strict=False):
        found = re.search(line.shows, output.text, re.MULTILINE) if line.shows else None
        lines = output.text.strip().splitlines()
        if found:
            start = output.text.rfind("\n", 0, found.start()) + 1
            told.append(output.text[start:].partition("\n")[0].strip()[:GIST])
        elif lines:
            told.append(lines[-1].strip()[:GIST])
    return "\n".join(told).strip() or "no output"


def _told(output: Output) -> str:
    tail = "\n".join(output.text.splitlines()[-15:]) or "no output"
    status = f"\n[exit status {output.exit_status}]" if output.exit_status else ""
    return f"{tail}{'' if output.ended else chr(10) + '[interrupted: it did not end]'}{status}"


def _ending(transcript: Transcript) -> str:
    return _told(transcript.outputs[-1]) if transcript.outputs else "nothing"
