"""Following a documented step: is the command in the line, and did it show what it should."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from drillbook import journal as events
from drillbook.drill.commands import PLACEHOLDER, Command, Doing, filled, for_platform, words_of
from drillbook.drill.deadlines import Deadlines
from drillbook.drill.errors import (
    AlertError,
    CommandNotInRunbook,
    StepError,
    StepNotInRunbook,
    StepShowedOtherwise,
)
from drillbook.drill.only_looks import refusal
from drillbook.drill.record import Record
from drillbook.journal import Phase, Ref
from drillbook.looking import Action, Clock, Look, NeverSeen, Unavailable, until
from drillbook.platforms import Stack
from drillbook.runbook import Line
from drillbook.runbook.lookalikes import seems
from drillbook.terminal import Output, Transcript, Typed

GIST = 300


@dataclass(frozen=True)
class Otherwise:
    """What a step was to show, and what it showed instead."""

    expected: str
    saw: str


@dataclass
class Steps:
    """Follows the steps of one drill, and keeps the errors of those that did not hold.

    Such an error leaves the system as it is, so the drill raises it at its end.
    """

    record: Record
    stack: Stack
    causes: tuple[int, ...]
    deadlines: Deadlines
    clock: Clock
    failed: list[StepError | AlertError] = field(default_factory=list)

    # --- what a drill asks for -----------------------------------------------------------------
    def line(self, number: int, doing: Doing) -> Line | None:
        """Step ``number`` of the entry; None, and an error for later, where it has no such step."""
        entry = self.record.entry
        if 1 <= number <= len(entry.steps):
            return entry.steps[number - 1]
        last = f"{entry.number} ends with step {len(entry.steps)}"
        line = entry.causes[self.causes[0] - 1] if self.causes else entry.steps[-1]
        expected = f"a step {number} that says to {words_of(doing)}"
        message = self.record.message("step", line, expected, last=last)
        self.failed.append(self.record.failed(StepNotInRunbook, line, message))
        return None

    def chosen(self, line: Line | None, forms: Sequence[Doing]) -> Doing | None:
        """What is done on this platform; None, and why in the journal, where there is no form."""
        doing = for_platform(forms, self.stack.platform)
        if doing is None and line is not None:
            why = f"the drill has no form of it for {self.stack.platform}"
            self.record.write(events.LineNotExercised(Ref.to(line), why))
        return doing

    def follow(self, line: Line, doing: Doing) -> None:
        """Type the command or perform the prose; what does not hold is kept for the drill's end."""
        self.record.enter("step", self.words(doing))
        with self.record.busy():
            if isinstance(doing, Command):
                self._type(line, doing)
            else:
                self._perform(line, doing)

    def words(self, doing: Doing) -> str:
        """What is typed, placeholders filled in, or what is done."""
        if isinstance(doing, Command):
            return self._fill(doing.words, doing)
        return words_of(doing)

    def type_fix(self, line: Line | None, command: Command) -> tuple[Transcript, Otherwise | None]:
        """Type a command that heals; returns what it showed, and what it should have shown.

        It is the drill's own, even where the line has another: that is not typed.
        """
        if line is not None and self._missing(line, command) is not None:
            self._type_in_place(line, command, looks=False)
        lines = self._filled(command)
        transcript = self._typed(lines, command.deadline_s)
        otherwise = shown_otherwise(transcript, lines)
        if line is not None:
            self._require_shown(line, otherwise)
        return transcript, otherwise

    def type_symptom(self, command: Command) -> Look:
        """A look that types a symptom's command, the drill's own, and looks at what it shows."""
        lines = self._filled(command)

        def look() -> str:
            transcript = self._typed(lines, command.deadline_s)
            otherwise = shown_otherwise(transcript, lines)
            assert otherwise is None, otherwise.saw
            return gist(transcript, lines)

        return Look(f"`{lines[0].command}` shows /{command.shows}/", look)

    def require_documented(self, line: Line, command: Command) -> None:
        """Where a symptom that was seen names another command, type that as well."""
        if self._missing(line, command) is not None:
            self._type_in_place(line, command)

    # --- within ------------------------------------------------------------------------------
    def _type(self, line: Line, command: Command) -> None:
        if self._missing(line, command) is not None:
            self._type_in_place(line, command)
            return
        began_s = time.monotonic()
        lines = self._filled(command)
        transcript = self._typed(lines, command.deadline_s)
        ok = self._require_shown(line, shown_otherwise(transcript, lines))
        written = [one.command for one in command.lines]
        saw = gist(transcript, lines)
        self._taken(line, lines, ok, saw, began_s, str(transcript), written)

    def _perform(self, line: Line, doing: Look | Action) -> None:
        began_s = time.monotonic()
        # a look may have to wait for what it looks for; an action is done once
        patience_s = 0.0 if isinstance(doing, Action) else self.deadlines.look_s
        try:
            saw, otherwise = until(doing, patience_s, clock=self.clock).saw, None
        except NeverSeen as never:
            saw = never.last
            otherwise = Otherwise(doing.what, saw)
        except Unavailable as unavailable:
            self.record.write(events.LineNotExercised(Ref.to(line), str(unavailable)))
            return
        ok = self._require_shown(line, otherwise)
        self._taken(line, [], ok, saw, began_s, "")

    def _taken(  # noqa: PLR0913, PLR0917
        self,
        line: Line,
        typed: Sequence[Typed],
        ok: bool,
        saw: str,
        began_s: float,
        shown: str,
        written: Sequence[str] = (),
    ) -> None:
        how: Literal["typed", "prose"] = "typed" if typed else "prose"
        commands = [one.command for one in typed]
        took_s = time.monotonic() - began_s
        self.record.write(
            events.StepTaken(Ref.to(line), how, commands, ok, saw, shown, took_s, list(written))
        )

    def _missing(self, line: Line, command: Command) -> str | None:
        """The first of the drill's commands that the line does not have on this platform."""
        return undocumented(line.commands_for(self.stack.platform), command.lines)

    def _type_in_place(self, line: Line, command: Command, *, looks: bool = True) -> None:
        """Type what the line has in place of the drill's command, where it may be typed.

        It may be where it only looks (not for a fix: then ``looks`` is false), and where it is
        the drill's own but for characters that look like others. What shows the same is no
        contradiction, and in words that nobody read no proof either.
        """
        documented = line.commands_for(self.stack.platform)
        instead = as_documented(documented, command.lines)
        refused = self._refusal(command, instead, looks=looks)
        if refused is not None:
            self._leave_untyped(line, command, *refused)
            return
        began_s = time.monotonic()
        lines = [replace(one, command=self._fill(one.command, command)) for one in instead]
        transcript = self._typed(lines, command.deadline_s)
        otherwise = shown_otherwise(transcript, lines)
        if otherwise is not None:
            last = f"{otherwise.saw}\ntyped as the runbook has it:\n{transcript}"
            self._fail_missing(line, command, last, claim=True)
        self.record.write(
            events.StepTaken(
                Ref.to(line),
                "typed",
                [one.command for one in lines],
                otherwise is None,
                gist(transcript, lines),
                str(transcript),
                time.monotonic() - began_s,
                [one.command for one in instead],
                command.words,
            )
        )

    def _refusal(
        self, command: Command, instead: Sequence[Typed], *, looks: bool
    ) -> tuple[str, str] | None:
        """The first of these that may not be typed, and why."""
        if not instead:
            return "", f"the line has no command for {self.stack.platform}"
        for own, one in zip(command.lines, instead, strict=False):
            if one.command == own.command or seems(one.command, own.command):
                continue
            if not looks:
                return one.command, "what heals is typed only in the drill's own words"
            reason = refusal(self._fill(one.command, command), self.stack.reach())
            if reason is not None:
                return one.command, reason
        return None

    def _leave_untyped(self, line: Line, command: Command, other: str, reason: str) -> None:
        self.record.write(events.CommandUntyped(Ref.to(line), command.words, other, reason))
        self._fail_missing(line, command, f"`{other}` was not typed: {reason}" if other else reason)

    def _fail_missing(
        self, line: Line, command: Command, last: str, *, claim: bool = False
    ) -> None:
        """Keep the error for the drill's end; ``claim`` is whether the line was found wrong."""
        has = ", ".join(f"`{one}`" for one in line.commands) or "no command"
        expected = f"`{self._missing(line, command)}` in this {line.kind}"
        phase: Phase = "symptom" if line.kind == "symptom" else "step"
        message = self.record.message(phase, line, expected, last=f"it has: {has}\n{last}")
        kind = CommandNotInRunbook
        self.failed.append(self.record.failed(kind, line, message) if claim else kind(message))

    def _require_shown(self, line: Line, otherwise: Otherwise | None) -> bool:
        if otherwise is None:
            return True
        message = self.record.message("step", line, otherwise.expected, last=otherwise.saw)
        self.failed.append(self.record.failed(StepShowedOtherwise, line, message))
        return False

    def _typed(self, lines: Sequence[Typed], deadline_s: float) -> Transcript:
        terminal = self.stack.terminal()
        return terminal.type(lines[0], session=lines[1:], deadline_s=deadline_s)

    def _filled(self, command: Command) -> list[Typed]:
        values = self._values(command.lines, command)
        return [replace(one, command=filled(one.command, values)) for one in command.lines]

    def _fill(self, words: str, command: Command) -> str:
        """Fill in what is known, for words that may have placeholders of their own."""
        return filled(words, self._values([Typed(words)], command), strict=False)

    def _values(self, lines: Sequence[Typed], command: Command) -> dict[str, str]:
        """The values of placeholders in these lines: the platform's, then the scenario's own."""
        names = {name for one in lines for name in PLACEHOLDER.findall(one.command)}
        known = {name: self.stack.placeholder(name) for name in names - command.fill.keys()}
        return {name: value for name, value in known.items() if value} | dict(command.fill)


