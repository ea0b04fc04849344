"""Writes every report of a run beside its journal."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drillbook.journal import FILE_NAME, read
from drillbook.machine.environment import plain_output
from drillbook.paths import shown
from drillbook.runbook import Runbook
from drillbook.runbook.lock import Locks
from reports import html, junit, markdown, sarif, table, verdicts
from reports.run import assemble
from reports.screen import Screen
from reports.verdicts import Judgement

WIDTH_NO_TERMINAL = 120
WIDEST = 140


@dataclass(frozen=True)
class Summary:
    """What was written, and what it says."""

    judgement: Judgement
    paths: dict[str, Path]

    def closing(self, *, width: int, colour: bool = False) -> str:
        """The closing table and all that goes with it, at most so many columns wide."""
        return table.closing(self.judgement, self.paths, width=width, colour=colour)

    @property
    def table(self) -> str:
        """The closing text for standard output as it is: its width and colours, or plain."""
        if not sys.stdout.isatty():
            return self.closing(width=WIDTH_NO_TERMINAL)
        with contextlib.closing(Screen(sys.stdout)) as screen:
            return self.closing(width=min(screen.columns, WIDEST), colour=not plain_output())


def write_all(run_dir: Path, runbook: Runbook, locks: Locks | None) -> Summary:
    """Read a run's journal and write all its reports; a journal cut short gives what it can.

    ``locks`` has the words that were read against the drills. Raises OSError (no journal, a full
    disk) and ValueError where the journal is malformed.
    """
    with _no_garbage_collection():
        judgement = verdicts.judge(assemble(read(run_dir / FILE_NAME)), runbook, locks)
        written = {
            "page": ("report.html", html.render(judgement)),
            "summary": ("summary.md", markdown.render(judgement)),
            "verdicts": ("verdicts.json", verdicts.as_json(judgement)),
            "junit": ("junit.xml", junit.render(judgement)),
            "sarif": ("verdicts.sarif", sarif.render(judgement)),
        }
    paths = {"journal": shown(run_dir / FILE_NAME)}
    for name, (file, text) in written.items():
        path = run_dir / file
        # what is no character (half of a pair, say) has no place in any of them
        path.write_text(text, encoding="utf-8", errors="replace")
        paths[name] = shown(path)
    return Summary(judgement, paths)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Do without the collector of cycles: it walks all of the run, again and again as it grows.

    Rendering makes next to no cycles. `tox -e benchmarks -- rendering` shows what it is good for.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
