"""A drill can fail: each phase with its own error, whose message says all that there is to say."""

from __future__ import annotations

import math
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from drillbook import interrupts
from drillbook.drill import Drill, compose, kubectl
from drillbook.drill.errors import (
    CommandNotInRunbook,
    DrillIncomplete,
    FaultDidNotTake,
    FixDidNotHeal,
    NotInRunbook,
    NotSteady,
    ResidueLeft,
    SelfHealed,
    StepNotInRunbook,
    StepShowedOtherwise,
    SymptomAbsent,
    WriteLost,
)
from drillbook.faults import Holds, fault
from drillbook.looking import Action, Look
from drillbook.platforms import StackError
from drillbook.runbook import Runbook, UnknownEntry, load
from drillbook.terminal import Typed
from tests.fake_world import World, book, burnt_out, lamp, told, world

__all__ = ["book", "lamp", "world"]  # fixtures
LAMP = "echo the lamp is off"


def nothing() -> str:
    """Do nothing at all."""
    return "nothing was done"


NOTHING = Action("do nothing", nothing)
NEVER = Look("pigs fly", lambda: fail("no pig in sight"))


def fail(words: str) -> str:
    raise AssertionError(words)


def run(lamp: Drill, body: Callable[[], None]) -> None:
    """Run a body as the plugin runs a scenario's."""
    with lamp.closing():
        lamp.begin()
        body()


def healed(lamp: Drill, world: World) -> None:
    """The rest of a drill that goes well."""
    lamp.inject(burnt_out(world))
    lamp.symptom(1, world.dark())
    lamp.fix(3, world.change_bulb())
    lamp.recovered()


def ended(lamp: Drill) -> dict[str, object]:
    [event] = told(lamp, "DrillEnded")
    return event


# --- a drill that holds ------------------------------------------------------------------------
def test_a_drill_that_holds_passes_and_its_journal_tells_it_in_order(
    lamp: Drill, world: World
) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, world.dark())
        lamp.step(1, compose(LAMP, shows="off"))
        lamp.fix(3, world.change_bulb())
        lamp.recovered()

    run(lamp, body)
    assert lamp.held
    assert world.done == ["broken", "changed"]
    names = [str(one["event"]) for one in told(lamp, *NAMES) if one["event"] != "PhaseEntered"]
    assert names == [*NAMES]
    phases = [one["phase"] for one in told(lamp, "PhaseEntered")]
    assert list(dict.fromkeys(phases)) == [
        *("steady", "fault", "symptom", "step", "fix", "recovered", "residue")
    ]
    assert (ended(lamp)["outcome"], ended(lamp)["held"]) == ("passed", True)


NAMES = (
    "DrillStarted",
    "FaultInjected",
    "SymptomSeen",
    "StepTaken",
    "FixApplied",
    "Recovered",
    "WitnessReport",
    "DrillEnded",
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_an_interrupt_that_was_dropped_ends_it_at_the_next_phase(
    lamp: Drill, world: World, number: signal.Signals, heeding: None
) -> None:
    """As the interpreter drops what is raised in a hook at a fork, or in a finaliser."""

    def dropped() -> str:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        return world.dark()()

    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, Look("it is dark", dropped))
        lamp.fix(3, world.change_bulb())

    with pytest.raises(KeyboardInterrupt, match=number.name):
        run(lamp, body)
    assert world.done == ["broken", "undone"]
    assert ended(lamp)["outcome"] == "interrupted"


def test_an_interrupt_that_was_dropped_in_the_last_phase_counts(
    lamp: Drill, world: World, heeding: None
) -> None:
    def body() -> None:
        healed(lamp, world)
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(lamp, body)


@pytest.fixture
def heeding() -> Iterator[None]:
    heeded = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {one: signal.getsignal(one) for one in heeded}
    interrupts.heed()
    yield
    interrupts.heed()  # forgets
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_context_is_left_before_residue_is_looked_for(lamp: Drill, world: World) -> None:
    @contextmanager
    def ladder() -> Iterator[str]:
        world.left_behind["ladder"] = "leans on the wall"
        yield "a ladder"
        del world.left_behind["ladder"]

    def body() -> None:
        assert lamp.enter_context(ladder()) == "a ladder"
        healed(lamp, world)

    run(lamp, body)
    assert lamp.held


