"""Typing a documented command as a person would: under a pseudo-terminal, in the service's folder.

Interactive sessions are part of it (`docker exec -it … bash`, then `ping db` at its prompt), and
so is what a person does without thinking: answering a password prompt, pressing Ctrl-C on a
command that never ends once it has shown what was wanted, leaving a pager or a client.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pexpect

from drillbook.journal import MASK

DEADLINE_S = 20.0
AFTER_INTERRUPT_S = 3.0
LINES, COLUMNS = 50, 200
NEVER = r"(?!)"  # matches nothing
SHELL_PROMPT = r"(?:\x1b\[\?2004h)?[\w.@:~/\[\]-]*[$#] $"
# Where the shell's prompt says more than `# `, no line of output that begins so (as those of
# /metrics do) may end the wait when it is read in two pieces.
TELLING_PROMPT = r"(?:\x1b\[\?2004h)?[\w.@:~/\[\]-]+[$#] $"
PSQL_PROMPT = r"\w+=[>#] $"
PASSWORD_PROMPT = r"[Pp]assword[^\n]*: ?$"  # noqa: S105 - a prompt
# A shell draws its prompt anew when its terminal is resized, as `docker exec` does at its start.
_REDRAWN = re.compile(r"\A(?:[\w.@:~/\[\]-]+[$#] )+")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*\x07|\x1b[=>()][0-9A-B]?")


@dataclass(frozen=True)
class Typed:
    """One line typed at a prompt, and what its output must show (a regular expression)."""

    command: str
    shows: str = ""
    stop_when_shown: bool = False


@dataclass(frozen=True)
class Output:
    """What one typed line printed, and how it ended.

    ``exit_status`` is a shell's (128 and the signal's number for a command that was killed), and
    None for a line typed inside a session, where nobody sees it.
    """

    command: str
    text: str
    exit_status: int | None
    ended: bool = True
    took_s: float = 0.0


@dataclass
class Transcript:
    """All that was typed and shown, in order."""

    outputs: list[Output] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(
            f"$ {one.command}\n{one.text}".rstrip()
            + ("" if one.ended else "\n^C  (it did not end by itself)")
            + (f"\n[exit status {one.exit_status}]" if one.exit_status else "")
            for one in self.outputs
        )


@dataclass
class Terminal:
    """A terminal in a folder, with an environment, and the secrets its user knows by heart."""

    folder: Path
    environment: Mapping[str, str]
    password: str = ""

    def type(
        self,
        line: Typed,
        *,
        session: Sequence[Typed] = (),
        deadline_s: float = DEADLINE_S,
    ) -> Transcript:
        """Type ``line`` and, in the shell that it opens, the lines of ``session``.

        Never raises for what the command does or does not do: that is in the transcript, and
        the caller compares. Output is plain text; what a password prompt was answered is not in
        it. Each line has ``deadline_s`` seconds, and is interrupted (Ctrl-C) after that.
        """
        transcript = Transcript()
        child = pexpect.spawn(
            "bash",
            ["--norc", "-c", line.command],
            cwd=str(self.folder),
            env={**self.environment, "TERM": "xterm", "PAGER": "cat", "PSQL_PAGER": "cat"},
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(LINES, COLUMNS),
            timeout=deadline_s,
        )
        child.delaybeforesend = None
        try:
            if session:
                self._hold_session(child, line, session, transcript, deadline_s)
            else:
                transcript.outputs.append(_run_alone(child, line, deadline_s))
        finally:
            child.close(force=True)
        return self._masked(transcript)

    def _masked(self, transcript: Transcript) -> Transcript:
        """Without the password, in case a program showed what was typed."""
        if not self.password:
            return transcript
        return Transcript(
            [replace(one, text=one.text.replace(self.password, MASK)) for one in transcript.outputs]
        )

    def _hold_session(
        self,
        child: pexpect.spawn[str],
        line: Typed,
        session: Sequence[Typed],
        transcript: Transcript,
        deadline_s: float,
    ) -> None:
        began = time.monotonic()
        opened = child.expect([SHELL_PROMPT, pexpect.EOF, pexpect.TIMEOUT])
        if opened != 0:
            text = _plain(child.before)
            ended = opened == 1
            status = _status(child) if ended else None
            transcript.outputs.append(
                Output(line.command, text, status, ended, time.monotonic() - began)
            )
            return
        telling = re.fullmatch(TELLING_PROMPT, _ESCAPES.sub("", str(child.after)))
        prompt = TELLING_PROMPT if telling else SHELL_PROMPT
        transcript.outputs.append(
            Output(line.command, _plain(child.after), None, took_s=time.monotonic() - began)
        )
        for inner in session:
            if child.flag_eof:
                return  # the shell is gone; nobody would see the rest
            transcript.outputs.append(self._type_inside(child, inner, prompt, deadline_s))
        if not child.flag_eof:
            child.sendline("exit")
            child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=AFTER_INTERRUPT_S)

    def _type_inside(
        self, child: pexpect.spawn[str], line: Typed, prompt: str, deadline_s: float
    ) -> Output:
        began = time.monotonic()
        _send(child, line.command)
        text, ended = "", True
        stop = _stop_at(line)
        while True:
            met = child.expect(
                [prompt, PSQL_PROMPT, PASSWORD_PROMPT, pexpect.EOF, pexpect.TIMEOUT, stop],
                timeout=deadline_s,
            )
            if met == 4 and ended:  # what it has said so far comes again with the next look
                ended = False
                child.sendintr()
                deadline_s = AFTER_INTERRUPT_S
                continue
            text += child.before if isinstance(child.before, str) else ""
            if met == 1:  # a database prompt: it is in; leave again
                text += str(child.after)
                _send(child, "\\q")
                continue
            if met == 2:
                text += str(child.after)
                child.sendline(self.password)
                continue
            if met == 5:  # it showed what was wanted, and would go on for ever
                text += str(child.after)
                stop = NEVER
                child.sendintr()
                continue
            shown = _REDRAWN.sub("", _plain(text))
            return Output(line.command, shown, None, ended, time.monotonic() - began)


def _run_alone(child: pexpect.spawn[str], line: Typed, deadline_s: float) -> Output:
    began = time.monotonic()
    met = child.expect([pexpect.EOF, pexpect.TIMEOUT, _stop_at(line)], timeout=deadline_s)
    text = _said(child) if met != 1 else ""  # else all of it comes with the next look
    if met != 0:
        child.sendintr()
        child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=AFTER_INTERRUPT_S)
        text += _said(child)
    wanted = met != 1
    status = _status(child) if met == 0 else None
    return Output(line.command, _plain(text), status, wanted, time.monotonic() - began)


def _stop_at(line: Typed) -> str:
    """The pattern at which Ctrl-C is pressed, if at any."""
    return f"(?m){line.shows}" if line.stop_when_shown and line.shows else NEVER


def _send(child: pexpect.spawn[str], text: str) -> None:
    """Type a line, and read its echo."""
    child.sendline(text)
    child.expect_exact(["\n", pexpect.EOF, pexpect.TIMEOUT])


def _status(child: pexpect.spawn[str]) -> int | None:
    """The exit status of a command that has ended, as a shell gives it."""
    child.close(force=True)
    return child.exitstatus if child.signalstatus is None else 128 + int(child.signalstatus)


def _said(child: pexpect.spawn[str]) -> str:
    parts = (child.before, child.after)
    return "".join(part for part in parts if isinstance(part, str))


def _plain(text: object) -> str:
    """Strip what only a screen needs: colours, cursor movement, carriage returns."""
    clean = _ESCAPES.sub("", text if isinstance(text, str) else "").replace("\r\n", "\n")
    return "\n".join(line.rpartition("\r")[2].rstrip() for line in clean.split("\n")).strip("\n")
