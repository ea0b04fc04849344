"""No line is proven in words that nobody read against its drill: the lock, and what it guards."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbook.runbook import Runbook, load, lock
from drillbook.runbook.lock import Lock, LockedLine, LockError, Locks, Proof
from reports import html, markdown, sarif, table
from reports.locking import record
from reports.run import assemble
from reports.verdicts import Judgement, Verdict, judge
from reports.wordings import compare
from tests.falsified import falsified
from tests.journals import ROOT, Script, all_read, records

SYMPTOM, CAUSE, STEP = "3.1 symptom 1", "3.1 cause 1", "3.1 step 1"
DRILL = "scenarios/test_x.py::test_crashed"
RUNBOOK = ROOT / "runbook.md"


@pytest.fixture(scope="module")
def book() -> Runbook:
    return load(RUNBOOK)


def of(judgement: Judgement, name: str) -> Verdict:
    [verdict] = [one for one in judgement.verdicts if one.name == name]
    return verdict


def judged(script: Script, book: Runbook, locks: Locks | None) -> Judgement:
    return judge(assemble(script.records), book, locks)


def drilled(book: Runbook) -> Script:
    """A run whose one drill brings about 3.1 cause 1 and sees symptom 1 of this edition."""
    script = Script(book)
    script.write("RunStarted", run_id="a-run", platform="compose", argv=[], seed=1)
    script.begin(DRILL, "Crashed", "3.1", CAUSE)
    script.fault("kill db", "db is exited")
    script.symptom(SYMPTOM, "the log", "refused", 0.2)
    end(script)
    return script


def end(script: Script) -> None:
    script.end("passed", held=True, error=None, message=None)


def exercised(book: Runbook, names: Sequence[str]) -> Script:
    """A run in which every one of these lines was exercised and held, as far as code can see."""
    script = Script(book)
    for entry in book.entries.values():
        mine = [line for line in entry.lines if line.name in names]
        causes = [line.name for line in mine if line.kind == "cause"]
        script.begin(
            f"scenarios/test_x.py::test_{entry.number}", entry.title, entry.number, *causes
        )
        script.fault("break it", "broken")
        for line in mine:
            if line.kind == "symptom":
                script.symptom(line.name, "a look", "seen", 0.1)
            elif line.kind == "step":
                commands = line.commands_for("compose") if "compose" in line.belongs else ()
                script.step(line.name, list(commands), "as expected")
        end(script)
    return script


def edition(folder: Path, text: str) -> Runbook:
    path = folder / "edition.md"
    path.write_text(text, encoding="utf-8")
    return load(path)


# --- false sentences -----------------------------------------------------------------------------
def test_a_false_sentence_in_each_drilled_line_leaves_none_proven(
    book: Runbook, tmp_path: Path
) -> None:
    """Every drill passes over the false copy, as code cannot read; no line of it is proven."""
    drilled = [one.name for one in lock.read(lock.beside(RUNBOOK))]
    copy = edition(tmp_path, falsified(book, drilled))
    assert [line.name for line in copy.lines()] == [line.name for line in book.lines()]
    locks = lock.of_edition(copy.path, RUNBOOK)
    judgement = judged(exercised(copy, drilled), copy, locks)
    assert judgement.totals["proven"] == 0
    assert {one.name for one in judgement.of("changed")} == set(drilled)

    true = judged(exercised(book, drilled), book, lock.of_edition(RUNBOOK, RUNBOOK))
    assert {one.name for one in true.of("proven")} == set(drilled), "the test would prove nothing"


ENTRY = """### 9.1 The shop is closed

**Symptoms:**

- {symptom}

**Resolution Steps:**

