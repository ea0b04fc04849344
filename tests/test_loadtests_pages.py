"""What is told of a run: figures, pages, files; from streams made up for the purpose."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest

from drillbook import journal as events
from drillbook import significance
from drillbook.journal import Journal, Ref
from loadtests import baseline, budget, drilled, files, knee, objectives, page, plot, stream, told
from loadtests.generator import Plan
from loadtests.histogram import bucket
from loadtests.measures import ALL, Measured
from loadtests.objectives import Budget, Objective, Objectives
from loadtests.results import NothingMeasured, Result, assemble
from loadtests.stream import Counted, Ended, Level, Row, Started, Tried, Used, WorkerLost
from loadtests.target import TargetError, checked
from loadtests.under_load import folder_of, moments, report

BEGAN = 1000.5
SHARES = {"browse": 0.5, "order": 0.5}
HOSTILE = "<script>alert(1)</script>"


def rows(
    seconds: int = 10, *, broken: Sequence[int] = (), host: str = "http://127.0.0.1"
) -> list[Row]:
    """A run of 20 requests/s from 1000.5 on; in some of its seconds all orders fail."""
    made: list[Row] = [
        Started(BEGAN, host, "steady", 4, float(seconds), 5.0, "open", 1, 7, SHARES),
        Level(BEGAN, 4, 20.0, 1),
    ]
    for second in range(1001, 1001 + seconds):
        made.append(Counted(second, "browse", {bucket(10): 10}, late={bucket(0.1): 10}))
        order = {bucket(30): 10}
        if second - 1001 in broken:
            made.append(Counted(second, "order", {}, order, {f"HTTP 500 {HOSTILE}": 10}))
        else:
            made.append(Counted(second, "order", order))
        made.append(Used(second + 0.5, "master", 0.2))
    stopped = float(1001 + seconds)
    return [*made, Level(stopped, 0, 0.0, 1), Ended(stopped + 0.3, "stopped")]


def result(*arguments: object, **changes: object) -> Result:
    return assemble(rows(*arguments, **changes), 2, 2.0)  # type: ignore[arg-type]


class TestResult:
    def test_only_whole_seconds_after_the_warm_up_count(self) -> None:
        one = result(10)
        assert list(one.seconds) == list(range(1001, 1011))
        assert list(one.judged) == list(range(1003, 1011))

    def test_asked_and_achieved_stand_side_by_side(self) -> None:
        whole = result(10, broken=[5]).measured()[ALL]
        assert whole.asked_per_s == pytest.approx(20)
        assert whole.served_per_s == pytest.approx(20 - 10 / 8)
        assert whole.failed == 10

    def test_a_level_that_changes_within_a_second_is_weighed(self) -> None:
        made = rows(4)
        made.insert(2, Level(1002.25, 8, 40.0, 1))
        one = assemble(made, 2, 0.0)
        assert one.asked_in(1001) == pytest.approx(20)
        assert one.asked_in(1002) == pytest.approx(35)
        assert one.asked_in(1003) == pytest.approx(40)

    def test_rows_of_the_same_second_add_up(self) -> None:
        made = rows(4)
        made.insert(3, Counted(1002, "browse", {bucket(10): 5}))
        assert assemble(made, 2, 0.0).by_second("browse")[1].served == 15

    def test_the_generators_share_of_the_machine(self) -> None:
        assert result(10).generator_share == pytest.approx(0.1, rel=0.15)

    def test_a_busy_or_late_generator_is_warned_of(self) -> None:
        made = rows(4)
        made += [
            Counted(1002, "browse", {1: 1}, late={bucket(400): 50}),
            Used(1002.0, "worker", 4.0),
        ]
        warnings = " ".join(assemble(made, 2, 0.0).warnings)
        assert "late by" in warnings
        assert "--processes" in warnings

    def test_a_run_cut_short_says_so(self) -> None:
        assert "cut short" in " ".join(assemble(rows(4)[:-2], 2, 0.0).warnings)

    def test_a_lost_worker_is_named(self) -> None:
        made = [*rows(4), WorkerLost(1003.0, "w2", 1)]
        (loss,) = assemble(made, 2, 0.0).losses
        assert "w2" in loss
        assert "1 left" in loss

    def test_a_stream_without_a_run(self) -> None:
        with pytest.raises(NothingMeasured):
            assemble([], 2)

    def test_each_search_has_a_knee_of_the_steps_that_count(self) -> None:
        steps = [
            Tried(1001.0, 4, 20.0, 20.0, 9.0, True, "", 0),
            Tried(1002.0, 6, 30.0, 30.0, 9.0, True, "", 1),
            *[
                Tried(1003.0, 9, 45.0, 31.0, 900.0, False, "p99", 0, True),
                Tried(1004.0, 4, 20.0, 20.0, 9.0, True, "", 0, True),
            ]
            * (knee.STEPS // 2),
        ]
        one = assemble([*rows(4), *steps], 2, 0.0)
        pace = one.started.pace_per_s
        assert one.knees == [pytest.approx(6 * pace), 6 * pace]
        assert one.broke

    def test_a_search_that_was_cut_short_found_no_knee(self) -> None:
        steps = [
            Tried(1001.0, 4, 20.0, 20.0, 9.0, True, ""),
            Tried(1003.0, 9, 45.0, 31.0, 900.0, False, "p99", 0, True),
        ]
        assert assemble([*rows(4), *steps], 2, 0.0).knees == [None]


class TestFiles:
    PROMISED = Objectives((Objective(ALL, "error_share", 0.01), Objective("order", "p50_ms", 100)))

    def test_junit_has_a_case_an_objective_and_one_for_the_generator(self) -> None:
        one = result(10, broken=[5])
        suite = ET.fromstring(files.as_junit(one, self.PROMISED.judge(one.measured())))[0]  # noqa: S314
        assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
        (failure,) = suite.iter("failure")
        assert "all error_share" in str(failure.get("message"))

    def test_csv_has_a_line_a_second_and_endpoint(self) -> None:
        lines = files.seconds_csv(result(10)).splitlines()
        assert len(lines) == 1 + 10 * 3
        assert lines[0].startswith("second,endpoint,asked_per_s,served_per_s")

    def test_json_says_whether_it_held(self) -> None:
        one = result(10, broken=[5])
        verdicts = self.PROMISED.judge(one.measured())
        cost = budget.spent(one.by_second(ALL), Budget())
        read = json.loads(files.as_json(one, verdicts, cost))
        assert read["held"] is False
        assert read["budget"]["bad"] == 10
        assert read["endpoints"]["order"]["errors"]

    def test_the_table_for_the_terminal(self) -> None:
        lines = told.table(result(10)).splitlines()
        assert lines[1].split()[:4] == ["all", "requests", "20.0", "20.0"]
        assert "8 of 10 s count" in lines[-2]
        assert "from the first quarter to the last: p50 " in lines[-1]


def rendered(one: Result) -> str:
    verdicts = TestFiles.PROMISED.judge(one.measured())
    return page.render(one, verdicts, budget.spent(one.by_second(ALL), Budget()))


class TestPage:
    def test_nothing_in_it_is_obeyed_or_fetched(self) -> None:
        text = rendered(result(10, broken=[5], host=f"http://127.0.0.1/{HOSTILE}"))
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text
        assert "<script" not in text
        assert not re.search(r'(?:src|href)="http', text)
        assert "default-src 'none'" in text

    def test_the_headline_is_the_verdict(self) -> None:
        assert "<h1>All 2 objectives held</h1>" in rendered(result(10))
        assert "<h1>1 of 2 objectives was missed</h1>" in rendered(result(10, broken=[5]))

    def test_each_endpoint_has_its_drawings(self) -> None:
        text = rendered(result(10))
        assert text.count("<svg") == 2 * 3
        assert text.count('role="img"') == 2 * 3

    def test_a_run_of_which_nothing_was_answered_has_a_page_too(self) -> None:
        made = [row for row in rows(4) if not isinstance(row, Counted)]
        assert "objectives were missed" in rendered(assemble(made, 2, 0.0))


class TestPlot:
    def test_a_gap_is_not_bridged(self) -> None:
        (line,) = plot.over_time("x", "ms", [("a", "a", [1.0, None, 3.0])]).lines
        assert line.path.count("M") == 2

    def test_what_it_shows_is_said(self) -> None:
        drawing = plot.over_time("latency", "ms", [("p50", "p50", [10.0, 250.0])])
        assert drawing.told == "latency over time: p50 10 to 250 ms"

    @pytest.mark.parametrize("logarithmic", [False, True])
    @pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0], [1.0], [0.3, 99_999.0], [None]])
    def test_every_value_lies_within_the_box(
        self, values: list[float | None], logarithmic: bool
    ) -> None:
        drawing = plot.over_time("x", "ms", [("a", "a", values)], logarithmic=logarithmic)
        points = re.findall(r"[ML]([\d.]+) (-?[\d.]+)", drawing.lines[0].path)
        assert len(points) == sum(value is not None for value in values)
        assert all(0 <= float(x) <= 1000 and -0.01 <= float(y) <= 100.01 for x, y in points)
        assert all(-0.01 <= level.at <= 100.01 for level in drawing.levels)

    @pytest.mark.parametrize("span_s", [1, 7, 30, 61, 600, 7200])
    def test_ticks_are_few_and_round(self, span_s: int) -> None:
        ticks = plot.time_ticks(span_s)
        assert ticks[0].label in ("0 s", "0 min")
        assert len(ticks) <= 8
        assert all(0 <= tick.at <= 100 for tick in ticks)


class TestBaseline:
    def figures(self, took_ms: float) -> dict[str, Measured]:
        made = {}
        for name in ("browse", "search", "item", "order", "order_status"):
            one = Measured(10.0)
            for _ in range(50):
                one.fine.add(took_ms)
            made[name] = one
        return made

    def test_a_slower_version_is_a_regression_and_the_test_is_stated(self) -> None:
        before = [self.figures(10 + round_ / 10) for round_ in range(6)]
        after = [self.figures(20 + round_ / 10) for round_ in range(6)]
        compared = baseline.compare(before, after)
        assert {one.word for one in compared} == {"regression"}
        assert all(one.p <= 0.05 for one in compared)
        assert "p = 0.0" in str(compared[0])

    def test_the_same_version_twice_is_no_difference(self) -> None:
        rounds = [self.figures(10 + round_) for round_ in range(6)]
        assert {one.word for one in baseline.compare(rounds, rounds)} == {"no difference shown"}

    def test_neither_version_always_goes_first(self) -> None:
        assert significance.turns(2) == ["before", "after", "after", "before"]

    def test_an_unknown_commit_is_told(self) -> None:
        with pytest.raises(TargetError, match="there is no service at 'nowhere'"):  # noqa: SIM117
            with baseline.checked_out("nowhere"):
                pass

    def test_the_service_of_a_commit_is_checked_out(self) -> None:
        with baseline.checked_out("HEAD") as (tree, commit):
            assert (tree / "service" / "docker-compose.prod.yml").exists()
            assert len(commit) == 12
        assert not tree.exists()


class TestTarget:
    @pytest.mark.parametrize("host", ["127.0.0.1:8000", "http://localhost", "http://[::1]:80/"])
    def test_this_machine_may_be_loaded(self, host: str) -> None:
        assert checked(host, may_harm=False).startswith("http://")

    def test_another_only_by_a_word_of_its_own(self) -> None:
        with pytest.raises(TargetError, match="--i-may-load-this-host"):
            checked("http://192.0.2.1", may_harm=False)
        assert checked("http://192.0.2.1", may_harm=True) == "http://192.0.2.1"


class TestDrilled:
    """The page of a drill under load, from a journal and a stream."""

    NODEID = "scenarios/test_3_1.py::test_crashed[a b]"

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        plan = Plan("http://127.0.0.1", tmp_path / "load" / folder_of(self.NODEID))
        plan.directory.mkdir(parents=True)
        made = rows(12, broken=[4, 5, 6])
        with plan.stream.open("w") as file:
            for row in made:
                stream.write(file, row)
        journal = Journal(tmp_path / events.FILE_NAME).open()
        journal.drill = self.NODEID
        ref = Ref("3.1", "symptom", 1, 9, "d", HOSTILE)
        journal.write(events.DrillStarted(f"It crashed {HOSTILE}", "3.1", [ref], "compose"))
        journal.write(events.FaultInjected("kill", "dead", 0.2))
        journal.write(events.SymptomSeen(ref, "refused", 0.3))
        journal.write(events.FixApplied(None, "prose", [], "", 0.4))
        journal.write(events.Recovered(1.0))
        journal.write(events.DrillEnded("passed", True, None, None, 9.0, 0.1))
        journal.write(report(assemble(made, 2, 0.0), plan, objectives_of(), tmp_path))
        journal.close()
        return tmp_path

    def test_the_moments_are_marked_and_the_budget_told(self, directory: Path) -> None:
        self.at(directory, [1004.9, 1005.3, 1006.4, 1008.2])
        written = drilled.write(directory, objectives_of())
        assert written is not None
        path, (line,) = written
        text = path.read_text()
        for look in ("fault", "detected", "fix", "recovered"):
            assert f'class="mark {look}' in text
        assert HOSTILE not in text
        assert "30 of 240 requests failed" in line
        assert "% of the budget" in line

    def at(self, directory: Path, moments_s: list[float]) -> None:
        """Set the times of the drill's moments, which the journal took from the clock."""
        path = directory / events.FILE_NAME
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        marked = [
            one
            for one in lines
            if one["event"] in ("FaultInjected", "SymptomSeen", "FixApplied", "Recovered")
        ]
        for one, at_s in zip(marked, moments_s, strict=True):
            one["at"] = at_s + one.get("took_s", 0.0)
        path.write_text("".join(json.dumps(one) + "\n" for one in lines))

    def test_moments_are_when_things_began(self, directory: Path) -> None:
        self.at(directory, [1004.9, 1005.3, 1006.4, 1008.2])
        found = moments(list(events.read(directory / events.FILE_NAME)))
        assert [(round(at, 1), look) for at, look, _ in found] == [
            (1004.9, "fault"),
            (1005.3, "detected"),
            (1006.4, "fix"),
            (1008.2, "recovered"),
        ]

    def test_a_run_without_load_has_no_page(self, tmp_path: Path) -> None:
        (tmp_path / events.FILE_NAME).write_text("")
        assert drilled.write(tmp_path, objectives_of()) is None

    def test_a_folder_has_a_plain_name(self) -> None:
        assert folder_of(self.NODEID) == "test_3_1.py-test_crashed-a-b"


def objectives_of() -> Objectives:
    return objectives.load(
        objectives.DEFAULT, ("browse", "search", "item", "order", "order_status")
    )
