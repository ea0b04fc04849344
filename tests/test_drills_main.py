"""``./run drills 3.1 -k crashed``: which words name entries, and which are pytest's."""

from __future__ import annotations

import pytest

from drillbook.__main__ import arguments, scenarios
from drillbook.run import ROOT


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], []),
        (["3.1"], ["--entry=3.1"]),
        (["1", "2.4", "3"], ["--entry=1", "--entry=2.4", "--entry=3"]),
        (["3.1", "-k", "crashed"], ["--entry=3.1", "-k", "crashed"]),
        (["-x", "3.1"], ["-x", "--entry=3.1"]),
        (["--keep", "3.1", "--lock", "1"], ["--keep", "--entry=3.1", "--lock", "--entry=1"]),
        # words that look like entries, and are not
        (["-k", "3.1"], ["-k", "3.1"]),
        (["--seed", "7", "3.1"], ["--seed", "7", "--entry=3.1"]),
        (["--maxfail", "2", "3.1"], ["--maxfail", "2", "--entry=3.1"]),
        (["--durations", "10"], ["--durations", "10"]),
        (["--entry", "3.1"], ["--entry", "3.1"]),
        (["--run-dir", "1"], ["--run-dir", "1"]),
        # flags of pytest's that take no value, whichever they are
        (["--collect-only", "3.1"], ["--collect-only", "--entry=3.1"]),
        (["--pdb", "3.1"], ["--pdb", "--entry=3.1"]),
        (["-rA", "3.1"], ["-rA", "--entry=3.1"]),
        (["-vvv", "3.1"], ["-vvv", "--entry=3.1"]),
        (["--seed=7", "3.1"], ["--seed=7", "--entry=3.1"]),
        (["-k3.1", "1"], ["-k3.1", "--entry=1"]),
        # what pytest has to make sense of, or refuse
        (["3.1.2.5"], ["--entry=3.1.2.5"]),
        (["3.1a", "v3", ".5", "3."], ["3.1a", "v3", ".5", "3."]),
        (["scenarios/test_x.py::test_y"], ["scenarios/test_x.py::test_y"]),
    ],
)
def test_words_that_are_entries(given: list[str], passed: list[str]) -> None:
    assert arguments(given) == passed


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ([], str(ROOT / "scenarios")),
        (["3.1", "-x"], str(ROOT / "scenarios")),
        (["--system", "mine", "3.1"], "mine/scenarios"),
        (["3.1", "--system=mine"], "mine/scenarios"),
    ],
)
def test_the_drills_are_those_of_the_system_that_is_named(given: list[str], folder: str) -> None:
    assert scenarios(given) == folder
