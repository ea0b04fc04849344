"""``python -m scenarios [ENTRY…] [pytest options]``: run the drills, or those of some entries."""

from __future__ import annotations

import sys

import pytest

from fixtures.run import ENTRY


def arguments(given: list[str]) -> list[str]:
    """Turn leading or lone entry numbers (``3.1``) into options; the rest is pytest's."""
    taken: list[str] = []
    before = ""
    for one in given:
        # `-k 3.1` and `--seed 7` keep their values
        is_value = before.startswith("-") and "=" not in before and before not in _FLAGS
        if ENTRY.fullmatch(one) and not is_value:
            taken.append(f"--entry={one}")
        else:
            taken.append(one)
        before = one
    return taken


_FLAGS = frozenset({"-x", "-v", "-vv", "-q", "-qq", "-s", "-l", "--keep", "--lock", "--"})


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
