"""The stack that contenders share: a run of the suite's own, with its witness' traffic on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drillbook.drill.steady import steady
from drillbook.journal import FILE_NAME, Journal
from drillbook.looking import Look, until
from drillbook.run import Run
from drillbook.runbook import Runbook
from drillbook.traffic import Witness
from fixtures.shop import SYSTEM, Shop

SETTLED_S = 60.0
QUIET_S = 0.5


@dataclass(frozen=True)
class Stage:
    """A run whose stack is up and whose users are in."""

    run: Run

    @property
    def stack(self) -> Shop:
        """The stack."""
        assert isinstance(self.run.stack, Shop), "the run was not started"
        return self.run.stack

    @property
    def witness(self) -> Witness:
        """Its users."""
        assert self.run.witness is not None, "the run was not started"
        return self.run.witness

    def settle(self) -> None:
        """Wait until the stack is steady and its users have felt nothing for a moment.

        Raises NeverSeen where that does not come about.
        """
        until(Look("a settled stack", self._settled), SETTLED_S, every_s=0.1)

    def _settled(self) -> str:
        samples = list(self.witness.samples)
        assert samples, "no user has come yet"
        last_s = samples[-1].sent_s
        recent = [one for one in samples if one.sent_s > last_s - QUIET_S]
        felt = sum(one.felt for one in recent)
        assert not felt, f"{felt} of {len(recent)} users felt something"
        return steady(self.stack, self.witness)()


def say(text: str) -> None:
    """Show a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def staged(runbook: Runbook, directory: Path) -> Iterator[Stage]:
    """Bring a stack up for a benchmark, and take it down. Raises what the run raises."""

    def write(text: str) -> None:
        sys.stderr.write(text)

    run = Run(SYSTEM, runbook, 1, directory, Journal(directory / FILE_NAME), write)
    try:
        run.start()
        yield Stage(run)
    finally:
        run.stop()
        run.journal.close()
