"""What a run of pytest makes of scenarios: which are chosen, how each is run, how a run ends."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from drillbook.drill import drills
from drillbook.journal import read
from drillbook.plugin import pytest_collection_modifyitems
from drillbook.run import DEFAULT_RUNBOOK, RUN
from drillbook.runbook import load

pytest_plugins = ("pytester",)
ROOT = Path(__file__).parents[1]
GIVEN = ("--runbook=runbook.md", "--run-dir=run", "-s")
USAGE, CANNOT_RUN, INTERRUPTED = 4, 3, 2


# --- choosing ----------------------------------------------------------------------------------
class Chosen:
    """What ``--entry`` leaves of tests that drill these entries."""

    def __init__(self, wanted: list[str]) -> None:
        book = load(DEFAULT_RUNBOOK)
        self.dropped: list[pytest.Item] = []
        self.config = SimpleNamespace(
            getoption=lambda name: {"--entry": wanted}[name],
            stash={RUN: SimpleNamespace(runbook=book)},
            hook=SimpleNamespace(pytest_deselected=self._drop),
        )

    def _drop(self, items: list[pytest.Item]) -> None:
        self.dropped.extend(items)

    def of(self, *entries: str | None) -> list[str | None]:
        marks = [None if one is None else drills(one, cause=1).mark for one in entries]
        items = [
            cast(
                pytest.Item,
                SimpleNamespace(get_closest_marker=lambda _, mark=mark: mark, fixturenames="drill"),
            )
            for mark in marks
        ]
        pytest_collection_modifyitems(cast(pytest.Config, self.config), items)
        found = [one.get_closest_marker("drills") for one in items]
        return [None if mark is None else str(mark.args[0]) for mark in found]


def test_without_an_entry_all_are_chosen() -> None:
    assert Chosen([]).of("1", "3.1", None) == ["1", "3.1", None]


def test_the_drills_of_an_entry_are_chosen_and_the_rest_deselected() -> None:
    chosen = Chosen(["3.1"])
    assert chosen.of("1", "3.1", "3.2", None, "3.1") == ["3.1", "3.1"]
    assert len(chosen.dropped) == 3


def test_the_number_of_a_section_chooses_all_its_entries() -> None:
    assert Chosen(["3"]).of("2.3", "3.1", "3.2", "4.1") == ["3.1", "3.2"]
    assert Chosen(["1", "2.4"]).of("1", "2.4", "3.1") == ["1", "2.4"]


def test_an_entry_that_nobody_drills_yet() -> None:
    with pytest.raises(pytest.UsageError, match=r"no drill yet for entry 6\.1"):
        Chosen(["6.1"]).of("3.1")


@pytest.mark.parametrize("number", ["3.9", "31", "0", "3.1.1"])
def test_an_unknown_entry_is_refused(number: str) -> None:
    with pytest.raises(pytest.UsageError, match=f"no entry '{number}'"):
        Chosen([number]).of("3.1")


def refused(*arguments: str) -> str:
    """What ``python -m drillbook …`` says as it refuses to run."""
    done = subprocess.run(
        [sys.executable, "-m", "drillbook", "--collect-only", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == USAGE, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr


def test_a_word_that_is_no_entry_is_answered_with_those_that_are(tmp_path: Path) -> None:
    said = refused("3.9", f"--run-dir={tmp_path / 'run'}")
    assert "runbook.md has no entry '3.9'" in said
    assert "3.1   Database connection failed" in said
    assert not (tmp_path / "run").exists()


def test_a_missing_or_malformed_runbook_is_named_by_file_and_line(tmp_path: Path) -> None:
    assert "none.md" in refused(f"--runbook={tmp_path / 'none.md'}")
    text = "### 3.1 Lost\n\n**Resolution Steps:**\n\n1.  One.\n3.  Three.\n"
    (tmp_path / "edition.md").write_text(text)
    said = refused("--runbook", str(tmp_path / "edition.md"))
    assert re.search(r"edition\.md:\d+: ", said), said


def test_a_lock_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """A file that is another program's must not be overwritten at the end of a run."""
    (tmp_path / "poetry.md").write_text((ROOT / "runbook.md").read_text())
    (tmp_path / "poetry.lock").write_text("[[package]]\n")
    said = refused("--lock", f"--runbook={tmp_path / 'poetry.md'}")
    assert f"{tmp_path / 'poetry.lock'}:1: not the lock of a runbook" in said


