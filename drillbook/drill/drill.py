"""A drill: steady state -> fault -> symptoms -> steps -> fix -> recovered -> no residue.

Each phase has an error of its own::

    DrillError
    ├── NotSteady            the stack was not healthy before anything was broken
    ├── FaultDidNotTake      the fault was injected, and nothing is broken
    ├── SymptomAbsent        a documented symptom did not appear within its deadline
    ├── SelfHealed           the fault was gone before the fix
    ├── StepError
    │   ├── StepNotInRunbook       the entry has no such step
    │   ├── CommandNotInRunbook    the step does not contain what was typed
    │   └── StepShowedOtherwise    the step was followed, and did not show what it should
    ├── AlertError
    │   ├── AlertAbsent        the entry's own alert did not page anybody
    │   ├── AlertOutOfPlace    an alert that leads to another entry paged as well
    │   └── AlertNotOver       the service is back, and its alert still fires
    ├── FixDidNotHeal        the fix was applied, and the service did not come back
    ├── NotInRunbook         the entry has no such symptom or cause
    ├── WriteLost            an order that was acknowledged is gone
    ├── ResidueLeft          the drill is over, and the stack is not as it was
    └── DrillIncomplete      the scenario returned without reaching ``recovered``

A step or an alert that fails leaves the system as it is, so the drill goes on, to tell in one run
what else of the entry holds, and raises at its end. Every other error ends it at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import pytest

from drillbook import interrupts
from drillbook import journal as events
from drillbook.drill import alerts as alarms
from drillbook.drill import steps
from drillbook.drill.alerts import Alarms
from drillbook.drill.steady import serving, steady
from drillbook.faults import Fault
from drillbook.journal import Journal, Phase, Ref
from drillbook.looking import SYSTEM, Action, Clock, Look, NeverSeen, Seen, absent, until, what
from drillbook.platforms.compose.stack import Stack, StackError
from drillbook.residue import Fingerprint, differences, fingerprint
from drillbook.runbook import Line, Runbook
from drillbook.symptoms import database
from drillbook.symptoms.metrics import Prometheus
from drillbook.terminal import DEADLINE_S, Terminal, Typed
from drillbook.traffic import Witness

__tracebackhide__ = True  # a failed drill's message and its scenario's line say it all

STEADY_S = 30.0
TAKES_S = 10.0
SYMPTOM_S = 15.0
STILL_HOLDS_S = SYMPTOM_S  # one that comes and goes, as in a crash loop, is waited for again
LOOK_S = 15.0
RECOVERED_S = 30.0
RESIDUE_S = 10.0
QUIET_S = 0.2  # several requests of the witness
PLATFORM = "compose"


class DrillError(Exception):
    """A drill failed; the message says in which phase, on which line, and what was seen."""


class NotSteady(DrillError):
    """The stack was not healthy before anything was broken."""


class FaultDidNotTake(DrillError):
    """The fault was injected, and nothing is broken."""


class SymptomAbsent(DrillError):
    """A documented symptom did not appear within its deadline."""


class SelfHealed(DrillError):
    """The fault was gone before the fix."""


class StepError(DrillError):
    """A documented step did not hold."""


class StepNotInRunbook(StepError):
    """The entry has no such step."""


class CommandNotInRunbook(StepError):
    """The step of the runbook does not contain what was typed."""


class StepShowedOtherwise(StepError):
    """The step was followed, and did not show what it should."""


class AlertError(DrillError):
    """The alert path did not hold."""


class AlertAbsent(AlertError):
    """The entry's own alert did not page anybody, or leads elsewhere."""


class AlertOutOfPlace(AlertError):
    """An alert that leads to another entry paged as well, and was not expected."""


class AlertNotOver(AlertError):
    """The service is back, and its alert still fires."""


class FixDidNotHeal(DrillError):
    """The fix was applied, and the service did not come back."""


class NotInRunbook(DrillError):
    """The entry has no such symptom or cause."""


class WriteLost(DrillError):
    """An order that was acknowledged is gone."""


