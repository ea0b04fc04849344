"""The end of a drill: the service is back, nothing is lost, nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from drillbook import journal as events
from drillbook.drill import steady
from drillbook.drill.deadlines import Deadlines
from drillbook.drill.errors import ResidueLeft, WriteLost
from drillbook.drill.record import Record
from drillbook.looking import Clock, Look, NeverSeen, absent, until
from drillbook.platforms import Stack
from drillbook.residue import Fingerprint, differences, fingerprint
from drillbook.traffic import Witness


@dataclass
class Recovery:
    """Compares the stack after the fix with the stack before the fault."""

    record: Record
    stack: Stack
    witness: Witness
    deadlines: Deadlines
    clock: Clock
    baseline: Fingerprint | None = None

    def remember(self) -> None:
        """Take down what the stack looks like before anything is broken."""
        self.baseline = fingerprint(self.stack)

    def wait(self, looks: Sequence[tuple[str, Look]], within_s: float) -> None:
        """Wait until the service is steady and none of the looks sees anything any more.

        Raises Unrecovered, which says what was waited for.
        """
        deadline_s = self.clock.now() + within_s
        expected = "the service back to its steady state"
        try:
            until(steady.serving(self.stack, self.witness), within_s, clock=self.clock)
            self.stack.mark()  # logs are asked about the time since the service is back
            for name, look in looks:
                expected = f"{name} gone: {look.what}"
                left_s = max(0.0, deadline_s - self.clock.now())
                until(self._gone(look), left_s, clock=self.clock)
        except NeverSeen as never:
            raise Unrecovered(expected, never) from None

    def require_nothing_lost(self) -> tuple[int, int | None]:
        """Check every acknowledged write; returns how many there were, and how many are lost.

        Raises WriteLost, having reported the witness, where any is.
        """
        promised = self.witness.ledger.keys()
        lost = self.witness.lost(self.stack, promised)
        if lost:
            self.report_witness(len(promised), len(lost))
            expected = f"all {len(promised)} acknowledged writes kept"
            last = f"{len(lost)} are gone, one with the key {min(lost)}"
            raise WriteLost(self.record.message("recovered", None, expected, last=last))
        return len(promised), 0 if self.witness.writes else None

    def report_witness(self, acknowledged: int, lost: int | None) -> None:
        """Journal what the drill cost its users; ``lost`` is None where nothing can be lost."""
        at = self.record.moments
        report = self.witness.report(at.began_s, at.fault_s, at.healed_s, time.monotonic())
        clock_s = self.record.journal.clock_s
        self.record.write(
            events.WitnessReport(
                at.detected_s - at.fault_s if at.detected_s and at.fault_s else None,
                report.felt_s,
                report.requests,
                report.failed,
                report.latency_ms,
                acknowledged,
                lost,
                [
                    (clock_s(one.sent_s), round(one.took_s * 1000, 1), one.failed)
                    for one in report.samples
                ],
            )
        )

    def require_no_residue(self) -> None:
        """Wait until the stack is as it was (processes end in their own time).

        Raises ResidueLeft.
        """
        began_s = looked_s = time.monotonic()

        def as_it_was() -> str:
            nonlocal looked_s
            assert self.baseline is not None, "no baseline was taken"
            looked_s = time.monotonic()
            changed = differences(self.baseline, fingerprint(self.stack))
            assert not changed, "\n".join(changed)
            return "the stack is as it was"

        try:
            until(as_it_was, self.deadlines.residue_s, every_s=0.2, clock=self.clock)
        except NeverSeen as never:
            message = self.record.message("residue", None, "the stack as it was before", never)
            raise ResidueLeft(message) from None
        # what was waited for is the stack's time; the last look is the harness' own
        self.record.moments.busy_s += looked_s - began_s

    def _gone(self, look: Look) -> Look:
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
                self.clock.wait(self.deadlines.quiet_s)
                raise

        return Look(no_longer.what, gone, look.once)


class Unrecovered(Exception):
    """The service did not come back: what was waited for, and what was seen instead."""

    def __init__(self, expected: str, never: NeverSeen) -> None:
        super().__init__(f"{expected}: {never}")
        self.expected = expected
        self.never = never