def test_a_healthy_stack_can_be_drilled_without_a_fault(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.step(1, compose("echo <what>", fill={"what": "who is there"}, shows="who is there"))
        lamp.recovered()

    run(lamp, body)
    assert lamp.held


# --- each phase's error ------------------------------------------------------------------------
def test_not_steady_before(lamp: Drill, world: World) -> None:
    world.ill = "db is starting"
    with pytest.raises(NotSteady, match=r"(?s)phase +steady.*last seen +db is starting"):
        run(lamp, lambda: healed(lamp, world))
    assert world.done == []
    assert not lamp.untouched  # by this drill, but the next should not have this stack


@fault("nothing is broken")
def harmless(world: World) -> Iterator[Holds]:
    yield world.dark()


def test_a_fault_that_breaks_nothing(lamp: Drill, world: World) -> None:
    with pytest.raises(FaultDidNotTake, match=r"(?s)expected +nothing is broken.*it is light"):
        run(lamp, lambda: lamp.inject(harmless(world)))
    assert told(lamp, "FaultInjected") == []


def test_a_look_that_sees_only_a_part_says_so_in_the_journal(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, world.dark(), unproven="nobody looked at the lamp")
        lamp.fix(3, world.change_bulb())
        lamp.recovered()

    run(lamp, body)
    [seen] = told(lamp, "SymptomSeen")
    assert seen["unproven"] == "nobody looked at the lamp"


def test_a_look_that_sees_only_a_part_must_show_all_the_same(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, NEVER, within_s=7.0, unproven="nobody looked at the lamp")

    with pytest.raises(SymptomAbsent):
        run(lamp, body)


def test_a_symptom_that_never_shows_tells_all_there_is_to_tell(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(2, NEVER, within_s=7.0)

    with pytest.raises(SymptomAbsent) as caught:
        run(lamp, body)
    message = str(caught.value)
    [line] = re.findall(r"^runbook .*", message, re.MULTILINE)
    assert message.splitlines()[0] == "9.1: The lamp is out"
    assert "phase      symptom" in message
    assert line.endswith('runbook.md:8  9.1 symptom 2: "The switch clicks, and nothing happens."')
    assert "expected   pigs fly" in message
    assert "last seen  no pig in sight" in message
    assert re.search(r"waited     7\.0 s, \d+ looks", message)
    assert f"evidence   {lamp.record.journal.path}" in message
    assert world.done == ["broken", "undone"]
    [claim] = told(lamp, "ClaimFailed")
    assert claim["error"] == "SymptomAbsent"
    assert ended(lamp)["message"] == message
    assert ended(lamp)["outcome"] == "failed"


def test_a_fault_that_heals_itself_before_the_fix(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, world.dark())
        world.lit = True
        lamp.fix(3, world.change_bulb())

    with pytest.raises(SelfHealed, match=r"(?s)expected +the fault still in force.*it is light"):
        run(lamp, body)
    assert "changed" not in world.done


def test_a_symptom_that_passes_before_the_fix(lamp: Drill, world: World) -> None:
    """The fault is still there, and what was taken for its symptom is not."""
    blips = iter(["a flicker"])

    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, Look("a flicker", lambda: next(blips, "") or fail("steady")))
        lamp.fix(3, world.change_bulb())

    with pytest.raises(SelfHealed, match=r"(?s)9.1 symptom 1.*still: a flicker.*steady"):
        run(lamp, body)


def test_a_fix_that_does_nothing(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, world.dark())
        lamp.fix(3, NOTHING)
        lamp.recovered(within_s=3.0)

    with pytest.raises(FixDidNotHeal, match=r"(?s)phase +recovered.*still seen: it is dark"):
        run(lamp, body)
    assert world.done == ["broken", "undone"]
    assert not lamp.held


def complaint(world: World, until_s: Callable[[], float]) -> Look:
    """A line in a log that is written again and again, for the last time at a moment."""

    def look() -> str:
        written_s = min(world.clock.now(), until_s())
        assert written_s >= world.marked_s, "no line"
        return "a line"

    return Look("the log complains", look)


def test_one_complaint_that_came_late_does_not_last(lamp: Drill, world: World) -> None:
    last_s = [math.inf]

    def act() -> str:
        world.lit = True
        last_s[0] = world.clock.now() + 0.1
        return "a new bulb"

    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, complaint(world, lambda: last_s[0]))
        lamp.fix(3, Action("change the bulb", act))
        lamp.recovered(within_s=3.0)

    run(lamp, body)
    assert lamp.held