# --- the scenarios as they are -----------------------------------------------------------------
@pytest.mark.parametrize(
    "module", sorted(path.stem for path in (ROOT / "scenarios").glob("test_*.py"))
)
def test_a_scenario_is_about_lines_that_exist_and_is_named_for_its_entry(module: str) -> None:
    book = load(DEFAULT_RUNBOOK)
    functions = vars(importlib.import_module(f"scenarios.{module}"))
    tests = {name: one for name, one in functions.items() if name.startswith("test_")}
    assert tests, "it drills nothing"
    for name, test in tests.items():
        [mark] = [one for one in getattr(test, "pytestmark", []) if one.name == "drills"]
        number, causes = mark.args
        assert module.startswith(f"test_{number.replace('.', '_')}_"), f"{name} is of {number}"
        there = len(book.entry(number).causes)
        assert all(1 <= cause <= there for cause in causes), f"{name}: {number} has {there} causes"
        assert test.__doc__, f"{name} has no title"


# --- running, with a stack that is not there ---------------------------------------------------
CONFTEST = """
from collections.abc import Iterator
from typing import cast
import pytest
from drillbook.run import RUN, Run
from fixtures.shop import Shop
from tests.fake_world import World, burnt_out, world


@pytest.fixture(scope="session")
def run(request) -> Iterator[Run]:
    run = request.config.stash[RUN]
    run.renewed = 0
    run.journal.open()
    def renew():
        run.renewed += 1
        run.dirty = False
    run.renew = renew
    run.require_engine = lambda: None
    run.stack = World()
    yield run
    run.stack = None
    print(f"renewed {run.renewed} times")


@pytest.fixture
def witness(world):
    return world.witness
"""
HEADER = """
import pytest
from drillbook.drill import drills
from drillbook.faults import fault
from tests.fake_world import burnt_out
"""
GOOD = """
@drills("9.1", cause=1)
def test_good(drill, world):
    '''It goes well.'''
    drill.inject(burnt_out(world))
    drill.symptom(1, world.dark())
    drill.fix(3, world.change_bulb())
    drill.recovered()
"""
BAD = GOOD.replace("test_good", "test_bad").replace("    drill.recovered()\n", "")


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Inner:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return Inner(pytester)