class ResidueLeft(DrillError):
    """The drill is over, and the stack is not as it was before."""


class DrillIncomplete(DrillError):
    """The scenario returned without reaching ``recovered``."""


E = TypeVar("E", bound=DrillError)
T = TypeVar("T")


def drills(entry: str, *, cause: int | Sequence[int] = ()) -> pytest.MarkDecorator:
    """Mark a test function as the drill of one cause (or several) of an entry of the runbook."""
    causes = (cause,) if isinstance(cause, int) else tuple(cause)
    return pytest.mark.drills(entry, causes)


@dataclass
class Moments:
    """When what happened, in monotonic seconds."""

    began_s: float
    created_s: float = field(default_factory=time.monotonic)
    fault_s: float | None = None
    detected_s: float | None = None
    fixing_s: float | None = None
    healed_s: float | None = None
    busy_s: float = 0.0


@dataclass(repr=False)
class Drill:
    """One drill. A scenario calls its methods in the runbook's order."""

    stack: Stack
    witness: Witness
    journal: Journal
    runbook: Runbook
    entry: str
    causes: tuple[int, ...] = ()
    title: str = ""
    clock: Clock = SYSTEM
    alarms: Alarms | None = None
    prometheus: Prometheus | None = None
    # --- how it stands
    _faults: ExitStack = field(default_factory=ExitStack)
    _holds: list[Callable[[], str]] = field(default_factory=list)
    _symptoms: list[tuple[Line, Callable[[], str]]] = field(default_factory=list)
    _failed_steps: list[StepError | AlertError] = field(default_factory=list)
    _alerts: list[tuple[str, Look, Look]] = field(default_factory=list)
    _baseline: Fingerprint | None = None
    _moments: Moments = field(default_factory=lambda: Moments(time.monotonic()))
    _untouched: bool = True
    _fixed: bool = False
    _fix_line: Line | None = None
    _held: bool = False

    # --- the phases, in order ----------------------------------------------------------------
    def begin(self) -> None:
        """Check the steady state and remember what the stack looks like.

        Raises NotSteady, and drillbook.runbook.UnknownEntry where the entry does not exist.
        """
        claims = [Ref.to(self._claim("cause", number)) for number in self.causes]
        self.journal.write(events.DrillStarted(self.title, self.entry, claims, PLATFORM))
        self._enter("steady", "the stack is healthy")
        with self._busy():
            try:
                until(steady(self.stack, self.witness), STEADY_S, clock=self.clock)
            except NeverSeen as never:
                raise self._not_steady("a healthy stack", never) from None
            self._require_no_alert()
        self._baseline = fingerprint(self.stack)

    def measure(self, words: str, measure: Callable[[], float]) -> float:
        """Measure something before it is broken, to hold a symptom against. Errors pass through."""
        self._enter("steady", f"measure {words}")
        with self._busy():
            return measure()

    def check(self, words: str, look: Callable[[], str]) -> None:
        """See that something holds before it is broken, else a symptom of it would prove nothing.

        Raises NotSteady.
        """
        self._enter("steady", words)
        self._await(look, STEADY_S, NotSteady, "steady", words)

    def enter_context(self, needed: AbstractContextManager[T]) -> T:
        """Enter what the drill needs for its length; left before residue is looked for.

        Errors pass through.
        """
        with self._busy():
            return self._faults.enter_context(needed)

    def inject(self, fault: Fault) -> None:
        """Break something; it stays broken until a fix heals it or the drill is over.

        Raises FaultDidNotTake when nothing is seen to be broken.
        """
        self._enter("fault", fault.what)
        self.stack.mark()
        began_s = time.monotonic()
        if self._moments.fault_s is None:
            self._moments.fault_s = began_s
        with self._busy():
            holds = self._faults.enter_context(fault)
        self._holds.append(holds)
        seen = self._await(holds, TAKES_S, FaultDidNotTake, "fault", fault.what)
        self.journal.write(events.FaultInjected(fault.what, seen.saw, time.monotonic() - began_s))

    def symptom(
        self,
        number: int,
        look: Callable[[], str],
        *,
        within_s: float = SYMPTOM_S,
        unproven: str = "",
    ) -> None:
        """Wait until symptom ``number`` of the entry shows. Raises SymptomAbsent.

        ``unproven`` says why this look, on this machine, sees only a part of what the line says:
        it must show all the same, and the line stays *unproven*, for that reason.
        """
        line = self._claim("symptom", number)
        self._enter("symptom", what(look))
        with self._busy():
            try:
                seen = until(look, within_s, clock=self.clock)
            except NeverSeen as never:
                message = self._message("symptom", line, what(look), never)
                raise self._claim_failed(SymptomAbsent, line, message) from None
        if self._moments.detected_s is None:
            self._moments.detected_s = time.monotonic()
        self._symptoms.append((line, look))
        after_s = time.monotonic() - (self._moments.fault_s or self._moments.began_s)
        self.journal.write(events.SymptomSeen(Ref.to(line), seen.saw, after_s, unproven))

    def alert(self, name: str, *, expected: Sequence[str] = (), leads_to: str = "") -> None:
        """Check that alert ``name`` pages, leads to this entry, and that no other entry's does.

        ``expected`` are alerts of other entries that this cause sets off as well; ``leads_to`` is
        the entry that the alert names, where the runbook sends its reader there. What does not
        hold is raised at ``recovered``. Where the run is not watched, nothing is checked.
        """
        if self.alarms is None:
            return
        entry = leads_to or self.entry
        mine, strange = self.alarms.fires(name, entry), self.alarms.none_but(entry, expected)
        self._enter("symptom", what(mine))
        seen = self._alerted(AlertAbsent, mine, alarms.FIRES_S)
        others = self._alerted(AlertOutOfPlace, strange, alarms.SETTLES_S)
        if seen is None:
            return
        self._alerts.append((name, mine, strange))
        fault_s = self._moments.fault_s or self._moments.began_s
        after_s = self.alarms.since(name) - (time.time() - (time.monotonic() - fault_s))
        self.journal.write(
            events.AlertFired(name, entry, after_s, seen, others or "others, see the error")
        )

    def step(  # noqa: PLR0913 - a step's words read best in one call
        self,
        number: int,
        doing: str | Callable[[], str],
        *,
        shows: str = "",
        session: Sequence[Typed] = (),
        stop_when_shown: bool = False,
        deadline_s: float = DEADLINE_S,
        **placeholders: str,
    ) -> None:
        """Follow step ``number``: type a command that it contains, or perform its prose by code.

        ``shows`` is a regular expression that the output must match; ``session`` are lines typed
        at the prompt that the command opens; ``stop_when_shown`` presses Ctrl-C on a command that
        never ends. Placeholders of the runbook (``<service_name>``) are filled in by keyword,
        with ``_`` for what no keyword can hold. A step that does not hold is journaled, and
        raised at ``recovered``.
        """
        line = self._step_line(number, doing if isinstance(doing, str) else what(doing))
        if line is None:
            return
        if isinstance(doing, str):
            typed = [Typed(doing, shows, stop_when_shown), *session]
            self._enter("step", steps.filled(doing, placeholders))
            with self._busy():
                self._type_step(line, typed, placeholders, deadline_s)
        else:
            self._enter("step", what(doing))
            with self._busy():
                self._perform_step(line, doing)

    def fix(
        self,
        number: int | None,
        doing: str | Callable[[], str],
        *,
        shows: str = "",
        deadline_s: float = 60.0,
        **placeholders: str,
    ) -> None:
        """Apply the fix of step ``number``, having checked that the fault is still there.

        ``number`` is None where the runbook has no step that heals this cause: what is done
        then is the drill's own. Raises SelfHealed; FixDidNotHeal where it cannot be applied.
        """
        self._require_still_broken()
        words = steps.filled(doing, placeholders) if isinstance(doing, str) else what(doing)
        line = self._fix_line = None if number is None else self._step_line(number, words)
        self._enter("fix", words)
        began_s = self._moments.fixing_s = time.monotonic()
        self.stack.mark()
        with self._busy():
            if isinstance(doing, str):
                told = self._type_fix(line, Typed(doing, shows), placeholders, deadline_s)
            else:
                told = self._perform_fix(doing)
        self._fixed = True
        how: Literal["typed", "prose"] = "typed" if isinstance(doing, str) else "prose"
        self.journal.write(
            events.FixApplied(
                Ref.to(line) if line else None,
                how,
                [words] if how == "typed" else [],
                told,
                time.monotonic() - began_s,
            )
        )

    def recovered(self, *, within_s: float = RECOVERED_S) -> None:
        """Prove that the service came back, that nothing is lost and nothing is left behind.

        Raises FixDidNotHeal, WriteLost, ResidueLeft, or the first StepError of the drill.
        """
        self._enter("recovered", "steady again, no symptom left")
        if self._holds and not self._fixed:
            message = self._message("recovered", None, "a fix before it", last="none was applied")
            raise DrillIncomplete(message)
        with self._busy():
            self._wait_recovered(within_s)
        healed_s = self._moments.healed_s = time.monotonic()
        self.journal.write(events.Recovered(healed_s - (self._moments.fixing_s or healed_s)))
        promised = self.witness.ledger.keys()
        lost = set(promised) - database.orders_there(self.stack, promised)
        try:
            self._require_nothing_lost(promised, lost)
            self._require_alerts_over(healed_s)
            self._enter("residue", "the stack is as it was")
            self._faults.close()
            self._require_no_residue()
        finally:
            self._report_witness(len(promised), len(lost))
        self._held = True
        if self._failed_steps:
            first, *others = self._failed_steps
            for other in others:
                first.add_note(f"\nand also: {other}")
            raise first

    def note(self, kind: Literal["symptom", "cause", "step"], number: int, text: str) -> None:
        """Record a finding: something true about a line that its reader needs to know."""
        self.journal.write(events.FindingNoted(Ref.to(self._claim(kind, number)), text))

    @contextmanager
    def closing(self) -> Iterator[Drill]:
        """Run a scenario's body; whatever happens, undo its faults and journal how it ended.

        Raises what the body raised; DrillIncomplete where it returned before ``recovered``. An
        error while undoing never hides the first: it becomes a note on it.
        """
        error: BaseException | None = None
        try:
            yield self
            self._require_complete()
        except BaseException as raised:
            error = raised
            raise
        finally:
            undo_error = self._undo(error)
            self._journal_end(error or undo_error)
            if error is None and undo_error is not None:
                raise undo_error

    @property
    def untouched(self) -> bool:
        """Whether it ended on a healthy stack, before it broke, typed or changed anything."""
        return self._untouched

    @property
    def held(self) -> bool:
        """Whether the drill reached ``recovered`` with nothing lost and nothing left behind."""
        return self._held

    # --- alerts ------------------------------------------------------------------------------
    def _alerted(self, kind: type[AlertError], look: Look, within_s: float) -> str | None:
        """Wait for what is to be seen of alerts; None, and an error for later, where it is not."""
        with self._busy():
            try:
                return until(look, within_s, every_s=0.1, clock=self.clock).saw
            except NeverSeen as never:
                self._failed_steps.append(kind(self._message("symptom", None, what(look), never)))
                return None

    def _require_no_alert(self) -> None:
        if self.alarms is None:
            return
        try:
            until(self.alarms.quiet(), alarms.OVER_S, every_s=0.1, clock=self.clock)
        except NeverSeen as never:
            raise self._not_steady("no alert", never) from None

    def _not_steady(self, expected: str, never: NeverSeen) -> NotSteady:
        self._untouched = False  # it was not this drill, but nobody can say what it was
        return NotSteady(self._message("steady", None, expected, never))

    def _require_alerts_over(self, healed_s: float) -> None:
        for name, mine, _ in self._alerts:
            over = absent(mine)
            self._enter("recovered", what(over))
            if self._alerted(AlertNotOver, over, alarms.OVER_S) is not None:
                after_s = time.monotonic() - healed_s
                self.journal.write(events.AlertResolved(name, self.entry, after_s))

    # --- steps -------------------------------------------------------------------------------
    def _step_line(self, number: int, words: str) -> Line | None:
        entry = self.runbook.entry(self.entry)
        if 1 <= number <= len(entry.steps):
            return entry.steps[number - 1]
        last = f"{self.entry} ends with step {len(entry.steps)}"
        line = entry.causes[self.causes[0] - 1] if self.causes else entry.steps[-1]
        message = self._message("step", line, f"a step {number} that says to {words}", last=last)
        self._failed_steps.append(self._claim_failed(StepNotInRunbook, line, message))
        return None

    def _type_step(
        self, line: Line, typed: Sequence[Typed], fill: Mapping[str, str], deadline_s: float
    ) -> None:
        if not self._require_documented(line, typed, fill):
            return
        began_s = time.monotonic()
        lines = [replace(one, command=steps.filled(one.command, fill)) for one in typed]
        transcript = self._terminal().type(lines[0], session=lines[1:], deadline_s=deadline_s)
        ok = self._require_shown(line, steps.shown_otherwise(transcript, lines))
        self._took_step(
            line,
            [one.command for one in lines],
            ok,
            steps.gist(transcript, lines),
            began_s,
            str(transcript),
        )

    def _type_fix(
        self, line: Line | None, typed: Typed, fill: Mapping[str, str], deadline_s: float
    ) -> str:
        if line is not None:
            self._require_documented(line, [typed], fill)
        typed = replace(typed, command=steps.filled(typed.command, fill))
        transcript = self._terminal().type(typed, deadline_s=deadline_s)
        if line is not None:
            self._require_shown(line, steps.shown_otherwise(transcript, [typed]))
        return str(transcript)

    def _perform_fix(self, doing: Callable[[], str]) -> str:
        try:
            return doing()
        except (AssertionError, StackError) as error:
            message = self._message("fix", self._fix_line, what(doing), last=str(error))
            raise self._not_healed(message) from error

    def _perform_step(self, line: Line, doing: Callable[[], str]) -> None:
        began_s = time.monotonic()
        # a look may have to wait for what it looks for; an action is done once
        patience_s = 0.0 if isinstance(doing, Action) else LOOK_S
        try:
            saw, otherwise = until(doing, patience_s, clock=self.clock).saw, None
        except NeverSeen as never:
            saw = never.last
            otherwise = steps.Otherwise(what(doing), saw)
        ok = self._require_shown(line, otherwise)
        self._took_step(line, [], ok, saw, began_s, "")

    def _took_step(  # noqa: PLR0913, PLR0917
        self, line: Line, commands: list[str], ok: bool, saw: str, began_s: float, transcript: str
    ) -> None:
        how: Literal["typed", "prose"] = "typed" if commands else "prose"
        took_s = time.monotonic() - began_s
        self.journal.write(
            events.StepTaken(Ref.to(line), how, commands, ok, saw, transcript, took_s)
        )

    def _require_documented(
        self, line: Line, typed: Sequence[Typed], fill: Mapping[str, str]
    ) -> bool:
        """Whether the step contains all of it; where not, type what it has instead, and tell."""
        strange = steps.undocumented(line, typed)
        if strange is None:
            return True
        told = f"it has: {', '.join(f'`{one}`' for one in line.commands) or 'no command'}"
        instead = steps.as_documented(line, typed, fill)
        if instead is not None:
            began_s = time.monotonic()
            transcript = self._terminal().type(
                instead[0], session=instead[1:], deadline_s=steps.WRONG_COMMAND_S
            )
            told += f"\ntyped as the runbook has it:\n{transcript}"
            commands = [one.command for one in instead]
            saw = steps.gist(transcript, instead)
            self._took_step(line, commands, False, saw, began_s, str(transcript))
        message = self._message("step", line, f"`{strange}` in this step", last=told)
        self._failed_steps.append(self._claim_failed(CommandNotInRunbook, line, message))
        return False

    def _require_shown(self, line: Line, otherwise: steps.Otherwise | None) -> bool:
        if otherwise is None:
            return True
        message = self._message("step", line, otherwise.expected, last=otherwise.saw)
        self._failed_steps.append(self._claim_failed(StepShowedOtherwise, line, message))
        return False

    def _terminal(self) -> Terminal:
        password = self.stack.environment["POSTGRES_PASSWORD"]
        return Terminal(self.stack.folder, self.stack.shell_environment(), password)

    # --- phases, from within -----------------------------------------------------------------
    def _await(  # noqa: PLR0913, PLR0917 - what is awaited, and how to say that it did not come
        self,
        look: Callable[[], str],
        within_s: float,
        kind: type[DrillError],
        phase: Phase,
        expected: str,
        line: Line | None = None,
    ) -> Seen:
        """Wait for a look to succeed. Raises ``kind``, which says what was awaited."""
        with self._busy():
            try:
                return until(look, within_s, clock=self.clock)
            except NeverSeen as never:
                raise kind(self._message(phase, line, expected, never)) from None

    def _require_still_broken(self) -> None:
        """Raise SelfHealed unless the fault and every symptom are there at this moment."""
        self._enter("fix", "is it still broken?")
        self.stack.mark()
        for holds in self._holds:
            self._await(holds, STILL_HOLDS_S, SelfHealed, "fix", "the fault still in force")
        for line, look in self._symptoms:
            self._await(look, STILL_HOLDS_S, SelfHealed, "fix", f"still: {what(look)}", line)
        for _, _, strange in self._alerts:
            self._alerted(AlertOutOfPlace, strange, alarms.SETTLES_S)

    def _wait_recovered(self, within_s: float) -> None:
        """Wait until all is well: the service, the fault itself, and every symptom."""
        deadline_s = self.clock.now() + within_s
        expected = "the service back to its steady state"
        try:
            until(serving(self.stack, self.witness), within_s, clock=self.clock)
            self.stack.mark()  # logs are asked about the time since the service is back
            faults = [("the fault", holds) for holds in self._holds]
            symptoms = [(line.name, look) for line, look in self._symptoms]
            for name, look in faults + symptoms:
                expected = f"{name} gone: {what(look)}"
                left_s = max(0.0, deadline_s - self.clock.now())
                until(self._gone(look), left_s, clock=self.clock)
        except NeverSeen as never:
            message = self._message("recovered", self._fix_line, expected, never)
            raise self._not_healed(message) from None

    def _gone(self, look: Callable[[], str]) -> Look:
        """A look that succeeds once a symptom is seen no more.

        One request that failed late would stand in the log for good, so each time that something
        is still seen, logs are asked anew, about a stretch long enough for others to fail in.
        """
        no_longer = absent(look)

        def gone() -> str:
            try:
                return no_longer()
            except AssertionError:
                self.stack.mark()
                self.clock.wait(QUIET_S)
                raise

        return Look(no_longer.what, gone)

    def _not_healed(self, message: str) -> FixDidNotHeal:
        if self._fix_line is None:
            return FixDidNotHeal(message)
        return self._claim_failed(FixDidNotHeal, self._fix_line, message)

    def _require_nothing_lost(self, promised: Sequence[str], lost: set[str]) -> None:
        if lost:
            expected = f"all {len(promised)} acknowledged orders in the database"
            last = f"{len(lost)} are gone, one with the key {min(lost)}"
            raise WriteLost(self._message("recovered", None, expected, last=last))

    def _report_witness(self, acknowledged: int, lost: int) -> None:
        at = self._moments
        told = self.witness.report(at.began_s, at.fault_s, at.healed_s, time.monotonic())
        self.journal.write(
            events.WitnessReport(
                at.detected_s - at.fault_s if at.detected_s and at.fault_s else None,
                told.felt_s,
                told.requests,
                told.failed,
                told.latency_ms,
                acknowledged,
                lost,
                [
                    (self.journal.clock_s(one.sent_s), round(one.took_s * 1000, 1), one.failed)
                    for one in told.samples
                ],
            )
        )

    def _require_no_residue(self) -> None:
        """Wait until the stack is as it was (processes end in their own time), or raise."""
        began_s = looked_s = time.monotonic()

        def as_it_was() -> str:
            nonlocal looked_s
            assert self._baseline is not None, "begin() took no baseline"
            looked_s = time.monotonic()
            changed = differences(self._baseline, fingerprint(self.stack))
            assert not changed, "\n".join(changed)
            return "the stack is as it was"

        try:
            until(as_it_was, RESIDUE_S, every_s=0.2, clock=self.clock)
        except NeverSeen as never:
            message = self._message("residue", None, "the stack as it was before", never)
            raise ResidueLeft(message) from None
        # what was waited for is the stack's time; the last look is the harness' own
        self._moments.busy_s += looked_s - began_s

    def _require_complete(self) -> None:
        interrupts.check()
        if not self._held:
            last = "the scenario never called it"
            message = self._message("recovered", None, "drill.recovered()", last=last)
            raise DrillIncomplete(message)

    def _undo(self, error: BaseException | None) -> Exception | None:
        try:
            self._faults.close()
        except Exception as undo_error:  # noqa: BLE001 - reported by the caller, beside or below the first error
            if error is not None:
                error.add_note(f"undoing the fault failed as well: {undo_error!r}")
            return undo_error
        return None

    def _journal_end(self, error: BaseException | None) -> None:
        took_s = time.monotonic() - self._moments.created_s
        outcome: events.Outcome = "passed"
        if isinstance(error, KeyboardInterrupt | SystemExit):
            outcome = "interrupted"
        elif error is not None:
            outcome = "unproven" if type(error).__name__ == "Skipped" else "failed"
        self.journal.write(
            events.DrillEnded(
                outcome,
                self._held,
                type(error).__name__ if error else None,
                str(error) if error else None,
                took_s,
                took_s - self._moments.busy_s,
            )
        )

    # --- words -------------------------------------------------------------------------------
    def _claim(self, kind: Literal["symptom", "cause", "step"], number: int) -> Line:
        entry = self.runbook.entry(self.entry)
        lines = entry.of(kind)
        if not 1 <= number <= len(lines):
            raise NotInRunbook(
                f"{self.runbook.path}:{entry.line}: entry {entry.number} has {len(lines)} "
                f"{kind}s; this drill speaks of {kind} {number}"
            )
        return lines[number - 1]

    def _claim_failed(self, kind: type[E], line: Line, message: str) -> E:
        self.journal.write(events.ClaimFailed(Ref.to(line), kind.__name__, message))
        return kind(message)

    def _enter(self, phase: Phase, words: str) -> None:
        interrupts.check()
        self._untouched = self._untouched and phase == "steady"
        self.journal.write(events.PhaseEntered(phase, words))

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """Time what the drill waits for or does, to tell it from what the harness costs."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            self._moments.busy_s += time.monotonic() - began_s

    def _message(
        self,
        phase: Phase,
        line: Line | None,
        expected: str,
        never: NeverSeen | None = None,
        *,
        last: str = "",
    ) -> str:
        told = [f"{self.entry}: {self.title}", f"phase      {phase}"]
        if line is not None:
            told.append(f'runbook    {self.runbook.path}:{line.line}  {line.name}: "{line.text}"')
        told.append(f"expected   {expected}")
        seen = never.last if never else last
        told.append("last seen  " + seen.replace("\n", "\n           "))
        if never is not None:
            told.append(f"waited     {never.waited_s:.1f} s, {never.looks} looks")
        told.append(f"evidence   {self.journal.path}")
        return "\n".join(told)