def test_complaints_that_go_on_are_a_fix_that_does_not_heal(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, complaint(world, lambda: math.inf))
        lamp.fix(3, world.change_bulb())
        lamp.recovered(within_s=3.0)

    with pytest.raises(FixDidNotHeal, match="still seen: a line"):
        run(lamp, body)


def test_a_fix_that_does_nothing_to_a_fault_without_a_symptom(lamp: Drill, world: World) -> None:
    """Undoing the fault at the end must not pass for the fix."""

    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.fix(3, NOTHING)
        lamp.recovered(within_s=3.0)

    with pytest.raises(FixDidNotHeal, match="still seen: it is dark"):
        run(lamp, body)


def test_a_fix_that_does_not_heal_contradicts_its_line(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, world.dark())
        lamp.fix(3, NOTHING)
        lamp.recovered(within_s=3.0)

    with pytest.raises(FixDidNotHeal, match=r'9\.1 step 3: "Change the bulb\."'):
        run(lamp, body)
    [claim] = told(lamp, "ClaimFailed")
    assert claim["error"] == "FixDidNotHeal"
    assert isinstance(claim["ref"], dict)
    assert (claim["ref"]["kind"], claim["ref"]["number"]) == ("step", 3)


@pytest.mark.parametrize("error", [StackError("compose said no"), AssertionError("no ladder")])
def test_a_fix_that_cannot_be_applied_does_not_heal(
    lamp: Drill, world: World, error: Exception
) -> None:
    def act() -> str:
        raise error

    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.fix(3, Action("climb", act))

    with pytest.raises(FixDidNotHeal, match=f"(?s)9.1 step 3.*expected +climb.*{error}"):
        run(lamp, body)


