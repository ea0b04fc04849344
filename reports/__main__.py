"""Render a run's reports again: ``python -m reports RUN_DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from drillbook.journal import FILE_NAME, read
from drillbook.runbook import RunbookError, load, lock
from drillbook.runbook.lock import LockError
from reports.render import write_all
from reports.run import assemble

ROOT = Path(__file__).parents[1]


def main(argv: list[str]) -> int:
    """Render, and print the closing table; 2 where something needed for it cannot be read."""
    options = _parser().parse_args(argv)
    try:
        started = assemble(read(options.run_dir / FILE_NAME)).started
        runbook = load(options.runbook or _found(started.get("runbook")))
        locks = lock.of_edition(runbook.path, _found(started.get("own_runbook")))
        summary = write_all(options.run_dir, runbook, locks)
    except (OSError, ValueError, RunbookError, LockError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{summary.table}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a folder below reports/runs")
    parser.add_argument("--runbook", type=Path, help="default: the one that the run drilled")
    return parser


def _found(named: object) -> Path:
    """A runbook that the journal names: absolute, or below the repository."""
    return ROOT / str(named or "runbook.md")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
