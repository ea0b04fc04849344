"""The benchmarks' own sums: who alternates with whom, what a ratio is, what a drill costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import rendering
from benchmarks.overhead import costs
from benchmarks.timing import Goal, alternate, compare
from reports.render import write_all


def contender(name: str, asked: list[str], *took_s: float) -> Callable[[], dict[str, float]]:
    rounds = iter(took_s)

    def act() -> dict[str, float]:
        asked.append(name)
        return {name: next(rounds)}

    return act


def test_contenders_alternate_and_the_warm_up_does_not_count() -> None:
    asked: list[str] = []
    settled: list[str] = []
    found = alternate(
        [contender("a", asked, 99, 1, 3), contender("b", asked, 99, 2, 2)],
        2,
        settle=lambda: settled.append("once"),
        say=lambda _: None,
    )
    assert asked == ["a", "b"] * 3
    assert len(settled) == 6
    assert found["a"].took_s == [1, 3]
    text, met = compare(found, [Goal("a", "b", 1.0)])
    assert met
    assert "a / b = 1.00" in text


def test_a_missed_goal_is_said() -> None:
    asked: list[str] = []
    found = alternate(
        [contender("a", asked, 9, 3), contender("b", asked, 9, 2)],
        1,
        settle=lambda: None,
        say=lambda _: None,
    )
    text, met = compare(found, [Goal("a", "b", 1.25)])
    assert not met
    assert "a / b = 1.50   (goal: at most 1.25; missed)" in text


def test_what_a_drill_costs(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    ended = {"event": "DrillEnded", "drill": "x.py::test_a", "took_s": 2.0, "overhead_s": 0.2}
    events = [
        {"event": "StackReady", "t_s": 5.0},
        {"event": "DrillStarted", "t_s": 5.1},
        {**ended, "t_s": 7.1, "held": False},
        {"event": "DrillStarted", "t_s": 17.1},  # after a stack that was started anew
        {**ended, "t_s": 19.1, "held": True},
        {"event": "DrillStarted", "t_s": 19.4},
        {**ended, "t_s": 21.4, "held": True},
    ]
    journal.write_text("".join(json.dumps(one) + "\n" for one in events))
    found = costs(journal)
    assert [one.drill for one in found] == ["test_a"] * 3
    assert [one.between_s for one in found] == [pytest.approx(0.1), None, pytest.approx(0.3)]
    assert [one.all_s for one in found] == pytest.approx([0.3, 0.2, 0.5])


def test_the_made_up_run_is_as_large_as_it_says(tmp_path: Path) -> None:
    runbook = rendering.written_runbook(tmp_path / "runbook.md", 3)
    rendering.write_journal(tmp_path, runbook, 200)
    judgement = write_all(tmp_path, runbook, rendering.all_read(runbook)).judgement
    assert len(judgement.run.drills) == 3
    lines = rendering.LINES
    proven = 3 * (lines + 1 + lines - 1)
    assert (judgement.totals["contradicted"], judgement.totals["proven"]) == (3, proven)
    (step,) = judgement.run.drills[0].of("ClaimFailed")
    assert len(step["message"].partition("last seen  ")[2]) == 200


@pytest.mark.slow
def test_reports_cost_little_more_than_in_proportion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["rendering", "--rounds", "3"])
    assert rendering.main() == 0, capsys.readouterr().out
