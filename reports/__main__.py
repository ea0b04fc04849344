"""Render a run's reports again: ``python -m reports RUN_DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from drillbook.journal import FILE_NAME, read
from drillbook.runbook import RunbookError, load
from reports.render import write_all
from reports.run import assemble
from reports.verdicts import LockError

ROOT = Path(__file__).parents[1]


def main(argv: list[str]) -> int:
    """Render, and print the closing table; 2 where something needed for it cannot be read."""
    options = _parser().parse_args(argv)
    try:
        runbook = load(options.runbook or _drilled(options.run_dir))
        lock = options.lock or _lock_beside(runbook.path)
        summary = write_all(options.run_dir, runbook, lock)
    except (OSError, ValueError, RunbookError, LockError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{summary.table}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a folder below reports/runs")
    parser.add_argument("--runbook", type=Path, help="default: the one that the run drilled")
    parser.add_argument("--lock", type=Path, help="default: runbook.lock beside the runbook")
    return parser


def _drilled(run_dir: Path) -> Path:
    """The runbook that the journal names: as it says, or below the repository."""
    path = Path(str(assemble(read(run_dir / FILE_NAME)).started.get("runbook", "runbook.md")))
    return path if path.exists() else ROOT / path


def _lock_beside(runbook: Path) -> Path | None:
    """An edition that was never locked has no lock."""
    lock = runbook.with_suffix(".lock")
    return lock if lock.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
