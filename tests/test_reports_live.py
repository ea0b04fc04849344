"""Progress while a run runs: a line a drill on a terminal, plain lines elsewhere."""

from __future__ import annotations

import re

import pytest

from drillbook.runbook import Runbook, load
from reports.live import Live
from reports.text import plain
from tests.journals import ROOT, Record, Script, records


@pytest.fixture(scope="module")
def book() -> Runbook:
    return load(ROOT / "runbook.md")


def shown(events: list[Record], *, tty: bool, width: int = 100) -> str:
    written: list[str] = []
    live = Live(written.append, tty, lambda: width)
    for event in events:
        live(event)
    return "".join(written)


def screen(text: str) -> list[str]:
    """What is left to see on a terminal that was written to."""
    return [plain(line.split("\r\x1b[2K")[-1]) for line in text.split("\n")]


def test_a_terminal_keeps_a_line_a_drill(book: Runbook) -> None:
    lines = screen(shown(records(book), tty=True))
    drills = [line for line in lines if re.match(r"  [✓✗!-] ", line)]
    assert [line[2] for line in drills] == ["✓", "✗", "✓", "✓", "✓", "✗", "-"]
    crashed = next(line for line in drills if "crashed" in line)
    assert crashed.startswith("  ✓ 3.1 cause 1   The database container crashed")
    assert re.search(r"detect  0\.41 s  felt  2\.\d\d s  lost 0    3\.08 s$", crashed)


def test_a_terminal_shows_the_phase_and_what_was_seen(book: Runbook) -> None:
    text = shown(records(book), tty=True)
    assert "\r\x1b[2K  … 3.1 cause 1   fault      kill the container of db" in text
    assert "\r\x1b[2K  … 3.1 cause 1   symptom    1 seen after 0.41 s: socket.gaierror" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(book: Runbook, width: int) -> None:
    text = shown(records(book), tty=True, width=width)
    written = re.split(r"\r\x1b\[2K|\n", text)
    progress = [line for line in written if line.startswith(("  … ", "      "))]
    assert progress
    assert max(len(plain(line)) for line in progress) <= width


def test_closing_lines_fit_eighty_columns(book: Runbook) -> None:
    lines = screen(shown(records(book), tty=True, width=80))
    assert max(len(line) for line in lines if re.match(r"  [✓✗!-] ", line)) <= 80


def test_a_log_gets_plain_lines_in_order(book: Runbook) -> None:
    text = shown(records(book), tty=False)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "  3.1 cause 1  The database container crashed\n" in text
    assert re.search(r"    +0\.32 s  fault      kill the container of db\n", text)
    assert text.index("kill the container of db") < text.index("✓ 3.1 cause 1")


def test_the_images_are_named_and_what_they_stand_in_for(book: Runbook) -> None:
    text = shown(records(book), tty=False)
    assert "image  postgres    drillbook/postgres:17 (stands in for postgres:17)" in text
    assert "stack  ready in 6.10 s, project drillbook-1c2d: db, backend, nginx, payments" in text


def test_a_line_that_did_not_hold_follows_its_drill(book: Runbook) -> None:
    lines = shown(records(book), tty=False).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  ✗ 4.1 cause 1"))
    step = book.find("4.1 step 4")
    assert step is not None
    assert f":{step.line}  4.1 step 4: expected the application's own error" in lines[at + 1]


def test_an_error_no_line_is_to_blame_for_follows_as_well(book: Runbook) -> None:
    s = Script(book)
    s.begin("scenarios/test_x.py::test_x", "Crashed", "3.1", "3.1 cause 1")
    s.write("ClaimFailed", ref=s.ref("3.1 step 1"), error="StepShowedOtherwise", message="odd")
    s.end("failed", held=False, error="WriteLost", message="1 is gone")
    lines = shown(s.records, tty=False).splitlines()
    assert lines[-1] == "      WriteLost: 1 is gone"
    assert "3.1 step 1: odd" in lines[-2]


def test_a_drill_that_cannot_be_done_here_says_why(book: Runbook) -> None:
    lines = shown(records(book), tty=True).splitlines()
    assert any(plain(line).strip() == "unproven here: no Grafana image" for line in lines)


def test_an_interrupted_run_leaves_a_clean_line(book: Runbook) -> None:
    s = Script(book)
    s.begin("scenarios/test_x.py::test_x", "Crashed", "3.1", "3.1 cause 1")
    s.fault("kill db", "exited")
    s.end("interrupted", held=False, error="KeyboardInterrupt", message="")
    s.write("RunEnded", exit_status=2, interrupted=True)
    lines = screen(shown(s.records, tty=True))
    assert lines[0].startswith("  ! 3.1 cause 1")
    assert lines[1] == "      interrupted"
    assert lines[2].startswith("interrupted after ")


def test_events_it_does_not_know_are_left_alone() -> None:
    assert shown([{"event": "SomethingNew", "drill": None, "t_s": 0.0}], tty=True) == ""
