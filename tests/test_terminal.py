"""The terminal, with real commands under a real pseudo-terminal on this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from drillbook.terminal import Terminal, Transcript, Typed

PASSWORD = "open-sesame-42"
# Asks like psql: on the terminal, with echo off.
ASK = """
import getpass
given = getpass.getpass("Password for user user: ")
print("welcome" if given == "open-sesame-42" else f"no: {len(given)} characters")
"""
# Asks, and shows what is typed, as a program does that does not know it is a secret.
ASK_ALOUD = """
given = input("Password: ")
print("welcome" if given == "open-sesame-42" else f"no: {len(given)} characters")
"""
IGNORES_CTRL_C = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    (tmp_path / "ask.py").write_text(ASK)
    (tmp_path / "ask_aloud.py").write_text(ASK_ALOUD)
    (tmp_path / "deaf.py").write_text(IGNORES_CTRL_C)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    return Terminal(tmp_path, environment, PASSWORD)


def in_bash(terminal: Terminal, *lines: Typed, deadline_s: float = 10.0) -> Transcript:
    return terminal.type(Typed("bash --norc"), session=lines, deadline_s=deadline_s)


# --- one command -------------------------------------------------------------------------------
def test_a_command_runs_in_its_folder_with_its_environment(terminal: Terminal) -> None:
    [output] = terminal.type(Typed("pwd && echo $HOME")).outputs
    assert output.text.splitlines() == [str(terminal.folder)] * 2
    assert output.ended
    assert output.exit_status == 0


def test_it_is_a_terminal(terminal: Terminal) -> None:
    [output] = terminal.type(Typed("test -t 0 && test -t 1 && stty size")).outputs
    assert output.text == "50 200"


@pytest.mark.parametrize(
    ("command", "status"),
    [("true", 0), ("false", 1), ("exit 7", 7), ("no-such-command", 127), ("kill -9 $$", 137)],
)
def test_exit_statuses_are_a_shells(terminal: Terminal, command: str, status: int) -> None:
    [output] = terminal.type(Typed(command)).outputs
    assert (output.exit_status, output.ended) == (status, True)


def test_the_transcript_reads_as_on_a_screen(terminal: Terminal) -> None:
    transcript = terminal.type(Typed("echo out; echo err >&2; exit 3"))
    assert str(transcript) == ("$ echo out; echo err >&2; exit 3\nout\nerr\n[exit status 3]")


@pytest.mark.parametrize(
    ("printed", "plain"),
    [
        (r"\033[31mred\033[0m and \033[1;32mgreen\033[m", "red and green"),
        (r"\033]0;a title\007shown", "shown"),
        (r"\033[2J\033[H\033[?25lscreen", "screen"),
        (r"\033(Bset\033=\033>", "set"),
        (r"10%%\r50%%\r100%%\ndone", "100%\ndone"),
        (r"Größe \342\234\223", "Größe ✓"),
        (r"no UTF-8: \351t\351.", "no UTF-8: �t�."),
        (r"trailing   \nnext", "trailing\nnext"),
    ],
)
def test_only_words_are_left_of_what_a_screen_is_sent(
    terminal: Terminal, printed: str, plain: str
) -> None:
    [output] = terminal.type(Typed(f"printf '{printed}'")).outputs
    assert output.text == plain


def test_much_output_comes_whole(terminal: Terminal) -> None:
    [output] = terminal.type(Typed("seq 1 20000")).outputs
    assert output.text.splitlines() == [str(number) for number in range(1, 20001)]


def test_pagers_do_not_stop_it(terminal: Terminal) -> None:
    [output] = terminal.type(Typed("seq 1 500 | $PAGER")).outputs
    assert output.ended
    assert output.text.endswith("500")


# --- what never ends ---------------------------------------------------------------------------
def test_a_command_that_does_not_end_is_interrupted(terminal: Terminal) -> None:
    began_s = time.monotonic()
    [output] = terminal.type(Typed("echo begun; sleep 60"), deadline_s=0.5).outputs
    assert time.monotonic() - began_s < 5
    assert not output.ended
    assert output.exit_status is None
    assert output.text.count("begun") == 1, output.text


def test_it_is_stopped_once_it_has_shown_what_was_wanted(terminal: Terminal) -> None:
    """As a person does with `docker compose logs -f`: Ctrl-C is how it ends, and no failure."""
    command = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.05; done"
    began_s = time.monotonic()
    line = Typed(command, shows=r"^line 3\b", stop_when_shown=True)
    [output] = terminal.type(line, deadline_s=10.0).outputs
    assert time.monotonic() - began_s < 5
    assert output.ended
    assert output.text.count("line 3\n") <= 1
    assert output.text.startswith("line 1\nline 2\nline 3")


def test_what_is_never_shown_is_waited_for_until_the_deadline_alone(terminal: Terminal) -> None:
    line = Typed("echo begun; sleep 60", shows="never", stop_when_shown=True)
    [output] = terminal.type(line, deadline_s=0.5).outputs
    assert not output.ended
    assert output.text.count("begun") == 1


def test_nothing_survives_that_does_not_hear_ctrl_c(terminal: Terminal) -> None:
    command = "echo $$ > pid; exec python3 deaf.py"
    [output] = terminal.type(Typed(command), deadline_s=1.0).outputs
    assert not output.ended
    pid = int((terminal.folder / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# --- a session ---------------------------------------------------------------------------------
def test_lines_are_typed_at_the_prompt_that_a_command_opens(terminal: Terminal) -> None:
    transcript = in_bash(terminal, Typed("x=41"), Typed("echo $((x + 1))"), Typed("false"))
    opened, *inside = transcript.outputs
    assert opened.command == "bash --norc"
    assert [one.text for one in inside] == ["", "42", ""]
    assert [one.exit_status for one in inside] == [None] * 3
    assert all(one.ended for one in transcript.outputs)


def test_output_that_looks_like_a_prompt_is_output(terminal: Terminal) -> None:
    line = Typed("echo 'costs 3 $ '; sleep 0.2; echo 'root # '; sleep 0.2; echo end")
    assert in_bash(terminal, line, Typed("echo next")).outputs[1].text.splitlines() == [
        "costs 3 $",
        "root #",
        "end",
    ]


def test_lines_that_begin_like_a_bare_prompt_are_output_however_they_are_read(
    terminal: Terminal,
) -> None:
    """A page of metrics read in two pieces, the first of which ends in `# `."""
    line = Typed("printf '# '; sleep 0.3; echo 'HELP requests_total'")
    _, output, after = in_bash(terminal, line, Typed("echo next")).outputs
    assert output.text == "# HELP requests_total"
    assert after.text == "next"


def test_a_shell_with_a_bare_prompt_is_understood_too(terminal: Terminal) -> None:
    command = Typed("env PS1='$ ' bash --norc --noprofile")
    _, output = terminal.type(command, session=[Typed("echo in")], deadline_s=5.0).outputs
    assert (output.text, output.ended) == ("in", True)


def test_a_prompt_after_output_without_a_newline_is_a_prompt(terminal: Terminal) -> None:
    _, first, second = in_bash(terminal, Typed("printf tail"), Typed("echo next")).outputs
    assert first.text.startswith("tail")
    assert first.ended
    assert second.text == "next"


def test_a_session_goes_on_after_an_interrupted_line(terminal: Terminal) -> None:
    lines = (Typed("echo begun; sleep 60"), Typed("echo still here"))
    _, stuck, after = in_bash(terminal, *lines, deadline_s=1.0).outputs
    assert not stuck.ended
    assert stuck.text.count("begun") == 1
    assert after.text == "still here"


def test_a_long_line_is_typed_whole(terminal: Terminal) -> None:
    words = " ".join(f"word{number}" for number in range(80))  # wider than the screen, twice over
    _, output, after = in_bash(terminal, Typed(f"echo {words}"), Typed("echo next")).outputs
    assert words in output.text.replace("\n", "")
    assert after.text == "next"


def test_a_session_that_does_not_open_shows_why(terminal: Terminal) -> None:
    transcript = terminal.type(
        Typed("echo no such container; exit 4"), session=[Typed("ping db")], deadline_s=5.0
    )
    [output] = transcript.outputs
    assert output.text == "no such container"
    assert output.exit_status == 4
    assert output.ended


def test_a_session_whose_shell_ends_early_types_no_further(terminal: Terminal) -> None:
    """Never raises: that the rest was not typed is in the transcript."""
    transcript = in_bash(terminal, Typed("echo bye; exit 5"), Typed("echo never typed"))
    assert [one.command for one in transcript.outputs] == ["bash --norc", "echo bye; exit 5"]
    assert "bye" in transcript.outputs[-1].text


# --- passwords ---------------------------------------------------------------------------------
def test_a_password_prompt_is_answered_and_the_answer_is_not_shown(terminal: Terminal) -> None:
    _, output = in_bash(terminal, Typed("python3 ask.py")).outputs
    assert "Password for user user:" in output.text
    assert "welcome" in output.text
    assert PASSWORD not in str(output)


def test_a_password_echoed_by_a_program_is_not_shown_either(terminal: Terminal) -> None:
    _, output = in_bash(terminal, Typed("python3 ask_aloud.py")).outputs
    assert "welcome" in output.text
    assert PASSWORD not in str(output)
