"""Connects the suite to pytest: the drills' fixtures, and the journal to those who read it."""

from __future__ import annotations

import sys

import pytest

from drillbook.run import DEFAULT_RUNBOOK, ROOT, RUN
from reports import live, render, screen, verdicts

pytest_plugins = ("drillbook.plugin", "fixtures.plugin", "loadtests.plugin")
LOCK = ROOT / "runbook.lock"


def pytest_configure(config: pytest.Config) -> None:
    """Show the journal's events as they are written."""
    run = config.stash.get(RUN, None)
    if run is None:
        return
    if not sys.stdout.isatty():
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
    if run is None or not run.journal.path.exists():
        return
    del config.stash[RUN]  # once is enough
    edition = config.getoption("--runbook").resolve()
    lock = LOCK if edition == DEFAULT_RUNBOOK.resolve() else None
    try:
        summary = render.write_all(run.directory, run.runbook, lock)
    except OSError as error:  # the disk is full, say: the journal has what there is
        sys.stderr.write(
            f"The reports could not be written: {error}\n"
            f"`python -m reports {run.directory}` renders them from the journal.\n"
        )
        return
    sys.stdout.write(f"{summary.table}\n")
    if config.getoption("--lock") and lock is not None:
        recorded = verdicts.relock(lock, summary.judgement.verdicts)
        sys.stdout.write(f"runbook.lock: the words of {len(recorded)} lines recorded\n")
