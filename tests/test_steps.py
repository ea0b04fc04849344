"""Following a documented step: is the command in it, and did it show what it should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbook.drill import steps
from drillbook.drill.commands import MissingPlaceholder, filled
from drillbook.runbook import Line, Platform
from drillbook.terminal import Output, Transcript, Typed

PS = "docker compose ps -a db"
LOGS = "docker compose logs <service_name>"
ENTER = "docker exec -it <backend-container> bash"
PING = "ping -c 3 db"
KUBECTL = "kubectl get pods"


def a_step(*commands: str) -> Line:
    belongs: tuple[Platform | None, ...] = tuple(
        "kubernetes" if one.startswith("kubectl") else "compose" for one in commands
    )
    return Line("3.1", "step", 1, 187, "Look.", commands, "0" * 16, belongs)


STEP = a_step(PS, LOGS, ENTER, PING, KUBECTL)
COMMANDS = STEP.commands_for("compose")


def shown(text: str, status: int | None = 0, *, ended: bool = True) -> Output:
    return Output("a command", text, status, ended)


# --- placeholders ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("command", "values", "typed"),
    [
        (LOGS, {"service_name": "backend"}, "docker compose logs backend"),
        (ENTER, {"backend-container": "shop-1"}, "docker exec -it shop-1 bash"),
        ("ping <target host>", {"target host": "db"}, "ping db"),
        ("cp <a> <b> <a>", {"a": "x", "b": "y"}, "cp x y x"),
        (PING, {"unused": "value"}, PING),
        ("psql < dump.sql > out", {}, "psql < dump.sql > out"),
        ("test 1 <2> 3", {}, "test 1 <2> 3"),
    ],
)
def test_placeholders_are_filled_in_by_name(
    command: str, values: dict[str, str], typed: str
) -> None:
    assert filled(command, values) == typed


def test_a_placeholder_without_a_value_is_the_scenarios_mistake() -> None:
    with pytest.raises(MissingPlaceholder, match=r"wants a value for <service_name>: pass fill"):
        filled(LOGS, {"service": "backend"})
    assert filled(LOGS, {}, strict=False) == LOGS


@given(st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_a_value_is_never_filled_in_itself(command: str, values: dict[str, str]) -> None:
    """What a value says goes in as it is: `<b>` in the value of `<a>` is no placeholder."""
    assert filled("echo <a>", {"a": command, **{k: v for k, v in values.items() if k != "a"}}) == (
        f"echo {command}"
    )


# --- is it in the step -------------------------------------------------------------------------
def test_a_documented_command_is_in_its_step() -> None:
    assert steps.undocumented(COMMANDS, [Typed(PS), Typed(ENTER), Typed(PING)]) is None


@pytest.mark.parametrize(
    "command", ["docker-compose ps -a db", "docker compose ps", PS.upper(), f"{PS} ", f"sudo {PS}"]
)
def test_almost_a_documented_command_is_not_in_its_step(command: str) -> None:
    assert steps.undocumented(COMMANDS, [Typed(PS), Typed(command)]) == command


def test_the_command_most_like_another_is_found_for_this_platform() -> None:
    assert steps.closest(COMMANDS, "docker-compose ps db") == PS
    assert steps.closest(COMMANDS, "kubectl get pods --all") != KUBECTL
    assert steps.closest((), PS) is None


# --- what it showed ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("typed", "output", "expected"),
    [
        (Typed(PS), shown("fine"), None),
        (Typed(PS), shown("", 1), "to succeed"),
        (Typed(PS), shown("", 137), "to succeed"),
        (Typed(PS), shown("in a session", None), None),
        (Typed(PS, shows="Exited"), shown("db  Exited (137)"), None),
        # that it fails can be the very thing that is wanted of it
        (Typed(PS, shows="no such host"), shown("ping: no such host", 2), None),
        (Typed(PS, shows="Exited"), shown("db  Up 3 minutes"), "to show /Exited/"),
        (Typed(PS, shows=r"^db\b"), shown("NAME\ndb  Up"), None),
        (Typed(PS, shows="Name$"), shown("Name\nother"), None),
    ],
)
def test_what_is_wanted_of_a_line(typed: Typed, output: Output, expected: str | None) -> None:
    otherwise = steps.shown_otherwise(Transcript([output]), [typed])
    if expected is None:
        assert otherwise is None
    else:
        assert otherwise is not None
        assert expected in otherwise.expected


def test_a_line_that_was_never_typed_did_not_show_anything() -> None:
    """The container was not there, so there was no prompt to type at."""
    transcript = Transcript([shown("Error: No such container", 1)])
    otherwise = steps.shown_otherwise(transcript, [Typed(ENTER, shows="Error"), Typed(PING)])
    assert otherwise is not None
    assert otherwise.expected == f"a prompt to type `{PING}` at"
    assert "No such container" in otherwise.saw
    assert "exit status 1" in otherwise.saw


def test_what_was_seen_is_told_briefly_and_with_its_end() -> None:
    long = "\n".join(f"line {number}" for number in range(1, 101))
    otherwise = steps.shown_otherwise(Transcript([shown(long, 3)]), [Typed(PS, shows="never")])
    assert otherwise is not None
    assert len(otherwise.saw.splitlines()) <= 16
    assert otherwise.saw.endswith("line 100\n[exit status 3]")


# --- its gist ----------------------------------------------------------------------------------
def test_the_gist_is_the_line_that_was_wanted_or_else_the_last() -> None:
    transcript = Transcript([shown("NAME STATUS\ndb   Exited (137)\nlast"), shown("a\nb\n")])
    typed = [Typed(PS, shows=r"Exited \(137\)"), Typed(PING)]
    assert steps.gist(transcript, typed) == "db   Exited (137)\nb"
    assert steps.gist(Transcript([shown("")]), [Typed(PS)]) == "no output"


@given(st.text(), st.sampled_from(["", ".", r"\w+$", "^", "\n", r"\s*"]))
def test_the_gist_of_anything_is_short(text: str, pattern: str) -> None:
    gist = steps.gist(Transcript([shown(text)]), [Typed(PS, shows=pattern)])
    assert 0 < len(gist) <= steps.GIST