def test_a_service_that_does_not_come_back(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.fix(3, world.change_bulb())
        world.ill = "the house is on fire"
        lamp.recovered()

    with pytest.raises(FixDidNotHeal, match="the house is on fire"):
        run(lamp, body)


def test_an_acknowledged_order_that_is_gone(lamp: Drill, world: World) -> None:
    world.witness.ledger.acknowledged.update({"kept": "1", "gone": "2"})
    world.witness.kept.add("kept")
    with pytest.raises(WriteLost, match=r"(?s)all 2 acknowledged writes.*1 are gone.*the key gone"):
        run(lamp, lambda: healed(lamp, world))
    [report] = told(lamp, "WitnessReport")
    assert (report["acknowledged"], report["lost"]) == (2, 1)
    assert not lamp.held


def test_residue(lamp: Drill, world: World) -> None:
    def body() -> None:
        world.left_behind["ladder"] = "leaning on the wall"
        healed(lamp, world)

    residue = r"(?s)phase +residue.*ladder: was not there, is leaning on the wall"
    with pytest.raises(ResidueLeft, match=residue):
        run(lamp, body)
    assert not lamp.held


def test_what_a_fault_leaves_behind_after_its_undoing(lamp: Drill, world: World) -> None:
    """The fix healed what users feel; what the undoing should have put back is still looked at."""

    @fault("untidy")
    def untidy(world: World) -> Iterator[Holds]:
        world.lit = False
        yield world.dark()
        world.left_behind["shards"] = "on the floor"

    def body() -> None:
        lamp.inject(untidy(world))
        lamp.fix(3, world.change_bulb())
        lamp.recovered()

    with pytest.raises(ResidueLeft, match="shards"):
        run(lamp, body)


def test_residue_of_a_drill_that_broke_nothing(lamp: Drill, world: World) -> None:
    """Typing a command can change things as well; the next drill needs another stack."""

    def body() -> None:
        lamp.step(1, compose(LAMP))
        world.left_behind["ladder"] = "leaning on the wall"
        lamp.recovered()

    with pytest.raises(ResidueLeft):
        run(lamp, body)
    assert not lamp.held
    assert not lamp.untouched


def test_a_drill_that_ends_before_it_does_anything_leaves_the_stack_as_it_was(
    lamp: Drill, world: World
) -> None:
    def body() -> None:
        lamp.measure("the light", lambda: 1.0)
        pytest.skip("no ladder here")

    with pytest.raises(pytest.skip.Exception):
        run(lamp, body)
    assert lamp.untouched
    assert not lamp.held


# --- incomplete --------------------------------------------------------------------------------
def test_a_scenario_that_forgets_to_recover(lamp: Drill, world: World) -> None:
    with pytest.raises(DrillIncomplete, match=r"(?s)drill\.recovered\(\).*never called it"):
        run(lamp, lambda: lamp.inject(burnt_out(world)))
    assert world.done == ["broken", "undone"]
    assert ended(lamp)["error"] == "DrillIncomplete"


def test_a_scenario_that_forgets_the_fix(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.recovered()

    with pytest.raises(DrillIncomplete, match=r"(?s)a fix before it.*none was applied"):
        run(lamp, body)


def test_a_scenario_that_does_nothing(lamp: Drill) -> None:
    with pytest.raises(DrillIncomplete):
        run(lamp, lambda: None)


# --- steps -------------------------------------------------------------------------------------
def test_a_command_that_is_not_in_the_step(lamp: Drill, world: World) -> None:
    """The drill goes on, says what the runbook has instead, and fails at its end."""

    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.step(1, compose("echo the lamp is out"))
        lamp.fix(3, world.change_bulb())
        lamp.recovered()

    with pytest.raises(CommandNotInRunbook) as caught:
        run(lamp, body)
    message = str(caught.value)
    assert 'runbook.md:17  9.1 step 1: "Look at it:' in message
    assert "expected   `echo the lamp is out` in this step" in message
    assert f"it has: `{LAMP}`, `echo <what>`" in message
    assert f"`{LAMP}` was not typed: `echo` is none of the commands that only look" in message
    assert told(lamp, "StepTaken", "ClaimFailed") == []
    [untyped] = told(lamp, "CommandUntyped")
    assert (untyped["wanted"], untyped["command"]) == ("echo the lamp is out", LAMP)
    assert world.done == ["broken", "changed"]
    assert lamp.held
    assert (ended(lamp)["outcome"], ended(lamp)["held"]) == ("failed", True)


def test_a_command_of_another_step_is_not_in_this_one(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.step(3, compose(LAMP))
        lamp.recovered()

    with pytest.raises(CommandNotInRunbook, match="it has: no command"):
        run(lamp, body)
    assert told(lamp, "StepTaken") == []


def test_a_line_of_a_session_that_is_not_in_the_step(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.step(2, compose("bash", session=[Typed("echo somebody")]))
        lamp.recovered()

    with pytest.raises(CommandNotInRunbook, match="`echo somebody` in this step"):
        run(lamp, body)


def test_a_step_that_shows_otherwise(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.step(1, compose(LAMP, shows="the lamp is on"))
        lamp.recovered()

    with pytest.raises(StepShowedOtherwise) as caught:
        run(lamp, body)
    message = str(caught.value)
    assert f"expected   `{LAMP}` to show /the lamp is on/" in message
    assert "last seen  the lamp is off" in message
    [step] = told(lamp, "StepTaken")
    assert step["ok"] is False


def test_a_step_in_prose_that_shows_otherwise(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.step(3, NEVER)
        lamp.recovered()

    with pytest.raises(StepShowedOtherwise, match=r"(?s)9.1 step 3.*pigs fly.*no pig in sight"):
        run(lamp, body)


def test_a_step_that_the_entry_does_not_have(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.step(4, compose(LAMP))
        lamp.recovered()

    with pytest.raises(StepNotInRunbook, match=r"(?s)a step 4 that says to.*ends with step 3"):
        run(lamp, body)
    assert lamp.held


def test_every_step_that_did_not_hold_is_told(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.step(1, compose(LAMP, shows="never"))
        lamp.step(3, NEVER)
        lamp.step(9, compose(LAMP))
        lamp.recovered()

    with pytest.raises(StepShowedOtherwise) as caught:
        run(lamp, body)
    notes = "\n".join(caught.value.__notes__)
    assert "pigs fly" in notes
    assert "ends with step 3" in notes
    assert len(told(lamp, "ClaimFailed")) == 3


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_symptom_that_the_entry_does_not_have(lamp: Drill, world: World, number: int) -> None:
    with pytest.raises(NotInRunbook, match=rf"runbook\.md:3: entry 9\.1 has 2 symptoms.* {number}"):
        run(lamp, lambda: lamp.symptom(number, world.dark()))


def test_a_cause_that_the_entry_does_not_have(lamp: Drill, world: World) -> None:
    lamp.causes = (5,)
    with pytest.raises(NotInRunbook, match="has 2 causes; this drill speaks of cause 5"):
        run(lamp, lambda: None)


def test_an_entry_that_does_not_exist(lamp: Drill) -> None:
    lamp.record.entry_number = "9.2"
    with pytest.raises(UnknownEntry, match=r"no entry '9\.2'"):
        run(lamp, lambda: None)


def test_a_fix_by_a_documented_command(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.fix(1, compose("echo <what>", fill={"what": "let there be light"}, shows="light"))
        lamp.recovered()

    run(lamp, body)
    [fix] = told(lamp, "FixApplied")
    assert (fix["how"], fix["commands"]) == ("typed", ["echo let there be light"])


def test_a_fix_by_a_command_that_is_not_in_the_step(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.fix(3, compose("echo abracadabra"))
        lamp.recovered()

    with pytest.raises(CommandNotInRunbook, match="abracadabra"):
        run(lamp, body)


def test_a_fix_that_nobody_documents_must_show_what_it_should(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        world.change_bulb()  # made, and not done
        lamp.fix(None, compose("echo dark", shows="light"))

    with pytest.raises(FixDidNotHeal, match=r"(?s)`echo dark` to show /light/.*last seen +dark"):
        run(lamp, body)


def test_a_fix_of_several_steps(lamp: Drill, world: World) -> None:
    """What it healed halfway is no reason to call the rest a fault that healed itself."""

    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, world.dark())
        lamp.fix(3, world.change_bulb())
        lamp.fix(1, compose(LAMP))
        lamp.recovered()

    run(lamp, body)
    fixes = told(lamp, "FixApplied")
    assert [one["how"] for one in fixes] == ["prose", "typed"]


# --- what a call takes -------------------------------------------------------------------------
def test_a_misspelt_keyword_is_refused() -> None:
    """It once counted as a placeholder, and the step showed whatever it liked."""
    with pytest.raises(TypeError, match="show"):
        compose(LAMP, show="the lamp is on")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "forms",
    [(), (LAMP,), (nothing,), (NEVER, NOTHING), (compose(LAMP), NEVER), (compose(LAMP),) * 2],
    ids=["nothing", "words", "function", "two", "mixed", "same platform"],
)
def test_a_step_takes_a_look_an_action_or_a_command(lamp: Drill, forms: tuple[Any, ...]) -> None:
    for call in (lamp.step, lamp.fix, lamp.symptom):
        with pytest.raises(TypeError):
            call(1, *forms)


def test_a_symptom_is_not_something_done(lamp: Drill) -> None:
    with pytest.raises(TypeError, match="do nothing"):
        lamp.symptom(1, NOTHING)


def test_the_form_of_the_platform_is_typed(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.step(1, kubectl("kubectl get lamps"), compose(LAMP, shows="off"))
        lamp.recovered()

    run(lamp, body)
    [step] = told(lamp, "StepTaken")
    assert step["commands"] == [LAMP]


def test_a_step_without_a_form_for_the_platform_is_journaled(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.step(1, kubectl("kubectl get lamps"))
        lamp.recovered()

    run(lamp, body)
    [line] = told(lamp, "LineNotExercised")
    assert line["why"] == "the drill has no form of it for compose"
    assert told(lamp, "StepTaken") == []


def test_a_fix_without_a_form_for_the_platform_heals_nothing(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.fix(3, kubectl("kubectl delete lamp"))

    with pytest.raises(FixDidNotHeal, match="the drill has none"):
        run(lamp, body)


def test_a_command_of_another_platform_is_not_in_the_step(lamp: Drill, book: Runbook) -> None:
    """The words stand in the line, and are not what a person on this platform types."""
    text = book.path.read_text().replace("3.  Change", "3.  `kubectl get lamps`. Change")
    book.path.write_text(text)
    lamp.record.runbook = load(book.path)

    def body() -> None:
        lamp.step(3, compose("kubectl get lamps"))
        lamp.recovered()

    with pytest.raises(CommandNotInRunbook):
        run(lamp, body)


def test_what_is_not_to_be_had_here_leaves_its_line_unproven(lamp: Drill, world: World) -> None:
    def nobody_watches() -> str:
        return str(lamp.prometheus.instant("up"))

    def body() -> None:
        lamp.inject(burnt_out(world))
        lamp.symptom(1, world.dark())
        lamp.symptom(2, Look("a metric", nobody_watches))
        lamp.step(3, Look("a metric", nobody_watches))
        lamp.fix(3, world.change_bulb())
        lamp.recovered()

    run(lamp, body)
    reasons = [(one["ref"], one["why"]) for one in told(lamp, "LineNotExercised")]
    assert [why for _, why in reasons] == ["only a run with --alerts has a Prometheus to ask"] * 2
    assert lamp.held


# --- undoing -----------------------------------------------------------------------------------
@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt(), SystemExit(3)])
def test_the_fault_is_undone_however_the_body_ends(
    lamp: Drill, world: World, error: BaseException
) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        raise error

    with pytest.raises(type(error)):
        run(lamp, body)
    assert world.done == ["broken", "undone"]
    assert ended(lamp)["outcome"] == ("failed" if type(error) is RuntimeError else "interrupted")


def test_a_fault_that_breaks_halfway_is_undone(lamp: Drill, world: World) -> None:
    """Injected, and then its own look is broken."""

    @fault("half broken")
    def half(world: World) -> Iterator[Holds]:
        world.lit = False
        try:
            yield Look("whether it broke", lambda: os.environ["NO_SUCH_VARIABLE"])
        finally:
            world.lit = True
            world.done.append("undone")

    with pytest.raises(KeyError):
        run(lamp, lambda: lamp.inject(half(world)))
    assert world.done == ["undone"]


def test_faults_are_undone_last_first(lamp: Drill, world: World) -> None:
    order: list[str] = []

    @fault("{name}")
    def named(name: str) -> Iterator[Holds]:
        try:
            yield Look(name, lambda: name)
        finally:
            order.append(name)

    def body() -> None:
        lamp.inject(named("first"))
        lamp.inject(named("second"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run(lamp, body)
    assert order == ["second", "first"]


@fault("stuck")
def stuck(world: World) -> Iterator[Holds]:
    """Cannot be undone."""
    world.lit = False
    try:
        yield world.dark()
    finally:
        raise StackError("cannot be undone")


def test_an_error_while_undoing_never_hides_the_first(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(stuck(world))
        lamp.symptom(2, NEVER)

    with pytest.raises(SymptomAbsent) as caught:
        run(lamp, body)
    assert any("cannot be undone" in note for note in caught.value.__notes__)
    assert ended(lamp)["error"] == "SymptomAbsent"


def test_an_error_while_undoing_is_an_error(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(stuck(world))
        lamp.fix(3, world.change_bulb())
        lamp.recovered()

    with pytest.raises(StackError, match="cannot be undone"):
        run(lamp, body)
    assert not lamp.held
    assert ended(lamp)["outcome"] == "failed"


def test_the_other_faults_are_undone_when_one_cannot_be(lamp: Drill, world: World) -> None:
    other = World()

    def body() -> None:
        lamp.inject(burnt_out(other))
        lamp.inject(stuck(world))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run(lamp, body)
    assert other.done == ["broken", "undone"]


def test_a_drill_that_cannot_be_done_here_is_unproven(lamp: Drill, world: World) -> None:
    def body() -> None:
        lamp.inject(burnt_out(world))
        pytest.skip("no browser here")

    with pytest.raises(pytest.skip.Exception):
        run(lamp, body)
    assert ended(lamp)["outcome"] == "unproven"
    assert world.done == ["broken", "undone"]
