"""The parts of the load tests that need neither Locust nor a stack."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbook import significance
from loadtests import arguments, budget, knee, objectives, pacing, shapes, stream, visits, wrk
from loadtests.catalogue import Catalogue, CatalogueError
from loadtests.histogram import Histogram, bucket, middle_ms
from loadtests.measures import ALL, Measured
from loadtests.objectives import Budget, Objective, ObjectivesError, Verdict
from loadtests.recorder import Recorder, packed, unpacked
from loadtests.stream import Counted, Level, Row, Started, Tried
from loadtests.trial import Trial
from tests.fake_host import debian

DICE = random.Random  # repeatable on purpose
LATENCIES = st.lists(st.floats(0.1, 60_000), min_size=1, max_size=300)


def counted(took_ms: Sequence[float]) -> Histogram:
    one = Histogram()
    for each in took_ms:
        one.add(each)
    return one


class TestHistogram:
    @given(LATENCIES, st.sampled_from([0.5, 0.95, 0.99]))
    def test_a_percentile_is_at_most_a_hundredth_off(
        self, took_ms: list[float], share: float
    ) -> None:
        exact = sorted(took_ms)[math.ceil(share * len(took_ms)) - 1]
        found = counted(took_ms).quantile_ms(share)
        assert found is not None
        assert found == pytest.approx(exact, rel=0.011)

    @given(LATENCIES, LATENCIES)
    def test_what_two_workers_counted_adds_up_to_what_one_would_have(
        self, one: list[float], other: list[float]
    ) -> None:
        assert Histogram.of([counted(one), counted(other)]).counts == counted(one + other).counts

    @given(st.floats(0, 1e6))
    def test_a_bucket_holds_what_it_is_taken_for(self, took_ms: float) -> None:
        number = bucket(took_ms)
        assert bucket(middle_ms(number)) == number

    def test_it_survives_json(self) -> None:
        one = counted([1, 2, 3000])
        assert Histogram.read(json.loads(json.dumps(one.counts))) == one

    def test_nothing_counted_has_no_percentile(self) -> None:
        assert Histogram().quantile_ms(0.5) is None

    def test_above_counts_what_took_longer(self) -> None:
        assert counted([100, 490, 510, 5000]).above(500) == 2


class TestShapes:
    @pytest.mark.parametrize("name", sorted(shapes.SHAPES))
    @given(elapsed_s=st.floats(-5, 500), users=st.integers(1, 1000))
    def test_never_none_and_never_more_than_asked(
        self, name: str, elapsed_s: float, users: int
    ) -> None:
        assert 1 <= shapes.SHAPES[name].users(elapsed_s, 60, users) <= users

    def test_ramp_only_rises_and_reaches_all(self) -> None:
        course = [shapes.SHAPES["ramp"].users(s, 60, 100) for s in range(61)]
        assert course == sorted(course)
        assert course[0] == 10
        assert course[48:] == [100] * 13

    def test_spike_comes_at_once_and_goes_at_once(self) -> None:
        course = [shapes.SHAPES["spike"].users(s, 10, 80) for s in range(11)]
        assert course == [20] * 4 + [80] * 2 + [20] * 5


class TestPacing:
    def test_moments_are_set_beforehand(self) -> None:
        due = list(islice(pacing.moments(100.0, 4, DICE(1)), 9))
        assert 100 <= due[0] < 100.25
        assert [b - a for a, b in pairwise(due)] == pytest.approx([0.25] * 8)

    def test_cards_are_dealt_in_the_exact_proportions(self) -> None:
        dealt = list(islice(pacing.dealt({"a": 3, "b": 1}, DICE(1)), 400))
        assert dealt.count("a") == 300
        assert dealt != sorted(dealt)


class TestKnee:
    @staticmethod
    def found(search: knee.Search) -> float | None:
        return knee.estimate(search.steps)

    @given(limit=st.integers(8, 900), start=st.integers(1, 60))
    def test_a_sharp_limit_is_found(self, limit: int, start: int) -> None:
        search = knee.Search(start, 1000)
        for _ in range(80):
            if search.over:
                break
            search.tell(held=search.users <= limit)
        assert search.over
        found = self.found(search)
        assert found is not None
        assert limit / 1.1 <= found <= limit * 1.1

    @given(seed=st.integers(0, 10_000))
    def test_two_searches_in_turns_agree_though_the_machine_is_uneven(self, seed: int) -> None:
        dice = DICE(seed)
        pair = [knee.Search(20, 400), knee.Search(20, 400)]
        slow = 0.0
        while not all(one.over for one in pair):
            slow = 0.8 * slow + dice.gauss(0, 0.05)  # for some seconds it is so much slower
            for search in pair:
                if not search.over:
                    search.tell(held=search.users <= 64 * math.exp(slow + dice.gauss(0, 0.03)))
        one, other = (self.found(search) or 0.0 for search in pair)
        assert max(one, other) / min(one, other) < 1.1
        assert len(pair[0].steps) < 2 * knee.STEPS

    def test_one_lucky_step_is_not_the_limit(self) -> None:
        """A rate above it that held once moves the knee by little."""
        lucky, plain = knee.Search(20, 400), knee.Search(20, 400)
        for search in (lucky, plain):
            while not search.over:
                search.tell(held=search.users <= 60 or (search is lucky and self.is_tenth(search)))
        one, other = self.found(lucky), self.found(plain)
        assert one is not None
        assert other is not None
        assert one > other
        assert one / other < 1.05

    @staticmethod
    def is_tenth(search: knee.Search) -> bool:
        return sum(step.counts for step in search.steps) == 10

    def test_what_never_breaks_has_no_knee_below_the_most(self) -> None:
        search = knee.Search(10, 20)
        while not search.over:
            assert not search.tell(held=True).counts
        assert self.found(search) == 20

    def test_nothing_holds(self) -> None:
        search = knee.Search(8, 100)
        for _ in range(40):
            if search.over:
                break
            search.tell(held=False)
        assert search.over
        assert self.found(search) is None


class TestTrial:
    """The search as it runs, on a service of a known capacity and a clock that only counts."""

    PROMISED = objectives.Objectives(
        (Objective(ALL, "p99_ms", 100), Objective(ALL, "minimum_share", 0.9))
    )

    def run(
        self, capacity_per_s: float, searches: int = 1, late_ms: float = 900.0
    ) -> tuple[list[Tried], list[tuple[int, int]]]:
        search = [knee.Search(4, 40) for _ in range(searches)]
        trial = Trial(search, self.PROMISED, 5.0, 6.0)
        tried, course = [], []
        for second in range(1000, 3000):
            users = trial.users(float(second))
            tried += trial.take_tried()
            if users is None:
                break
            course.append((second, users))
            asked = users * 5
            took_ms = 10.0 if asked <= capacity_per_s else late_ms
            trial.count(Counted(second, "browse", {bucket(took_ms): int(asked)}))
        return tried, course

    def test_it_finds_the_capacity_and_says_what_broke(self) -> None:
        tried, _ = self.run(100)
        assert max(one.users for one in tried if one.held) == 20
        assert min(one.users for one in tried if not one.held) == 21
        assert all("p99" in one.why for one in tried if not one.held)

    @pytest.mark.parametrize(("late_ms", "rest_s"), [(900, 2), (2400, 5), (60_000, 10)])
    def test_it_rests_after_what_broke_for_as_long_as_it_may_have_queued(
        self, late_ms: float, rest_s: int
    ) -> None:
        tried, course = self.run(100, late_ms=late_ms)
        broke = next(one for one in tried if not one.held)
        after = [users for second, users in course if second >= broke.at]
        rested = next(at for at, users in enumerate(after) if users > 1)
        assert rested == pytest.approx(rest_s, abs=1)

    def test_searches_take_turns(self) -> None:
        tried, _ = self.run(100, searches=2)
        assert [one.search for one in tried[:6]] == [0, 1, 0, 1, 0, 1]
        alone, _ = self.run(100)
        for number in (0, 1):
            mine = [one.users for one in tried if one.search == number]
            assert mine == [one.users for one in alone]

    def test_what_is_never_answered_did_not_hold(self) -> None:
        trial = Trial([knee.Search(4, 4)], self.PROMISED, 5.0, 4.0)
        for second in range(100, 120):
            if trial.users(float(second)) is None:
                break
        (first, *_) = trial.take_tried()
        assert not first.held
        assert "no request was answered" in first.why


class TestRecorder:
    def test_counts_by_the_second_in_which_a_request_was_due(self) -> None:
        recorder = Recorder()
        recorder.note("browse", 10.2, 5)
        recorder.note("browse", 10.9, 7, late_ms=3)
        recorder.note("browse", 11.0, 900, error="HTTP 503 instead of 200")
        rows = sorted(recorder.take(), key=lambda row: row.second)
        assert [sum(row.served.values()) for row in rows] == [2, 0]
        assert [sum(row.failed.values()) for row in rows] == [0, 1]
        assert rows[1].errors == {"HTTP 503 instead of 200": 1}
        assert recorder.take() == []

    def test_the_kinds_of_errors_are_bounded(self) -> None:
        recorder = Recorder()
        for number in range(100):
            recorder.note("order", 1.0, 1, error=f"error {number}")
        (row,) = recorder.take()
        assert len(row.errors) == 21
        assert row.errors["other errors"] == 80

    def test_a_worker_hands_over_what_it_counted(self) -> None:
        recorder = Recorder()
        recorder.note("item", 3.0, 12, error="x")
        rows = recorder.take()
        sent = json.loads(json.dumps(packed(rows)))
        assert unpacked(sent) == rows


class TestStream:
    ROWS: tuple[Row, ...] = (
        Started(1.0, "http://h", "steady", 2, 3.0, 5.0, "open", 1, 0, {"browse": 1.0}),
        Level(1.0, 2, 10.0, 1),
        Counted(2, "browse", {40: 3}, {90: 1}, {"HTTP 500": 1}, {0: 4}),
    )

    def written(self, path: Path) -> str:
        with path.open("w") as file:
            for row in self.ROWS:
                stream.write(file, row)
        return path.read_text()

    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "load.jsonl"
        self.written(path)
        assert tuple(stream.read(path)) == self.ROWS

    def test_a_line_cut_short_by_a_kill_is_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "load.jsonl"
        path.write_text(self.written(path)[:-20])
        assert tuple(stream.read(path)) == self.ROWS[:-1]

    @pytest.mark.parametrize("line", ["{}", "nonsense", '{"row": "Level", "at": 1}', "[1]"])
    def test_a_malformed_line_is_named(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "load.jsonl"
        path.write_text(line + "\n" + self.written(path))
        with pytest.raises(ValueError, match=r"load\.jsonl:1: "):
            list(stream.read(path))


class TestObjectives:
    def measured(self, **changes: Any) -> dict[str, Measured]:
        one = Measured(10.0, 100.0)
        one.fine = counted([20.0] * changes.get("served", 99))
        one.spoilt = counted([20.0] * changes.get("failed", 0))
        return {ALL: one, "browse": one}

    def verdict(self, measure: str, limit: float, **changes: Any) -> Verdict:
        promised = objectives.Objectives((Objective("browse", measure, limit),))
        return promised.judge(self.measured(**changes))[0]

    def test_the_shipped_file_is_in_order(self) -> None:
        promised = objectives.load(objectives.DEFAULT, visits.ENDPOINTS)
        assert {one.endpoint for one in promised.objectives} == {ALL, *visits.ENDPOINTS}

    def test_a_miss_says_which_and_by_how_much(self) -> None:
        told = self.verdict("p95_ms", 4).told
        assert "browse p95: 20 ms, promised at most 4.0 ms: missed by 16 ms (39" in told

    def test_errors_are_a_share_of_what_was_answered(self) -> None:
        assert self.verdict("error_share", 0.01, served=99, failed=1).held
        assert not self.verdict("error_share", 0.009, served=99, failed=1).held

    def test_a_promise_of_no_errors_can_be_missed(self) -> None:
        one = self.verdict("error_share", 0, failed=1)
        assert not one.held
        assert one.told.endswith("missed by 1 %")

    def test_the_rate_is_what_was_served_of_what_was_asked(self) -> None:
        assert self.verdict("minimum_share", 0.98).held
        assert not self.verdict("minimum_share", 0.98, served=90).held
        assert self.verdict("minimum_per_s", 9.9).held

    def test_silence_keeps_no_promise(self) -> None:
        one = self.verdict("p50_ms", 10, served=0)
        assert not one.held
        assert "no request was answered" in one.told

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[brows]\np50_ms = 1", "no endpoint 'brows'"),
            ("[browse]\np51_ms = 1", "no such measure"),
            ("[browse]\np50_ms = 'x'", "no number"),
            ("[browse]\np50_ms = true", "no number"),
            ("[browse]\np50_ms = -1", "no number"),
            ("[all]\nerror_share = 2", "is a share"),
            ("browse = 1", "no endpoint"),
            ("[budget]\nslow = 1\n[all]\nerror_share=0", "takes availability"),
            ("[budget]\navailability = 1\n[all]\nerror_share=0", "between 0 and 1"),
            ("[budget]\navailability = 'x'\n[all]\nerror_share=0", "is no number"),
            ("", "promises nothing"),
            ("[", "objectives.toml: "),
        ],
    )
    def test_a_mistake_in_the_file_is_named(self, tmp_path: Path, text: str, said: str) -> None:
        path = tmp_path / "objectives.toml"
        path.write_text(text)
        with pytest.raises(ObjectivesError, match=said):
            objectives.load(path, visits.ENDPOINTS)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ObjectivesError, match="No such file"):
            objectives.load(tmp_path / "none.toml", visits.ENDPOINTS)


class TestBudget:
    def second(self, fine_ms: Sequence[float], spoilt_ms: Sequence[float]) -> Measured:
        return Measured(1.0, 10.0, fine=counted(fine_ms), spoilt=counted(spoilt_ms))

    def test_three_nines_of_a_month_are_43_minutes(self) -> None:
        assert Budget().outage_s == pytest.approx(43.2 * 60)

    def test_a_second_without_an_answer_is_a_second_of_outage(self) -> None:
        series = [self.second([5] * 10, []), self.second([], [2000] * 10)]
        cost = budget.spent(series, Budget())
        assert cost.outage_s == pytest.approx(1.0)
        assert cost.bad == 10
        assert cost.share == pytest.approx(1 / 2592)

    def test_slow_answers_spend_it_too_and_slow_failures_once(self) -> None:
        cost = budget.spent([self.second([5] * 5 + [900] * 3, [900] * 2)], Budget())
        assert cost.bad == 5
        assert cost.outage_s == pytest.approx(0.5)


class TestSignificance:
    def test_two_versions_that_never_overlap(self) -> None:
        p = significance.permutation_p([1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16])
        assert p == pytest.approx(2 / math.comb(12, 6))

    def test_more_rounds_than_that_are_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        most = significance.MOST_ROUNDS
        assert arguments.parse(["--baseline", "HEAD", "--rounds", str(most)]).rounds == most
        with pytest.raises(SystemExit):
            arguments.parse(["--baseline", "HEAD", "--rounds", str(most + 1)])
        assert f"at most {most}" in capsys.readouterr().err

    def test_as_many_rounds_as_may_be_asked_for_come_to_an_end(self) -> None:
        most = significance.MOST_ROUNDS
        began_s = time.process_time()
        p = significance.permutation_p(range(most), range(most))
        assert p == 1.0
        p = significance.permutation_p(range(most), range(most, 2 * most))
        assert p == pytest.approx(1 / (significance.SAMPLE + 1))
        assert time.process_time() - began_s < 30

    def test_a_sample_agrees_with_all_ways(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before, after = [5, 7, 6, 9, 8, 4], [8, 6, 10, 9, 11, 7]
        exact = significance.permutation_p(before, after)
        monkeypatch.setattr(significance, "MOST_WAYS", 1)
        sampled = significance.permutation_p(before, after)
        assert sampled == significance.permutation_p(before, after), "it is repeatable"
        deviation = math.sqrt(exact * (1 - exact) / significance.SAMPLE)
        assert abs(sampled - exact) < 5 * deviation
        assert 0.01 < exact < 0.2

    def test_without_a_difference_it_errs_as_often_as_it_says(self) -> None:
        dice = DICE(11)
        tries = 400
        ps = [
            significance.permutation_p(*([dice.expovariate(1) for _ in range(5)] for _ in "ab"))
            for _ in range(tries)
        ]
        errs = sum(p <= significance.SIGNIFICANT for p in ps)
        expected = tries * significance.SIGNIFICANT
        assert errs <= expected + 3 * math.sqrt(expected)

    def test_the_effect_is_of_what_was_tested(self) -> None:
        # one slow round: the means differ one way, the medians another
        before, after = [10.0, 10.0, 10.0, 10.0, 60.0, 60.0], [12.0] * 6
        one = significance.Comparison.of("p50 ms", before, after)
        assert one.effect == pytest.approx(12 / (160 / 6) - 1)
        assert one.was == pytest.approx(160 / 6)
        assert one.now == 12
        assert one.p == significance.permutation_p(before, after)

    def test_the_same_figures_differ_in_nothing(self) -> None:
        assert significance.permutation_p([5, 5, 5], [5, 5, 5]) == 1.0

    @given(st.lists(st.floats(1, 100), min_size=4, max_size=4), st.integers(0, 3))
    def test_p_is_a_share_and_the_sides_do_not_matter(
        self, values: list[float], shift: int
    ) -> None:
        other = [value + shift for value in values[1:]]
        p = significance.permutation_p(values, other)
        assert 0 < p <= 1
        assert p == pytest.approx(significance.permutation_p(other, values))

    def test_holm_corrects_for_how_many_were_compared(self) -> None:
        assert significance.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])

    def test_fewer_rounds_than_needed_could_show_nothing(self) -> None:
        needed = significance.rounds_needed(10)
        assert 10 * 2 / math.comb(2 * needed, needed) <= significance.SIGNIFICANT
        fewer = needed - 1
        assert 10 * 2 / math.comb(2 * fewer, fewer) > significance.SIGNIFICANT

    @pytest.mark.parametrize(
        ("after", "p", "word"),
        [
            (20.0, 0.01, "regression"),
            (20.0, 0.06, "no difference shown"),
            (10.5, 0.01, "no difference shown"),
            (5.0, 0.01, "improvement"),
        ],
    )
    def test_a_difference_needs_to_be_sure_and_large(
        self, after: float, p: float, word: str
    ) -> None:
        one = significance.Comparison("browse p95 ms", (10.0,) * 3, (after,) * 3, p)
        assert one.word == word

    def test_a_higher_rate_is_no_regression(self) -> None:
        one = significance.Comparison("rate", (10.0,), (20.0,), 0.01, higher_is_worse=False)
        assert one.word == "improvement"


class TestVisits:
    class Someone:
        def __init__(self) -> None:
            self.dice = DICE(1)
            self.catalogue = Catalogue(("lamps", "rugs & co"), ("lamp",), 100)
            self.orders = visits.Orders()
            self.asked: list[tuple[str, str, str]] = []
            self.keys: set[str] = set()

        def ask(self, name: str, method: str, path: str, **more: Any) -> Any:
            self.keys |= set((more.get("headers") or {}).values())
            self.asked.append((name, method, path))
            return {"id": 7} if method == "POST" else True

    def test_shares_add_up(self) -> None:
        assert sum(visits.SHARES.values()) == pytest.approx(1)
        assert visits.ENDPOINTS == ("browse", "search", "item", "order", "order_status")

    def test_whoever_has_no_order_yet_places_one_and_then_looks_at_it(self) -> None:
        someone = self.Someone()
        visits.order_status(someone)
        visits.order_status(someone)
        assert [name for name, _, _ in someone.asked] == ["order", "order_status"]
        assert someone.asked[1][2] == "/orders/7"
        assert someone.orders.acknowledged == 1

    def test_two_runs_of_the_same_seed_place_different_orders(self) -> None:
        keys = set()
        for _ in range(2):
            someone = self.Someone()
            visits.order(someone)
            keys |= someone.keys
        assert len(keys) == 2

    def test_what_is_browsed_for_is_quoted(self) -> None:
        someone = self.Someone()
        for _ in range(20):
            visits.browse(someone)
        assert any("category=rugs+%26+co" in path for _, _, path in someone.asked)

    def test_the_catalogue_is_learnt_from_the_shop(self) -> None:
        items = [{"id": 3, "category": "rugs", "name": "Fine wool rug"}]
        found = Catalogue.learn(lambda offset: {"items": items if offset == 0 else []})
        assert found == Catalogue(("rugs",), ("rug",), 3)

    @pytest.mark.parametrize("answer", [{"items": []}, {}, {"items": [{"id": 1}]}, []])
    def test_what_is_no_shop_is_told(self, answer: Any) -> None:
        with pytest.raises(CatalogueError):
            Catalogue.learn(lambda _: answer)


class TestWrk:
    def test_it_is_installed_where_that_can_be_done(self) -> None:
        host, said = debian(), list[str]()
        wrk.make_ready(said.append, host)
        assert host.ran("install --yes --no-install-recommends wrk")
        assert len(said) == 1

    def test_what_is_here_is_left_alone(self) -> None:
        host = debian()
        host.programs.add("wrk")
        wrk.make_ready(fail, host)
        assert not host.ran("apt-get")

    def test_elsewhere_it_says_how_to_get_it(self) -> None:
        host = debian()
        host.is_root = False
        with pytest.raises(wrk.WrkError, match="brew install wrk"):
            wrk.make_ready(fail, host)


def fail(line: str) -> None:
    raise AssertionError(line)