1. {step}
"""


@pytest.mark.parametrize(
    ("step", "typed", "word"),
    [
        ("`docker compose ps -a`", ["docker compose ps -a"], "proven"),
        (
            "`docker compose ps -a`, `docker ps -a`",
            ["docker compose ps -a", "docker ps -a"],
            "proven",
        ),
        ("`docker compose ps -a`, `docker ps -a`", ["docker compose ps -a"], "changed"),
        ("Restart nginx: `docker compose ps -a`", ["docker compose ps -a"], "changed"),
        ("`docker compose ps -a` `nginx.conf`", ["docker compose ps -a"], "changed"),
        ("`docker compose ps -a`", [], "changed"),
    ],
)
def test_without_a_lock_only_a_line_that_is_nothing_but_commands_is_proven(
    tmp_path: Path, step: str, typed: list[str], word: str
) -> None:
    book = edition(tmp_path, ENTRY.format(symptom="It is dark.", step=step))
    script = Script(book)
    script.begin(DRILL, "Closed", "9.1")
    for command in typed or [""]:
        script.step("9.1 step 1", [command] if command else [], "as expected")
    script.symptom("9.1 symptom 1", "a look", "dark", 0.1)
    end(script)
    for locks in (None, lock.of_edition(book.path, RUNBOOK)):
        assert of(judged(script, book, locks), "9.1 step 1").word == word
        assert of(judged(script, book, locks), "9.1 symptom 1").word == "changed"


def test_what_was_typed_in_place_of_the_drills_own_command_proves_only_words_that_were_read(
    tmp_path: Path,
) -> None:
    book = edition(tmp_path, ENTRY.format(symptom="It is dark.", step="`docker compose ps`"))
    script = Script(book)
    script.begin(DRILL, "Closed", "9.1")
    script.step("9.1 step 1", ["docker compose ps"], "as expected")
    script.records[-1]["instead_of"] = "docker compose ps -a"
    end(script)
    assert of(judged(script, book, None), "9.1 step 1").word == "changed"
    assert of(judged(script, book, all_read(book)), "9.1 step 1").word == "proven"


def test_a_command_that_was_not_typed_is_named_with_its_reason(book: Runbook) -> None:
    script = drilled(book)
    script.begin(DRILL, "Crashed", "3.1", CAUSE)
    script.untyped(STEP, "docker compose ps -a db", "docker compose down -v", "it does more")
    end(script)
    read = of(judged(script, book, all_read(book)), STEP)
    assert (read.word, read.held) == ("unproven", False)
    assert read.why == (
        "its drill types `docker compose ps -a db`; it has `docker compose down -v`, not typed: "
        "it does more"
    )
    locks = Locks(Lock(Path("x.lock"), (LockedLine(STEP, "compose", "Other words."),)))
    assert of(judged(script, book, locks), STEP).word == "changed"


# --- which lock ----------------------------------------------------------------------------------
def other_words(book: Runbook, folder: Path) -> Runbook:
    return edition(folder, falsified(book, [SYMPTOM]))


def test_an_edition_without_a_lock_is_compared_with_the_projects(
    book: Runbook, tmp_path: Path
) -> None:
    other = other_words(book, tmp_path)
    judgement = judged(drilled(other), other, lock.of_edition(other.path, RUNBOOK))
    assert of(judgement, CAUSE).word == "proven"
    symptom = of(judgement, SYMPTOM)
    assert symptom.word == "changed"
    line = book.find(SYMPTOM)
    assert line is not None
    assert symptom.read == line.text
    assert f"./run drills 3.1 --runbook {other.path} --lock" in symptom.why


def test_lines_of_an_edition_that_no_drill_came_to_are_left_alone(
    book: Runbook, tmp_path: Path
) -> None:
    other = edition(tmp_path, falsified(book, [STEP]))
    own = Locks(Lock(tmp_path / "x", lock.read(lock.beside(RUNBOOK)).lines))
    project = lock.of_edition(other.path, RUNBOOK)
    assert of(judged(drilled(other), other, project), STEP).word == "unproven"
    assert of(judged(drilled(other), other, own), STEP).word == "changed", "it was edited"


def test_an_edition_is_locked_beside_itself_and_is_then_proven_in_its_own_words(
    book: Runbook, tmp_path: Path
) -> None:
    other = other_words(book, tmp_path)
    before = lock.beside(RUNBOOK).read_bytes()
    locks = lock.of_edition(other.path, RUNBOOK)
    recorded = record(locks.own, judged(drilled(other), other, locks))
    assert recorded.names == (SYMPTOM, CAUSE)
    assert locks.own.path == tmp_path / "edition.lock"
    assert lock.beside(RUNBOOK).read_bytes() == before

    locks = lock.of_edition(other.path, RUNBOOK)
    assert of(judged(drilled(other), other, locks), SYMPTOM).word == "proven"
    own_words = edition(tmp_path, RUNBOOK.read_text(encoding="utf-8"))
    assert of(judged(drilled(own_words), own_words, locks), SYMPTOM).word == "changed"


def test_what_its_own_lock_does_not_have_is_compared_with_the_projects(
    book: Runbook, tmp_path: Path
) -> None:
    other = edition(tmp_path, falsified(book, [STEP]))
    mine = Lock(tmp_path / "edition.lock", (LockedLine(STEP, "compose", "Mine."),))
    locks = Locks(mine, lock.read(lock.beside(RUNBOOK)))
    judgement = judged(drilled(other), other, locks)
    assert of(judgement, SYMPTOM).word == "proven"
    assert of(judgement, STEP).read == "Mine."


# --- recording -----------------------------------------------------------------------------------
def test_the_lock_carries_which_drill_proved_a_line_when_and_how(
    book: Runbook, tmp_path: Path
) -> None:
    target = Lock(tmp_path / "runbook.lock")
    recorded = record(target, judged(drilled(book), book, None))
    assert str(recorded) == f"the words of 2 lines recorded, new: {SYMPTOM}, {CAUSE}"
    symptom, cause = lock.read(target.path).lines
    line = book.find(SYMPTOM)
    assert line is not None
    assert (str(symptom), symptom.words) == (f"{SYMPTOM} compose", line.text)
    seen = Proof(
        DRILL,
        "Crashed",
        "a-run",
        "2026-11-24T12:01:07Z",
        "seen",
        "drillbook.symptoms.logs.mention",
    )
    assert [replace(one, at=seen.at) for one in symptom.proven_by] == [seen]
    assert [one.how for one in cause.proven_by] == ["brought about"]
    again = record(lock.read(target.path), judged(drilled(book), book, None))
    assert str(again) == "the words of 2 lines recorded"


def test_each_drill_that_proved_a_line_is_in_it_once(book: Runbook, tmp_path: Path) -> None:
    script = drilled(book)
    script.begin("scenarios/test_x.py::test_cut", "Cut", "3.1", "3.1 cause 3")
    script.symptom(SYMPTOM, "the log", "refused", 0.2)
    script.symptom(SYMPTOM, "the log", "refused again", 0.2)
    end(script)
    target = Lock(tmp_path / "runbook.lock")
    record(target, judged(script, book, None))
    symptom = lock.read(target.path).get(SYMPTOM, "compose")
    assert symptom is not None
    assert [one.title for one in symptom.proven_by] == ["Crashed", "Cut"]


def test_lines_that_were_not_exercised_and_other_platforms_keep_what_the_lock_has(
    book: Runbook, tmp_path: Path
) -> None:
    kept = (
        LockedLine(SYMPTOM, "kubernetes", "Words on Kubernetes."),
        LockedLine(STEP, "compose", "Words of a step."),
        LockedLine("9.9 step 1", "compose", "The runbook has no such line any more."),
    )
    target = Lock(tmp_path / "runbook.lock", kept)
    record(target, judged(drilled(book), book, None))
    after = lock.read(target.path)
    assert [str(one) for one in after] == [
        f"{SYMPTOM} compose",
        f"{SYMPTOM} kubernetes",
        f"{CAUSE} compose",
        f"{STEP} compose",
    ]
    assert after.get(SYMPTOM, "kubernetes") == kept[0]
    assert after.get(STEP, "compose") == kept[1]


def test_a_line_that_was_contradicted_or_not_typed_is_never_recorded(
    book: Runbook, tmp_path: Path
) -> None:
    script = drilled(book)
    script.begin("scenarios/test_x.py::test_cut", "Cut", "3.1", "3.1 cause 3")
    script.write("ClaimFailed", ref=script.ref(SYMPTOM), error="SymptomAbsent", message="no")
    script.step(STEP, [], "looked")
    script.untyped(STEP, "docker compose ps -a db", "rm -rf /", "it does more than look")
    end(script)
    recorded = record(Lock(tmp_path / "runbook.lock"), judged(script, book, None))
    assert recorded.names == (CAUSE,)


def test_the_lock_is_in_the_runbooks_order(book: Runbook, tmp_path: Path) -> None:
    path = tmp_path / "runbook.lock"
    record(Lock(path), judge(assemble(records(book)), book, None))
    order = [line.name for line in book.lines()]
    names = [one.name for one in lock.read(path)]
    assert names == sorted(names, key=order.index)
    assert len(names) == 20


# --- the file ------------------------------------------------------------------------------------
def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    proof = Proof("a.py::test", "A — title", "run", "2026-01-01T00:00:00Z", "seen", "a.look")
    lines = (
        LockedLine("1 step 1", "compose", 'Wörds with "quotes", \\ and\u00a0spaces', (proof,)),
        LockedLine("1 step 1", "kubernetes", "Others"),
        LockedLine("2.1 cause 10", "compose", "`code`", (replace(proof, detector=""),)),
    )
    lock.write(tmp_path / "a.lock", lines)
    assert lock.read(tmp_path / "a.lock").lines == lines
    assert [one.name for one in tmp_path.iterdir()] == ["a.lock"]


def test_no_file_is_a_lock_without_lines(tmp_path: Path) -> None:
    assert lock.read(tmp_path / "runbook.lock").lines == ()


LINE = '{"version": 2, "lines": {%s}}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: not the lock of a runbook"),
        ("3.1 step 5 compose 0000000000000000\n", ":1: not the lock of a runbook"),
        ('{\n<<<<<<< ours\n"version": 2}', ":2: not the lock of a runbook"),
        ("[]", 'it has no "version": 2'),
        ('{"name": "a-package", "lockfileVersion": 2}', 'it has no "version": 2'),
        ('{"version": 3, "lines": {}}', 'it has no "version": 2'),
        ('{"version": 2}', "lines: not an object"),
        (LINE % '"3.1 stage 1": {}, "3.1 stage 1": {}', "'3.1 stage 1' is in it twice"),
        (LINE % '"3.1 stage 1": {"compose": {}}', "'3.1 stage 1' names no line"),
        (LINE % '"3.1 step one": {"compose": {}}', "'3.1 step one' names no line"),
        (LINE % '"3.1 step 1": "compose"', "3.1 step 1: not an object"),
        (
            LINE % '"3.1 step 1": {"compose": {"words": 3}}',
            '3.1 step 1 compose: "words" is no text',
        ),
        (LINE % '"3.1 step 1": {"compose": {"words": "A", "proven_by": {}}}', "is no list"),
        (
            LINE % '"3.1 step 1": {"compose": {"words": "A", "proven_by": [{}]}}',
            "'drill' is no text",
        ),
    ],
)
def test_what_is_no_lock_is_refused_and_says_where(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "runbook.lock"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LockError) as refused:
        lock.read(path)
    assert str(refused.value).startswith(str(path))
    assert says in str(refused.value)


def test_the_projects_own_lock_is_written_as_this_version_writes_it(tmp_path: Path) -> None:
    path = lock.beside(RUNBOOK)
    lock.write(tmp_path / "again.lock", lock.read(path))
    assert (tmp_path / "again.lock").read_bytes() == path.read_bytes()


# --- both wordings, side by side -----------------------------------------------------------------
@pytest.fixture
def differs(book: Runbook, tmp_path: Path) -> Judgement:
    """A run over a line in other words than those that were read, and a command left untyped."""
    other = other_words(book, tmp_path)
    script = drilled(other)
    script.begin(DRILL, "Crashed", "3.1", CAUSE)
    script.untyped(STEP, "docker compose ps -a db", "git reset --hard", "it does more than look")
    end(script)
    return judged(script, other, lock.of_edition(other.path, RUNBOOK))


LIE = "Restarting the nginx container heals this."


def test_the_table_has_both_wordings_side_by_side(differs: Judgement) -> None:
    text = table.closing(differs, {}, width=120)
    rows = [row for row in text.splitlines() if " | " in row]
    left, right = zip(*(row.split(" | ") for row in rows), strict=True)
    read, now = (" ".join(" ".join(one).split()) for one in (left, right))
    verdict = of(differs, SYMPTOM)
    assert verdict.line.text == f"{verdict.read} {LIE}"
    assert read == f"read: {verdict.read}"
    assert now == f"now: {verdict.line.text}"
    assert all(len(row) <= 120 for row in rows)
    assert "NOT TYPED" in text
    assert "`git reset --hard`: it does more than look" in text


def test_the_page_marks_what_differs(differs: Judgement) -> None:
    page = html.render(differs)
    assert page.count(f"<ins>{LIE}</ins>") == 2, "once on top and once at its line"
    assert "not typed: git reset --hard" in page


def test_markdown_has_both_wordings_in_one_row(differs: Judgement) -> None:
    page = markdown.render(differs)
    [row] = [line for line in page.splitlines() if f"<ins>{LIE}</ins>" in line]
    assert row.startswith(f"| **{SYMPTOM}**")
    assert row.count("The application's log says that the database cannot be reached") == 2
    assert "`git reset --hard`: it does more than look" in page


def test_sarif_has_both_wordings(differs: Judgement) -> None:
    [result] = json.loads(sarif.render(differs))["runs"][0]["results"]
    verdict = of(differs, SYMPTOM)
    text = result["message"]["text"]
    assert text.endswith(f"\n\nread: {verdict.read}\n\nnow:  {verdict.line.text}")


@given(st.text(max_size=80), st.text(max_size=80))
def test_the_pieces_of_a_wording_are_the_whole_of_it(read: str, now: str) -> None:
    both = compare(read, now)
    for text, pieces in ((read, both.read), (now, both.now)):
        assert "".join(one.text for one in pieces) == text.lstrip()
    assert [one.text.split() for one in both.read if one.same] == [
        one.text.split() for one in both.now if one.same
    ]


def test_code_that_differs_is_marked_as_a_whole() -> None:
    both = compare("Type `docker compose ps` now.", "Type `docker compose ps -a` now.")
    assert [one.text for one in both.now if not one.same] == ["`docker compose ps -a` "]


def test_lines_without_end_are_not_compared_word_by_word() -> None:
    began_s = time.process_time()
    both = compare("a " * 100_000, "b " * 100_000)
    assert not both.now[0].same
    assert time.process_time() - began_s < 1
