"""What a run shows on a real terminal: as wide as it is now, and Ctrl-C for what it is."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from drillbook.journal import FILE_NAME, read
from reports.live import WIDEST
from reports.screen import NARROWEST_KNOWN, Screen
from reports.text import clipped, plain
from tests.fake_world import WORDS
from tests.journals import ROOT
from tests.test_plugin import CONFTEST, HEADER

DEADLINE_S = 60
LONG = "the bulb " + "and the spare bulb " * 9 + "are burnt out"
SCENARIO = """
import pathlib
from drillbook.looking import Look, until

@drills("9.1", cause=1)
def test_before(drill, world):
    '''Before: {long}.'''
    go_on(drill, world)

@drills("9.1", cause=1)
def test_after(drill, world):
    '''After: {long}.'''
    assert pathlib.Path("go-on").exists()
    go_on(drill, world)

def go_on(drill, world):
    drill.inject(burnt_out(world))
    drill.symptom(1, Look("{long}", world.dark()))
    until(Look("the test goes on", asked), {deadline_s})
    drill.fix(3, world.change_bulb())
    drill.recovered()

def asked():
    assert pathlib.Path("go-on").exists(), "not yet"
    return "yes"
"""


class Terminal:
    """A run of the fake world's drills, as they are shown under a pseudo-terminal."""

    def __init__(self, folder: Path, columns: int, **variables: str) -> None:
        self.folder = folder
        (folder / "scenarios").mkdir()
        (folder / "runbook.md").write_text(WORDS)
        (folder / "scenarios" / "conftest.py").write_text(CONFTEST)
        code = HEADER + SCENARIO.format(long=LONG, deadline_s=DEADLINE_S)
        (folder / "scenarios" / "test_lamp.py").write_text(code)
        self.child = pexpect.spawn(
            sys.executable,
            [
                *("-m", "pytest", "scenarios", "-p", "conftest", "-q", "--no-header"),
                *("-o", "drillbook_system=fixtures.shop"),
                *("--import-mode=importlib", "--runbook=runbook.md", "--run-dir=run"),
            ],
            cwd=str(folder),
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"} | variables,
            encoding="utf-8",
            dimensions=(24, columns),
            timeout=DEADLINE_S,
        )

    def go_on(self) -> None:
        (self.folder / "go-on").touch()

    def until(self, words: str) -> str:
        """All that is shown up to these words, them included."""
        self.child.expect_exact(words)
        return str(self.child.before) + words

    def rest(self) -> str:
        """All that is shown from here to the end."""
        self.child.expect(pexpect.EOF)
        return str(self.child.before)

    def status(self) -> int | None:
        self.child.close()
        return self.child.exitstatus


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for one in terminals:
        one.child.close(force=True)


def start(started: list[Terminal], folder: Path, columns: int, **variables: str) -> Terminal:
    started.append(Terminal(folder, columns, **variables))
    return started[-1]


def lengths(text: str, wanted: str) -> list[int]:
    """How long each line is that was drawn and begins so."""
    drawn = (plain(line) for line in re.split(r"\r\x1b\[2K|\r?\n", text))
    return [len(line) for line in drawn if re.match(wanted, line)]


LIVE, CLOSING, TABLE = r"  … 9\.1 cause 1 ", r"  [✓!] 9\.1 cau", r"entry  |9\.1  |all  |-{20}"


@pytest.mark.parametrize(("columns", "closing"), [(60, 60), (120, 120), (200, WIDEST)])
def test_lines_are_as_wide_as_the_terminal(
    started: list[Terminal], tmp_path: Path, columns: int, closing: int
) -> None:
    terminal = start(started, tmp_path, columns)
    terminal.go_on()
    shown = terminal.rest()
    assert terminal.status() == 0, shown
    assert max(lengths(shown, LIVE)) == columns - 1
    assert lengths(shown, CLOSING) == [closing, closing]
    assert max(lengths(shown, TABLE)) <= columns


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"NO_COLOR": "1"}], ids=str)
def test_who_wants_no_escape_sequences_sees_none(
    started: list[Terminal], tmp_path: Path, variables: dict[str, str]
) -> None:
    terminal = start(started, tmp_path, 100, **variables)
    terminal.go_on()
    shown = terminal.rest()
    assert terminal.status() == 0, shown
    assert "9.1 cause 1" in shown
    assert "\x1b" not in shown


def test_and_as_wide_as_it_is_made_in_mid_run(started: list[Terminal], tmp_path: Path) -> None:
    terminal = start(started, tmp_path, 120)
    before = terminal.until("1 seen after")
    terminal.child.setwinsize(24, 60)
    terminal.go_on()
    after = terminal.rest()
    assert terminal.status() == 0, after
    assert max(lengths(before, LIVE)) == 119
    assert max(lengths(after, LIVE)) == 59
    assert lengths(after, CLOSING) == [60, 60]
    assert max(lengths(after, TABLE)) <= 60


def test_a_run_ended_by_ctrl_c_reads_interrupted(started: list[Terminal], tmp_path: Path) -> None:
    terminal = start(started, tmp_path, 100)
    terminal.until("1 seen after")
    terminal.child.sendintr()
    shown = terminal.rest()
    assert terminal.status() == pytest.ExitCode.INTERRUPTED
    assert re.search(r"  ! 9\.1 cause 1 .*\n      interrupted: SIGINT\n", plain(shown))
    assert re.search(r"^INTERRUPTED\n  9\.1 cause 1 Before", plain(shown), re.MULTILINE)
    assert "fail" not in shown.lower()
    (ended,) = [one for one in read(tmp_path / "run" / FILE_NAME) if one["event"] == "DrillEnded"]
    assert ended["outcome"] == "interrupted"


def test_a_terminal_without_a_width_counts_as_eighty_columns() -> None:
    with Path("/dev/null").open("w") as stream, contextlib.closing(Screen(stream)) as screen:
        assert screen.columns == NARROWEST_KNOWN


@pytest.mark.parametrize("text", ["plain words", "漢字漢字漢字", "cafe\u0301 cafe\u0301", "✓ 漢 a"])
def test_a_line_is_cut_by_the_columns_that_it_takes(text: str) -> None:
    whole = sum(2 if one in "漢字" else one != "\u0301" for one in text)
    assert clipped(text, whole) == text
    for width in range(1, whole):
        cut = clipped(text, width)
        assert cut.endswith("…")
        used = sum(2 if one in "漢字" else one != "\u0301" for one in cut)
        assert width - 1 <= used <= width
