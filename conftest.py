"""Connects the suite to pytest: the drills' fixtures, and the journal to those who read it."""

from __future__ import annotations

import sys

import pytest

from drillbook.machine import environment
from drillbook.run import RUN
from drillbook.runbook import lock
from drillbook.runbook.lock import Lock
from reports import live, locking, render, screen
from reports.verdicts import Judgement

pytest_plugins = (
    "drillbook.plugin",
    "fixtures.plugin",
    "fixtures.pipeline.plugin",
    "loadtests.plugin",
)


def pytest_configure(config: pytest.Config) -> None:
    """Show the journal's events as they are written."""
    run = config.stash.get(RUN, None)
    if run is None or run.lane is not None:  # a lane's events are shown by who gathers them
        return
    if not sys.stdout.isatty() or environment.plain_output():
        run.journal.subscribers.append(live.Live(run.write, tty=False))
        return
    terminal = screen.Screen(sys.stdout)
    config.add_cleanup(terminal.close)
    run.journal.subscribers.append(live.Live(run.write, True, lambda: terminal.columns))


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Leave a drill's progress to the journal's reader; pytest's letters say less."""
    if "scenarios/" in report.nodeid and report.when == "call" and report.passed:
        return "passed", "", ""
    return None


def pytest_terminal_summary(config: pytest.Config) -> None:
    """Render the run's reports, and close with their table."""
    _close(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Do so as well where pytest shows no summary: the run could not go on."""
    _close(config)


def _close(config: pytest.Config) -> None:
    run = config.stash.get(RUN, None)
    if run is None or run.lane is not None or not run.journal.path.exists():
        return
    del config.stash[RUN]  # once is enough
    try:
        locks = lock.of_edition(run.runbook.path, run.own_runbook)
        summary = render.write_all(run.directory, run.runbook, locks)
    except (OSError, lock.LockError) as error:  # a full disk, say: the journal has what there is
        sys.stderr.write(
            f"The reports could not be written: {error}\n"
            f"`python -m reports {run.directory}` renders them from the journal.\n"
        )
        return
    sys.stdout.write(f"{summary.table}\n")
    if config.getoption("--lock"):
        _lock(locks.own, summary.judgement)


def _lock(own: Lock, judgement: Judgement) -> None:
    try:
        sys.stdout.write(f"{own.path}: {locking.record(own, judgement)}\n")
    except OSError as error:
        sys.stderr.write(f"{own.path} could not be written: {error}\n")