def undocumented(documented: Sequence[str], typed: Sequence[Typed]) -> str | None:
    """The first of these commands that a line does not contain for a platform, if any."""
    return next((one.command for one in typed if one.command not in documented), None)


def closest(documented: Sequence[str], command: str) -> str | None:
    """The command of a line that looks most like another one, if it has any."""
    if not documented:
        return None
    return max(documented, key=lambda one: difflib.SequenceMatcher(None, one, command).ratio())


def as_documented(documented: Sequence[str], typed: Sequence[Typed]) -> list[Typed]:
    """What a line has in place of these: each as it is, else what looks most like it.

    Where the command that opens a session is another, its session is left out: nobody knows what
    would read it. Empty where the line has nothing.
    """
    instead: list[Typed] = []
    for one in typed:
        command = one.command if one.command in documented else closest(documented, one.command)
        if command is None:
            return []
        instead.append(replace(one, command=command))
    opens = bool(instead) and (
        instead[0].command == typed[0].command or seems(instead[0].command, typed[0].command)
    )
    return instead if opens else instead[:1]


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
    parts = []
    for output, line in zip(transcript.outputs, typed, strict=False):
        match = re.search(line.shows, output.text, re.MULTILINE) if line.shows else None
        lines = output.text.strip().splitlines()
        if match:
            start = output.text.rfind("\n", 0, match.start()) + 1
            parts.append(output.text[start:].partition("\n")[0].strip()[:GIST])
        elif lines:
            parts.append(lines[-1].strip()[:GIST])
    return "\n".join(parts).strip() or "no output"


def _told(output: Output) -> str:
    tail = "\n".join(output.text.splitlines()[-15:]) or "no output"
    status = f"\n[exit status {output.exit_status}]" if output.exit_status else ""
    return f"{tail}{'' if output.ended else chr(10) + '[interrupted: it did not end]'}{status}"


def _ending(transcript: Transcript) -> str:
    return _told(transcript.outputs[-1]) if transcript.outputs else "nothing"
