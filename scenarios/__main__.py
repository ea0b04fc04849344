"""``python -m scenarios [ENTRY…] [pytest options]``: run the drills, or those of some entries."""

from __future__ import annotations

import sys

import pytest

from drillbook.run import ENTRY

# Options whose value can look like the number of an entry: `-k 3.1` and `--seed 7` keep theirs.
TAKE_NUMBERS = frozenset(
    {"-k", "-m", "--seed", "--entry", "--run-dir", "--runbook", "--load-users", "--basetemp"}
    | {"--maxfail", "--durations", "--durations-min", "--verbosity"}
)


def arguments(given: list[str]) -> list[str]:
    """Turn words that are entry numbers (``3.1``) into options; the rest is pytest's."""
    before = ["", *given]
    return [
        f"--entry={one}" if ENTRY.fullmatch(one) and last not in TAKE_NUMBERS else one
        for last, one in zip(before, given, strict=False)
    ]


# The journal's reader shows how a run goes; pytest's own header and percentages say less.
# A warning about the suite's own sockets is not a word about the runbook: shown, and no failure.
LENIENT = [
    "-W",
    "default::ResourceWarning",
    "-W",
    "default::pytest.PytestUnraisableExceptionWarning",
]
QUIET = ["-q", "--no-header", "-o", "console_output_style=classic"]


def main() -> int:
    """Run pytest on the scenarios; returns its exit status."""
    return int(pytest.main(["scenarios", *QUIET, *LENIENT, *arguments(sys.argv[1:])]))


if __name__ == "__main__":
    sys.exit(main())