class Inner:
    """A run of pytest with the suite's plugin, on scenarios that a test makes up."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        from tests.fake_world import WORDS

        self.pytester = pytester
        self.journal = pytester.path / "run" / "journal.jsonl"
        (pytester.path / "runbook.md").write_text(WORDS)
        pytester.makeconftest(CONFTEST)

    def run(self, *scenarios: str, options: tuple[str, ...] = ()) -> pytest.RunResult:
        self.pytester.makepyfile(HEADER + "".join(scenarios))
        given = ("-p", "drillbook.plugin", "-o", "drillbook_system=fixtures.shop", *GIVEN, *options)
        return self.pytester.runpytest_subprocess(*given, timeout=120)

    def events(self, name: str) -> list[dict[str, object]]:
        return [one for one in read(self.journal) if one["event"] == name]


def test_a_drill_is_steady_before_and_journaled_after_without_a_word_in_it(inner: Inner) -> None:
    result = inner.run(GOOD, GOOD.replace("test_good", "test_fine"))
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*renewed 0 times*"])  # they held, and so can share a stack
    started, ended = inner.events("DrillStarted")[0], inner.events("DrillEnded")[0]
    assert started["title"] == "It goes well."
    assert str(started["drill"]).endswith("::test_good")
    assert ended["outcome"] == "passed"
    [over] = inner.events("RunEnded")
    assert (over["exit_status"], over["interrupted"]) == (0, False)


def test_the_drill_after_a_failed_one_gets_a_new_stack(inner: Inner) -> None:
    result = inner.run(BAD, GOOD)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*renewed 1 times*", "*DrillIncomplete*"])
    assert inner.events("RunEnded")[0]["exit_status"] == 1


def test_a_test_with_a_drill_must_say_of_what(inner: Inner) -> None:
    result = inner.run("def test_unmarked(drill):\n    pass\n")
    result.stdout.fnmatch_lines(["*test_unmarked: say what it drills: @drills(entry, …)*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_test_marked_as_a_drill_must_use_one(inner: Inner) -> None:
    """It would be counted as a drill that passed, and had broken nothing."""
    result = inner.run(
        "from drillbook.drill import drills\n@drills('9.1')\ndef test_empty(): pass\n"
    )
    assert result.ret == USAGE
    result.stderr.fnmatch_lines(["*test_empty is marked as a drill and does not use `drill`*"])


def test_the_marker_and_not_a_name_makes_a_test_a_drill(inner: Inner) -> None:
    """A fixture of the same name, in a test of something else, is left alone."""
    result = inner.run(
        "@pytest.fixture\ndef drill(): return 'of a hole'\n"
        "def test_other(drill): assert drill == 'of a hole'\n"
    )
    result.assert_outcomes(passed=1)


def test_a_terminated_drill_is_undone_and_the_run_says_so(inner: Inner) -> None:
    terminated = BAD.replace(
        "    drill.fix",
        "    import os, signal; os.kill(os.getpid(), signal.SIGTERM)\n    drill.fix",
    )
    result = inner.run(terminated, GOOD)
    assert result.ret == INTERRUPTED
    [ended] = inner.events("DrillEnded")
    assert ended["outcome"] == "interrupted"
    assert inner.events("RunEnded")[0]["interrupted"] is True


def test_what_ctrl_c_broke_is_no_failure(inner: Inner) -> None:
    """As where the signal ended a helper process, whose error is met before the interrupt is."""
    broken = BAD.replace(
        "    drill.fix",
        "    from drillbook import interrupts\n"
        "    interrupts._asked.append('SIGINT')\n"
        "    raise OSError('docker compose was killed')\n    drill.fix",
    )
    result = inner.run(broken, GOOD)
    assert result.ret == INTERRUPTED
    result.assert_outcomes()
    result.stdout.no_fnmatch_line("*FAILED*")
    [ended] = inner.events("DrillEnded")
    assert (ended["outcome"], ended["error"]) == ("interrupted", "KeyboardInterrupt")


def test_a_disk_that_fills_up_ends_the_run_with_a_clear_word(inner: Inner) -> None:
    """The journal is a device on which nothing fits, from the moment the fault is injected."""
    full = BAD.replace(
        "    drill.symptom",
        "    import os; file = drill.record.journal._file\n"
        "    os.dup2(os.open('/dev/full', os.O_WRONLY), file.fileno())\n"
        "    drill.symptom",
    )
    result = inner.run(full, GOOD)
    assert result.ret == CANNOT_RUN
    result.stdout.fnmatch_lines(["*the run cannot write its journal*No space left*"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert len(inner.events("FaultInjected")) == 1


def test_a_disk_that_fills_up_at_the_very_end_is_told_too(inner: Inner) -> None:
    filling_up = (
        "\n@pytest.fixture(autouse=True)\ndef filling_up(run):\n    yield\n"
        "    import os; os.dup2(os.open('/dev/full', os.O_WRONLY), run.journal._file.fileno())\n"
    )
    result = inner.run(GOOD, filling_up)
    assert result.ret == CANNOT_RUN
    result.stdout.fnmatch_lines(["*the run cannot write its journal*No space left*"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert inner.events("DrillEnded")[0]["outcome"] == "passed"


def test_an_engine_that_dies_halfway_ends_the_run_with_a_clear_word(inner: Inner) -> None:
    dying = GOOD.replace(
        "    drill.recovered()",
        "    from drillbook.run import RUN, RunError\n"
        "    def gone(): raise RunError('the Docker engine no longer answers: refused')\n"
        "    request.config.stash[RUN].require_engine = gone\n"
        "    drill.recovered()",
    ).replace("(drill, world)", "(drill, world, request)")
    result = inner.run(dying, BAD)
    assert result.ret == CANNOT_RUN
    result.stdout.fnmatch_lines(["*the Docker engine no longer answers*"])
    assert len(inner.events("DrillStarted")) == 1
    assert inner.events("RunEnded")[0]["exit_status"] == CANNOT_RUN
