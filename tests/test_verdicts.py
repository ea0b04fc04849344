"""What a journal proves of a line, and what the lock remembers of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from drillbook.runbook import Runbook, load
from drillbook.runbook.lock import Locks
from reports.run import assemble
from reports.verdicts import Judgement, Verdict, as_json, judge
from tests.journals import ROOT, Record, Script, all_read, records

SYMPTOM = "3.1 symptom 1"
STEP = "3.1 step 1"
CAUSE = "3.1 cause 1"


@pytest.fixture(scope="module")
def book() -> Runbook:
    return load(ROOT / "runbook.md")


@pytest.fixture
def script(book: Runbook) -> Script:
    """A drill of 3.1 cause 1 under way: the fault is in force."""
    s = Script(book)
    s.begin("scenarios/test_x.py::test_crashed", "Crashed", "3.1", CAUSE)
    s.fault("kill db", "db is exited")
    return s


def judged(script: Script, book: Runbook, locks: Locks | None = None) -> Judgement:
    """The verdicts, where every line was read against its drill unless ``locks`` say otherwise."""
    return judge(assemble(script.records), book, locks or all_read(book))


def of(judgement: Judgement, name: str, platform: str = "compose") -> Verdict:
    found = [v for v in judgement.verdicts if (v.name, v.platform) == (name, platform)]
    assert len(found) == 1, f"{len(found)} verdicts on {name}"
    return found[0]


def passed(script: Script) -> None:
    script.end("passed", held=True, error=None, message=None)


def contradict(script: Script, name: str) -> None:
    message = "3.1: Crashed\nphase      step\nexpected   a thing\nlast seen  another\nevidence   x"
    script.write("ClaimFailed", ref=script.ref(name), error="SymptomAbsent", message=message)


def test_every_line_has_one_verdict_a_platform(book: Runbook) -> None:
    verdicts = judge(assemble(records(book)), book, all_read(book)).verdicts
    assert [v.name for v in verdicts] == [line.name for line in book.lines()]
    assert {v.platform for v in verdicts} == {"compose", "kubernetes"}


def test_what_a_drill_that_held_exercised_is_proven(script: Script, book: Runbook) -> None:
    script.symptom(SYMPTOM, "the log", "refused", 0.2)
    script.step(STEP, ["docker compose ps -a db"], "Exited")
    script.fix("3.1 step 5", [], "restarted", 0.3)
    passed(script)
    proven = {v.name for v in judged(script, book).of("proven")}
    assert proven == {CAUSE, SYMPTOM, STEP, "3.1 step 5"}
    assert of(judged(script, book), SYMPTOM).why == "held in: Crashed"


def test_a_cause_is_not_proven_before_its_fault_took(book: Runbook) -> None:
    s = Script(book)
    s.begin("scenarios/test_x.py::test_crashed", "Crashed", "3.1", CAUSE)
    passed(s)
    assert of(judged(s, book), CAUSE).word == "unproven"


@pytest.mark.parametrize(
    ("outcome", "ending"), [("failed", "FixDidNotHeal"), ("interrupted", "interrupted")]
)
def test_a_drill_that_did_not_hold_proves_nothing(
    script: Script, book: Runbook, outcome: str, ending: str
) -> None:
    script.symptom(SYMPTOM, "the log", "refused", 0.2)
    script.end(outcome, held=False, error="FixDidNotHeal", message="…")
    verdict = of(judged(script, book), SYMPTOM)
    assert verdict.word == "unproven"
    assert verdict.why == f"exercised in a drill that did not hold ({ending})"


def test_a_line_that_did_not_hold_is_contradicted(script: Script, book: Runbook) -> None:
    contradict(script, SYMPTOM)
    script.end("failed", held=False, error="SymptomAbsent", message="…")
    verdict = of(judged(script, book), SYMPTOM)
    assert verdict.word == "contradicted"
    assert verdict.why == "expected a thing; saw another"


def test_a_step_that_did_not_hold_leaves_the_others_proven(script: Script, book: Runbook) -> None:
    script.symptom(SYMPTOM, "the log", "refused", 0.2)
    contradict(script, STEP)
    script.end("failed", held=True, error="StepShowedOtherwise", message="…")
    judgement = judged(script, book)
    assert of(judgement, SYMPTOM).word == "proven"
    assert of(judgement, STEP).word == "contradicted"


def test_one_contradiction_outweighs_any_number_of_proofs(script: Script, book: Runbook) -> None:
    script.symptom(SYMPTOM, "the log", "refused", 0.2)
    passed(script)
    script.begin("scenarios/test_x.py::test_cut", "Cut", "3.1", "3.1 cause 3")
    contradict(script, SYMPTOM)
    script.end("failed", held=False, error="SymptomAbsent", message="…")
    assert of(judged(script, book), SYMPTOM).word == "contradicted"


def test_a_step_cut_before_it_could_be_contradicted_is_not_proven(
    script: Script, book: Runbook
) -> None:
    script.step(STEP, ["docker compose ps -a db"], "Exited")
    script.bad_step(STEP, ["docker compose logs db"], "nothing", "", "…")
    script.records = [r for r in script.records if r["event"] != "ClaimFailed"]
    passed(script)
    assert of(judged(script, book), STEP).word == "unproven"


NO_IMAGE = "unproven here: no Grafana image"


def test_a_symptom_seen_only_in_part_is_unproven_and_says_why(
    script: Script, book: Runbook
) -> None:
    script.symptom(SYMPTOM, "the data", "no series", 0.2, unproven=NO_IMAGE)
    passed(script)
    verdict = of(judged(script, book), SYMPTOM)
    assert (verdict.word, verdict.held) == ("unproven", False)
    assert verdict.why == f"{NO_IMAGE}; what can be seen without was seen in: Crashed"


def test_a_line_that_could_not_be_tried_here_says_why(script: Script, book: Runbook) -> None:
    script.not_exercised(STEP, "only a run with --alerts has a Prometheus to ask")
    passed(script)
    verdict = of(judged(script, book), STEP)
    assert verdict.word == "unproven"
    assert verdict.why == "only a run with --alerts has a Prometheus to ask"


def test_a_symptom_seen_in_part_and_then_whole_is_proven(script: Script, book: Runbook) -> None:
    script.symptom(SYMPTOM, "the data", "no series", 0.2, unproven=NO_IMAGE)
    script.symptom(SYMPTOM, "the page", "No data", 0.4)
    passed(script)
    assert of(judged(script, book), SYMPTOM).word == "proven"


def test_a_symptom_that_never_showed_even_in_part_is_contradicted(
    script: Script, book: Runbook
) -> None:
    script.symptom(SYMPTOM, "the data", "no series", 0.2, unproven=NO_IMAGE)
    passed(script)
    script.begin("scenarios/test_x.py::test_cut", "Cut", "3.1", "3.1 cause 3")
    contradict(script, SYMPTOM)
    script.end("failed", held=False, error="SymptomAbsent", message="…")
    assert of(judged(script, book), SYMPTOM).word == "contradicted"


def test_a_drill_that_cannot_be_done_here_says_why(book: Runbook) -> None:
    judgement = judge(assemble(records(book)), book, all_read(book))
    verdict = of(judgement, "5.2 cause 1")
    assert verdict.word == "unproven"
    assert verdict.why == "its drill is unproven: unproven here: no Grafana image"
    assert of(judgement, "6.1 step 1").why == "no drill of this run exercised it"


def test_a_line_about_another_platform_is_unproven_there_and_not_counted(book: Runbook) -> None:
    judgement = judge(assemble(records(book)), book, all_read(book))
    verdict = of(judgement, "4.1 symptom 2", "kubernetes")
    assert (verdict.word, verdict.here) == ("unproven", False)
    assert verdict.why == "it speaks of kubernetes only, and no drill ran there"
    assert judgement.elsewhere == {"kubernetes": 2}
    assert sum(judgement.totals.values()) == len(list(book.lines())) - 2


def test_each_platform_has_verdicts_of_its_own(script: Script, book: Runbook) -> None:
    script.step(STEP, ["docker compose ps -a db"], "Exited")
    passed(script)
    on_kubernetes = Script(book)
    on_kubernetes.begin("scenarios/test_x.py::test_crashed", "Crashed", "3.1", CAUSE)
    on_kubernetes.records[0]["platform"] = "kubernetes"
    on_kubernetes.drill = "scenarios/test_x.py::test_crashed"
    on_kubernetes.bad_step(STEP, ["kubectl get pods -l app=db"], "none", "", "…")
    on_kubernetes.end("failed", held=True, error="StepShowedOtherwise", message="…")
    judgement = judge(assemble([*script.records, *on_kubernetes.records]), book, all_read(book))
    assert of(judgement, STEP, "compose").word == "proven"
    assert of(judgement, STEP, "kubernetes").word == "contradicted"


def test_evidence_for_other_words_makes_a_line_changed(
    script: Script, book: Runbook, tmp_path: Path
) -> None:
    script.symptom(SYMPTOM, "the log", "refused", 0.2)
    passed(script)
    other = edited(book, tmp_path)
    judgement = judge(assemble(script.records), other, all_read(other))
    verdict = of(judgement, SYMPTOM)
    assert verdict.word == "changed"
    assert verdict.why == "it was edited since this run drilled it"
    assert not verdict.held


def test_an_incomplete_journal_gives_what_it_can(script: Script, book: Runbook) -> None:
    script.symptom(SYMPTOM, "the log", "refused", 0.2)
    run = assemble(script.records)
    assert not run.whole
    assert run.drills[0].outcome == "interrupted"
    assert run.drills[0].took_s == pytest.approx(script.t_s - run.drills[0].began_s)
    assert of(judge(run, book, all_read(book)), SYMPTOM).word == "unproven"


def edited(book: Runbook, folder: Path) -> Runbook:
    """The same runbook with one more word in 3.1 symptom 1 and nothing else changed."""
    source = book.path.read_text(encoding="utf-8")
    line = book.find(SYMPTOM)
    assert line is not None
    lines = source.splitlines(keepends=True)
    lines[line.line - 1] = lines[line.line - 1].replace("- The", "- Now the", 1)
    path = folder / "runbook.md"
    path.write_text("".join(lines), encoding="utf-8")
    assert load(path).digest != book.digest
    return load(path)


# --- counting, and for machines ------------------------------------------------------------------


def test_tallies_add_up(book: Runbook) -> None:
    judgement = judge(assemble(records(book)), book, all_read(book))
    tallies = {one.entry: one for one in judgement.tallies()}
    assert list(tallies) == list(book.entries)
    three = tallies["3.1"]
    assert (three.counts["symptom"]["proven"], three.lines("symptom")) == (2, 2)
    assert (three.counts["cause"]["proven"], three.lines("cause")) == (2, 4)
    assert three.total("proven") == 9
    assert (three.drills, three.failed, three.lost) == (2, 0, 0)
    assert three.felt_s == pytest.approx(3.22, abs=0.3)
    assert tallies["4.1"].failed == 1
    assert tallies["6.1"].felt_s is None
    total = sum(one.total(word) for one in tallies.values() for word in judgement.totals)
    assert total == len(judgement.here)


def test_the_document_for_machines_says_the_same(book: Runbook) -> None:
    judgement = judge(assemble(records(book)), book, all_read(book))
    document: Mapping[str, Any] = json.loads(as_json(judgement))
    assert document["schema"] == "drillbook/verdicts/1"
    assert document["totals"] == judgement.totals
    assert [line["verdict"] for line in document["lines"]] == [v.word for v in judgement.verdicts]
    assert {drill["outcome"] for drill in document["drills"]} == {"passed", "failed", "unproven"}
    contradicted: list[Record] = [
        one for one in document["lines"] if one["verdict"] == "contradicted"
    ]
    assert [one["name"] for one in contradicted] == ["2.3 symptom 3", "4.1 step 4"]
    assert contradicted[1]["evidence"][0]["event"] == "ClaimFailed"
