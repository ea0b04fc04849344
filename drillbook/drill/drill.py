"""A drill: steady state -> fault -> symptoms -> steps -> fix -> recovered -> no residue.

A scenario calls the methods of Drill in the runbook's order. Each phase has an error of its own
(``drillbook.drill.errors``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Literal, TypeVar

import pytest

from drillbook import interrupts
from drillbook import journal as events
from drillbook.drill import steady
from drillbook.drill.alerts import AlertPath
from drillbook.drill.commands import Command, Doing
from drillbook.drill.deadlines import Deadlines
from drillbook.drill.errors import (
    DrillError,
    DrillIncomplete,
    FaultDidNotTake,
    FixDidNotHeal,
    NotSteady,
    SelfHealed,
    SymptomAbsent,
)
from drillbook.drill.record import Record
from drillbook.drill.recovery import Recovery, Unrecovered
from drillbook.drill.steps import Steps
from drillbook.faults import Fault
from drillbook.journal import Journal, Phase, Ref
from drillbook.looking import SYSTEM, Action, Clock, Look, NeverSeen, Seen, Unavailable, until
from drillbook.platforms import Stack, StackError
from drillbook.runbook import Kind, Line, Runbook
from drillbook.symptoms.alerts import Alertmanager
from drillbook.symptoms.metrics import Prometheus
from drillbook.traffic import Witness

__tracebackhide__ = True  # a failed drill's message and its scenario's line say it all

FIX_DEADLINE_S = 60.0
NOT_WATCHED = "only a run with --alerts has a Prometheus to ask"
T = TypeVar("T")


def drills(
    entry: str, *, cause: int | Sequence[int] = (), exclusive: bool = False
) -> pytest.MarkDecorator:
    """Mark a test function as the drill of one cause (or several) of an entry of the runbook.

    ``exclusive`` is a drill that measures time or builds images: of two that run side by side,
    only one may be such.
    """
    causes = (cause,) if isinstance(cause, int) else tuple(cause)
    return pytest.mark.drills(entry, causes, exclusive=exclusive)


class Drill:
    """One drill. A scenario calls its methods in the runbook's order."""

    def __init__(  # noqa: PLR0913, PLR0917 - whatever a drill stands on
        self,
        stack: Stack,
        witness: Witness,
        journal: Journal,
        runbook: Runbook,
        entry: str,
        causes: tuple[int, ...] = (),
        title: str = "",
        *,
        clock: Clock = SYSTEM,
        deadlines: Deadlines | None = None,
        alertmanager: Alertmanager | None = None,
        prometheus: Prometheus | None = None,
    ) -> None:
        self.stack, self.witness, self.causes = stack, witness, causes
        self.clock, self.deadlines = clock, deadlines or Deadlines()
        self.prometheus = prometheus or Prometheus("", unavailable=NOT_WATCHED)
        """The Prometheus that watches the stack; what asks it stays unproven where none does."""
        self.record = Record(journal, runbook, entry, title)
        self._steps = Steps(self.record, stack, causes, self.deadlines, clock)
        self._recovery = Recovery(self.record, stack, witness, self.deadlines, clock)
        self._alerts = (
            AlertPath(self.record, alertmanager, self.deadlines, clock) if alertmanager else None
        )
        self._undo = ExitStack()
        self._holds: list[Look] = []
        self._symptoms: list[tuple[Line, Look]] = []
        self._fixes: list[Line | None] = []
        self._held = False

    # --- before the fault ------------------------------------------------------------------------
    def begin(self) -> None:
        """Check the steady state and remember what the stack looks like.

        Raises NotSteady, and drillbook.runbook.UnknownEntry where the entry does not exist.
        """
        claims = [Ref.to(self.record.claim("cause", number)) for number in self.causes]
        entry, title = self.record.entry_number, self.record.title
        self.record.write(events.DrillStarted(title, entry, claims, self.stack.platform))
        self.record.enter("steady", "the stack is healthy")
        try:
            healthy = steady.steady(self.stack, self.witness)
            self._await(healthy, self.deadlines.steady_s, NotSteady, "steady", "a healthy stack")
            if self._alerts is not None:
                with self.record.busy():
                    self._alerts.require_quiet()
        except NotSteady:
            self.record.untouched = False  # it was not this drill, but nobody can say what it was
            raise
        self._recovery.remember()

    def measure(self, words: str, measure: Callable[[], float]) -> float:
        """Measure something before it is broken, to hold a symptom against. Errors pass through."""
        self.record.enter("steady", f"measure {words}")
        with self.record.busy():
            return measure()

    def check(self, words: str, look: Look) -> None:
        """See that something holds before it is broken, else a symptom of it would prove nothing.

        Raises NotSteady.
        """
        self.record.enter("steady", words)
        self._await(look, self.deadlines.steady_s, NotSteady, "steady", words)

    def enter_context(self, needed: AbstractContextManager[T]) -> T:
        """Enter what the drill needs for its length; left before residue is looked for.

        Errors pass through.
        """
        with self.record.busy():
            return self._undo.enter_context(needed)

    # --- the fault and what is documented about it -----------------------------------------------
    def inject(self, fault: Fault) -> None:
        """Break something; it stays broken until a fix heals it or the drill is over.

        Raises FaultDidNotTake when nothing is seen to be broken.
        """
        self.record.enter("fault", fault.what)
        self.stack.mark()
        began_s = time.monotonic()
        if self.record.moments.fault_s is None:
            self.record.moments.fault_s = began_s
        with self.record.busy():
            holds = self._undo.enter_context(fault)
        self._holds.append(holds)
        takes_s = self.deadlines.takes_s
        seen = self._await(holds, takes_s, FaultDidNotTake, "fault", fault.what)
        self.record.write(events.FaultInjected(fault.what, seen.saw, time.monotonic() - began_s))

    def symptom(
        self,
        number: int,
        *forms: Doing,
        within_s: float | None = None,
        unproven: str = "",
    ) -> None:
        """Wait until symptom ``number`` of the entry shows. Raises SymptomAbsent.

        A symptom that names a command is given as one, and typed as written. ``unproven`` says
        why this look, on this machine, sees only a part of what the line says: it must show all
        the same, and the line stays *unproven*, for that reason.
        """
        line = self.record.claim("symptom", number)
        doing = self._steps.chosen(line, forms)
        if doing is None:
            return
        look = self._symptom_look(doing)
        self.record.enter("symptom", look.what)
        within = self.deadlines.symptom_s if within_s is None else within_s
        try:
            seen = self._await(look, within, SymptomAbsent, "symptom", look.what, line)
        except Unavailable as unavailable:
            self.record.write(events.LineNotExercised(Ref.to(line), str(unavailable)))
            return
        moments = self.record.moments
        if moments.detected_s is None:
            moments.detected_s = time.monotonic()
        self._symptoms.append((line, look))
        after_s = time.monotonic() - moments.broken_since_s
        typed = [one.command for one in doing.lines] if isinstance(doing, Command) else []
        detector = typed[0] if typed else look.detector
        self.record.write(
            events.SymptomSeen(Ref.to(line), seen.saw, after_s, unproven, detector, typed)
        )
        if isinstance(doing, Command):
            self._steps.require_documented(line, doing)

    def alert(self, name: str, *, expected: Sequence[str] = (), leads_to: str = "") -> None:
        """Check that alert ``name`` pages, leads to this entry, and that no other entry's does.

        ``expected`` are alerts of other entries that this cause sets off as well; ``leads_to`` is
        the entry that the alert names, where the runbook sends its reader there. What does not
        hold is raised at ``recovered``. Where the run is not watched, nothing is checked.
        """
        if self._alerts is not None:
            self._alerts.expect(name, leads_to or self.record.entry_number, expected)

    def step(self, number: int, *forms: Doing) -> None:
        """Follow step ``number``: type a command that it contains, or perform its prose by code.

        ``forms`` is one Look, one Action, or a command in the form of each platform. A step that
        does not hold is journaled, and raised at ``recovered``. Raises TypeError for anything
        else.
        """
        doing = self._steps.chosen(self._line_of(number), forms)
        if doing is None:
            return
        line = self._steps.line(number, doing)
        if line is not None:
            self._steps.follow(line, doing)

    def note(self, kind: Kind, number: int, text: str) -> None:
        """Record a finding: something true about a line that its reader needs to know."""
        self.record.write(events.FindingNoted(Ref.to(self.record.claim(kind, number)), text))

    # --- the fix and what must be true after it --------------------------------------------------
    def fix(self, number: int | None, *forms: Doing) -> None:
        """Apply the fix of step ``number``, having checked that the fault is still there.

        ``number`` is None where the runbook has no step that heals this cause: what is done then
        is the drill's own. A fix of several steps is several calls. Raises SelfHealed;
        FixDidNotHeal where it cannot be applied; TypeError as ``step`` does.
        """
        doing = self._steps.chosen(self._line_of(number), forms)
        if doing is None:
            words = f"a form of it for {self.stack.platform}"
            message = self.record.message("fix", None, words, last="the drill has none")
            raise FixDidNotHeal(message)
        if not self._fixes:
            self._require_still_broken()
        line = None if number is None else self._steps.line(number, doing)
        self._fixes.append(line)
        words = self._steps.words(doing)
        self.record.enter("fix", words)
        began_s = time.monotonic()
        self.record.moments.fixing_s = self.record.moments.fixing_s or began_s
        self.stack.mark()
        with self.record.busy():
            transcript = self._apply(line, doing)
        how: Literal["typed", "prose"] = "typed" if isinstance(doing, Command) else "prose"
        self.record.write(
            events.FixApplied(
                Ref.to(line) if line else None,
                how,
                [words] if how == "typed" else [],
                transcript,
                time.monotonic() - began_s,
                [one.command for one in doing.lines] if isinstance(doing, Command) else [],
            )
        )

    def verification(self, number: int, *forms: Doing) -> None:
        """Follow verification ``number`` of the entry, once the fix is applied.

        ``forms`` and what does not hold are as with ``step``. Raises DrillIncomplete where a fault
        is in force and no fix was applied, and NotInRunbook.
        """
        line = self.record.claim("verification", number)
        if self._holds and not self._fixes:
            expected = "a fix before it"
            message = self.record.message("step", line, expected, last="none was applied")
            raise DrillIncomplete(message)
        doing = self._steps.chosen(line, forms)
        if doing is not None:
            self._steps.follow(line, doing)

    def recovered(self, *, within_s: float | None = None) -> None:
        """Prove that the service came back, that nothing is lost and nothing is left behind.

        Raises FixDidNotHeal, WriteLost, ResidueLeft, or the first StepError of the drill.
        """
        self.record.enter("recovered", "steady again, no symptom left")
        if self._holds and not self._fixes:
            expected = "a fix before it"
            message = self.record.message("recovered", None, expected, last="none was applied")
            raise DrillIncomplete(message)
        with self.record.busy():
            self._wait_recovered(self.deadlines.recovered_s if within_s is None else within_s)
        moments = self.record.moments
        healed_s = moments.healed_s = time.monotonic()
        self.record.write(events.Recovered(healed_s - (moments.fixing_s or healed_s)))
        acknowledged, lost = self._recovery.require_nothing_lost()
        try:
            if self._alerts is not None:
                self._alerts.require_over(self.record.entry_number, healed_s)
            self.record.enter("residue", "the stack is as it was")
            self._undo.close()
            self._recovery.require_no_residue()
        finally:
            self._recovery.report_witness(acknowledged, lost)
        self._held = True
        self._raise_failed()

    # --- around a scenario -----------------------------------------------------------------------
    @contextmanager
    def closing(self) -> Iterator[Drill]:
        """Run a scenario's body; whatever happens, undo its faults and journal how it ended.

        Raises what the body raised; DrillIncomplete where it returned before ``recovered``. An
        error while undoing never hides the first: it becomes a note on it. Where somebody
        interrupted the run, an error is of that and of nothing else: KeyboardInterrupt.
        """
        error: BaseException | None = None
        try:
            yield self
            self._require_complete()
        except BaseException as raised:
            asked = interrupts.asked()
            if asked is None or isinstance(raised, KeyboardInterrupt):
                error = raised
                raise
            error = asked
            raise asked from raised
        finally:
            undo_error = self._undo_all(error)
            self._journal_end(error or undo_error)
            if error is None and undo_error is not None:
                raise undo_error

    @property
    def untouched(self) -> bool:
        """Whether it ended on a healthy stack, before it broke, typed or changed anything."""
        return self.record.untouched

    @property
    def held(self) -> bool:
        """Whether the drill reached ``recovered`` with nothing lost and nothing left behind."""
        return self._held

    # --- within ----------------------------------------------------------------------------------
    def _line_of(self, number: int | None) -> Line | None:
        steps = self.record.entry.steps
        return steps[number - 1] if number is not None and 1 <= number <= len(steps) else None

    def _symptom_look(self, doing: Doing) -> Look:
        if isinstance(doing, Command):
            return self._steps.type_symptom(doing)
        if isinstance(doing, Action):
            raise TypeError(f"a symptom is looked for, and not done: {doing.what}")
        return doing

    def _apply(self, line: Line | None, doing: Doing) -> str:
        if isinstance(doing, Command):
            transcript, otherwise = self._steps.type_fix(line, doing)
            if line is None and otherwise is not None:
                saw = otherwise.saw
                message = self.record.message("fix", None, otherwise.expected, last=saw)
                raise self._not_healed(message)
            return str(transcript)
        try:
            return doing()
        except (AssertionError, StackError) as error:
            message = self.record.message("fix", line, doing.what, last=str(error))
            raise self._not_healed(message) from error

    def _await(  # noqa: PLR0913, PLR0917 - what is awaited, and how to say that it did not come
        self,
        look: Look,
        within_s: float,
        kind: type[DrillError],
        phase: Phase,
        expected: str,
        line: Line | None = None,
    ) -> Seen:
        """Wait for a look to succeed. Raises ``kind``, which says what was awaited."""
        with self.record.busy():
            try:
                return until(look, within_s, clock=self.clock)
            except NeverSeen as never:
                message = self.record.message(phase, line, expected, never)
                if line is not None and kind is SymptomAbsent:
                    raise self.record.failed(kind, line, message) from None
                raise kind(message) from None

    def _require_still_broken(self) -> None:
        """Raise SelfHealed unless the fault and every symptom are there at this moment."""
        self.record.enter("fix", "is it still broken?")
        self.stack.mark()
        within_s = self.deadlines.still_holds_s
        for holds in self._holds:
            self._await(holds, within_s, SelfHealed, "fix", "the fault still in force")
        for line, look in self._symptoms:
            self._await(look, within_s, SelfHealed, "fix", f"still: {look.what}", line)
        if self._alerts is not None:
            self._alerts.require_no_others()

    def _wait_recovered(self, within_s: float) -> None:
        faults = [("the fault", holds) for holds in self._holds]
        symptoms = [(line.name, look) for line, look in self._symptoms]
        try:
            self._recovery.wait(faults + symptoms, within_s)
        except Unrecovered as failure:
            line = next((one for one in reversed(self._fixes) if one is not None), None)
            message = self.record.message("recovered", line, failure.expected, failure.never)
            raise self._not_healed(message) from None

    def _not_healed(self, message: str) -> FixDidNotHeal:
        line = next((one for one in reversed(self._fixes) if one is not None), None)
        return self.record.failed(FixDidNotHeal, line, message) if line else FixDidNotHeal(message)

    def _raise_failed(self) -> None:
        failed = [*self._steps.failed, *(self._alerts.failed if self._alerts else ())]
        if failed:
            first, *others = failed
            for other in others:
                first.add_note(f"\nand also: {other}")
            raise first

    def _require_complete(self) -> None:
        interrupts.check()
        if not self._held:
            last = "the scenario never called it"
            message = self.record.message("recovered", None, "drill.recovered()", last=last)
            raise DrillIncomplete(message)

    def _undo_all(self, error: BaseException | None) -> Exception | None:
        try:
            self._undo.close()
        except Exception as undo_error:  # noqa: BLE001 - reported by the caller, beside or below the first error
            if error is not None:
                error.add_note(f"undoing the fault failed as well: {undo_error!r}")
            return undo_error
        return None

    def _journal_end(self, error: BaseException | None) -> None:
        took_s = time.monotonic() - self.record.moments.began_s
        outcome: events.Outcome = "passed"
        if isinstance(error, KeyboardInterrupt | SystemExit):
            outcome = "interrupted"
        elif error is not None:
            outcome = "unproven" if type(error).__name__ == "Skipped" else "failed"
        self.record.write(
            events.DrillEnded(
                outcome,
                self._held,
                type(error).__name__ if error else None,
                str(error) if error else None,
                took_s,
                took_s - self.record.moments.busy_s,
            )
        )
