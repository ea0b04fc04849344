"""``./run drills [ENTRY…] [options]``: prove the runbook, or the entries that are named."""

from __future__ import annotations

import sys
from pathlib import Path

from drillbook.machine import environment

if __name__ == "__main__":  # before anything that the caller's environment could change
    environment.enter("drillbook")

import pytest

from drillbook.machine.refused import WRONG_USE
from drillbook.run import ENTRY, ROOT

USAGE = """\
usage: ./run drills [ENTRY...] [options] [pytest options]

Breaks the running system as each line of the runbook says, follows its steps, applies its fix.

  ./run drills                   every entry
  ./run drills 3.1               one entry; 3 means all of section 3
  ./run drills 3.1 -k crashed    those drills of it whose name has the word
  ./run drills --alerts          with every drill watched by Prometheus

  --alerts           hold each drill to the alert that leads to its entry
  --keep             leave the stack up at the end, and say how it is reached
  --load SHAPE       drill with many customers, and draw what they saw
  -n N               drill N at once, each on a stack of its own
  --lock             record the words of each line that was proven
  --run-dir PATH     write there, and not to reports/runs/TIME
  --runbook PATH     drill another edition of the runbook
  --seed N           repeat the users' traffic of an earlier run
  --system FOLDER    drill the system that FOLDER/system.py describes

pytest's own options work as well: -k, -x, --collect-only, --durations=10; pytest --help lists them.
"""
# Options whose value can look like the number of an entry: `-k 3.1` and `--seed 7` keep theirs.
TAKE_NUMBERS = frozenset(
    {"-k", "-m", "--seed", "--entry", "--run-dir", "--runbook", "--load-users", "--basetemp"}
    | {
        "--maxfail",
        "-n",
        "--numprocesses",
        "--durations",
        "--durations-min",
        "--verbosity",
        "--system",
    }
)
# The journal's reader shows how a run goes; pytest's own header and percentages say less.
# A warning about the suite's own sockets is not a word about the runbook: shown, and no failure.
LENIENT = [
    "-W",
    "default::ResourceWarning",
    "-W",
    "default::pytest.PytestUnraisableExceptionWarning",
]
# Wherever the caller is: paths that options name are the caller's, all else is the project's.
OF_THE_PROJECT = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
QUIET = ["-q", "--no-header", "-o", "console_output_style=classic"]


def arguments(given: list[str]) -> list[str]:
    """Turn words that are entry numbers (``3.1``) into options; the rest is pytest's."""
    before = ["", *given]
    return [
        f"--entry={one}" if ENTRY.fullmatch(one) and last not in TAKE_NUMBERS else one
        for last, one in zip(before, given, strict=False)
    ]


def scenarios(given: list[str]) -> str:
    """The folder of the drills: of the system that ``--system`` names, or the project's own."""
    for one, following in zip(given, [*given[1:], ""], strict=False):
        if one == "--system":
            return str(Path(following) / "scenarios")
        if one.startswith("--system="):
            return str(Path(one.partition("=")[2]) / "scenarios")
    return str(ROOT / "scenarios")


def main(given: list[str]) -> int:
    """Run pytest on the scenarios; returns its exit status, that of wrong use for no drill."""
    if given and given[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return 0
    options = [*OF_THE_PROJECT, *QUIET, *LENIENT, *arguments(given)]
    status = pytest.main([scenarios(given), *options])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        sys.stderr.write("No drill was selected: the options leave none.\n")
        return WRONG_USE
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
