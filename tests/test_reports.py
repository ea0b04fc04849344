"""Each report says what the verdicts are, is well formed, and lets nothing of a log take effect."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from drillbook.runbook import Runbook, load
from drillbook.runbook.lock import Lock, LockedLine, Locks
from reports import __main__ as again
from reports import html, junit, markdown, sarif, table, timeline
from reports.render import Summary, write_all
from reports.run import assemble
from reports.text import cut, gist, millis, plain, seconds, shortened
from reports.verdicts import Judgement, as_json, judge
from tests.journals import ROOT, Record, Script, all_read, records, write

REPORTS = {
    "journal.jsonl",
    "junit.xml",
    "report.html",
    "summary.md",
    "verdicts.json",
    "verdicts.sarif",
}


@pytest.fixture(scope="module")
def book() -> Runbook:
    return load(ROOT / "runbook.md")


@pytest.fixture(scope="module")
def written(book: Runbook) -> list[Record]:
    return records(book)


@pytest.fixture(scope="module")
def judgement(book: Runbook, written: list[Record]) -> Judgement:
    return judge(assemble(written), book, all_read(book))


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own output


# --- all of them ---------------------------------------------------------------------------------


def rendered(folder: Path, book: Runbook, events: list[Record]) -> Summary:
    return write_all(write(folder, events), book, all_read(book))


def test_every_report_is_written_beside_the_journal(
    tmp_path: Path, book: Runbook, written: list[Record]
) -> None:
    summary = rendered(tmp_path, book, written)
    assert {path.name for path in tmp_path.iterdir()} == REPORTS
    assert {path.name for path in summary.paths.values()} == REPORTS
    for path in summary.paths.values():
        assert str(path) in summary.table


def test_a_run_killed_at_any_moment_still_gives_its_reports(
    tmp_path: Path, book: Runbook, written: list[Record]
) -> None:
    for length in range(0, len(written), 6):
        summary = rendered(tmp_path, book, written[:length])
        assert "interrupted" in summary.closing(width=100)
        parsed((tmp_path / "junit.xml").read_text(encoding="utf-8"))
        json.loads((tmp_path / "verdicts.json").read_text(encoding="utf-8"))


def test_a_last_line_cut_short_is_left_out(
    tmp_path: Path, book: Runbook, written: list[Record]
) -> None:
    write(tmp_path, written)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    summary = write_all(tmp_path, book, all_read(book))
    assert not summary.judgement.run.whole
    assert len(summary.judgement.run.drills) == 7


def test_a_run_can_be_rendered_again_from_its_folder(
    tmp_path: Path, book: Runbook, written: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, written)
    assert again.main([str(tmp_path), "--runbook", str(book.path)]) == 0
    assert "CONTRADICTED" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == REPORTS
    assert again.main([str(tmp_path)]) == 0, "the journal names the runbook"


def test_what_cannot_be_rendered_is_told_in_a_line(
    tmp_path: Path, written: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    assert again.main([str(tmp_path / "none")]) == 2
    assert "journal.jsonl" in capsys.readouterr().err
    write(tmp_path, written)
    assert again.main([str(tmp_path), "--runbook", str(tmp_path / "other.md")]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/other.md: there is no such file\n"


# --- the closing table ---------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_the_table_keeps_to_the_width(judgement: Judgement, width: int) -> None:
    text = table.closing(judgement, {}, width=width)
    shown = [line for line in text.splitlines() if not line.startswith("  /")]
    assert max(map(len, shown)) <= width


def test_the_table_counts_by_entry(judgement: Judgement) -> None:
    lines = table.closing(judgement, {}, width=120).splitlines()
    row = next(line for line in lines if line.startswith("3.1"))
    assert row.split()[-9:] == ["2/2", "2/4", "5/5", "-", "-", "2", "3.22", "s", "0"]
    assert "Not drilled in this run: 2.1, 2.2, 2.4, 4.2, 4.3, 4.4, 5.1, 6.1, 6.2." in " ".join(
        lines
    )


def test_the_table_has_no_colours_unless_asked(judgement: Judgement) -> None:
    assert "\x1b" not in table.closing(judgement, {}, width=100)
    coloured = table.closing(judgement, {}, width=100, colour=True)
    assert plain(coloured) == table.closing(judgement, {}, width=100)
    assert coloured.count("\x1b[31m") == 2, "2.3 and 4.1 are red"


def test_the_closing_text_leads_to_each_line(judgement: Judgement, book: Runbook) -> None:
    text = table.closing(judgement, {}, width=100)
    line = book.find("4.1 step 4")
    assert line is not None
    assert f"{book.path}:{line.line}  4.1 step 4\n      expected the application's own" in text
    assert "FINDINGS" in text
    assert "No step heals a cut network" in text


def test_a_run_without_drills_says_so(book: Runbook) -> None:
    none = judge(assemble([]), book, all_read(book))
    assert table.closing(none, {}, width=100).startswith("No drill ran.")
    assert "No drill ran" in markdown.render(none)
    assert "No drill ran" in html.render(none)


# --- Markdown ------------------------------------------------------------------------------------


def test_the_summary_tells_failures_first(judgement: Judgement) -> None:
    text = markdown.render(judgement)
    assert text.startswith("# Drills of runbook.md: 7 drills, 2 failed\n")
    order = ["Lines that do not hold", "Drills that failed", "Entries", "Findings", "Drills", "Run"]
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == order


def test_every_row_of_a_table_has_as_many_cells_as_its_head(judgement: Judgement) -> None:
    for block in re.findall(r"(?:^\|.*\|\n)+", markdown.render(judgement), re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}
        assert len(cells) == 1


def test_nothing_of_a_log_is_markup_in_the_summary(book: Runbook) -> None:
    s = Script(book)
    s.begin("scenarios/test_x.py::test_x", "A | <b>title</b> `x|y` *z*", "3.1", "3.1 cause 1")
    fences = "~~~\n```\n<script>alert(1)</script>"
    s.end("failed", held=False, error="NotSteady", message=fences)
    text = markdown.render(judge(assemble(s.records), book, all_read(book)))
    assert r"A \| &lt;b&gt;title&lt;/b&gt; `x\|y` \*z\*" in text
    assert "````text\n~~~\n```\n<script>" in text, "the fence is longer than any inside"
    assert "<b>" not in text


# --- JUnit ---------------------------------------------------------------------------------------


def test_junit_has_a_case_a_drill_with_its_outcome(judgement: Judgement) -> None:
    root = parsed(junit.render(judgement))
    counts = {name: root.get(name) for name in ("tests", "failures", "errors")}
    assert counts == {"tests": "7", "failures": "2", "errors": "0"}
    assert [suite.get("name") for suite in root][2] == "3.1 Database connection failed"
    outcomes = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert outcomes["test_database_container_crashed"] == ["system-out"]
    assert outcomes["test_startup_error[bad-setting]"] == ["failure", "system-out"]
    assert outcomes["test_wrong_data_source"] == ["skipped", "system-out"]


def test_junit_carries_verdicts_and_figures_as_properties(judgement: Judgement) -> None:
    root = parsed(junit.render(judgement))
    (suite,) = [one for one in root if str(one.get("name")).startswith("4.1 ")]
    properties = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
    assert properties["verdict.compose.4.1 step 4"] == "contradicted"
    assert properties["verdict.compose.4.1 symptom 1"] == "proven"
    assert properties["verdict.compose.4.1 cause 4"] == "unproven"
    assert properties["test_startup_error[bad-setting].causes"] == "4.1 cause 1"
    assert properties["test_startup_error[bad-setting].felt_s"] == "7.0"
    assert properties["image.postgres"] == "drillbook/postgres:17"


def test_junit_keeps_to_what_its_strictest_reader_asks(judgement: Judgement) -> None:
    root = parsed(junit.render(judgement))
    assert root.tag == "testsuites"
    assert set(root.attrib) == {"name", "tests", "failures", "errors", "time"}
    for suite in root:
        assert suite.tag == "testsuite"
        assert [child.tag for child in suite] == ["properties", *["testcase"] * (len(suite) - 1)]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp", ""))
        for case in suite.iter("testcase"):
            assert set(case.attrib) == {"classname", "name", "time"}
            float(case.attrib["time"])
            for end in (*case.iter("failure"), *case.iter("error"), *case.iter("skipped")):
                assert set(end.attrib) <= {"message", "type"}


def test_an_interrupted_drill_is_an_error_in_junit(book: Runbook, written: list[Record]) -> None:
    cut_short = [r for r in written if r["t_s"] < 30]
    root = parsed(junit.render(judge(assemble(cut_short), book, all_read(book))))
    assert root.get("errors") == "1"
    assert len(root.findall(".//testcase/error")) == 1


# --- SARIF ---------------------------------------------------------------------------------------


def test_sarif_points_at_the_lines_of_the_runbook(judgement: Judgement, book: Runbook) -> None:
    document: dict[str, Any] = json.loads(sarif.render(judgement))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    found = {}
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "runbook.md", "uriBaseId": "%SRCROOT%"}
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        found[place["region"]["startLine"]] = (result["ruleId"], result["level"])
    lines = [book.find(name) for name in ("2.3 symptom 3", "4.1 step 4")]
    assert found == {line.line: ("contradicted", "error") for line in lines if line}


def test_sarif_warns_of_changed_lines(book: Runbook, written: list[Record], tmp_path: Path) -> None:
    other = LockedLine("3.1 step 5", "compose", "Restart. Leave the database alone.")
    locks = Locks(Lock(tmp_path / "runbook.lock", (*all_read(book).own, other)))
    judgement = judge(assemble(written), book, locks)
    results = json.loads(sarif.render(judgement))["runs"][0]["results"]
    assert [(r["ruleId"], r["level"]) for r in results].count(("changed", "warning")) == 1


def test_sarif_names_an_edition_from_elsewhere_by_its_whole_path(
    book: Runbook, tmp_path: Path
) -> None:
    path = tmp_path / "an edition.md"
    path.write_text(book.path.read_text(encoding="utf-8"), encoding="utf-8")
    judgement = judge(assemble(records(load(path))), load(path), None)
    results = json.loads(sarif.render(judgement))["runs"][0]["results"]
    place = results[0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": path.as_uri()}


# --- the page ------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would make of the page, as far as these tests ask."""

    VOID = frozenset({"meta", "path", "br", "hr", "img", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(judgement: Judgement) -> Page:
    return Page(html.render(judgement))


def test_the_page_is_whole_and_every_link_leads_somewhere(page: Page) -> None:
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    for link in page.all("a"):
        assert str(link["href"]).removeprefix("#") in ids, link


def test_drills_on_two_platforms_give_a_line_a_row_for_each(
    book: Runbook, written: list[Record]
) -> None:
    other = [{**r, "platform": "kubernetes"} if "platform" in r else r for r in written]
    both = Page(html.render(judge(assemble([*written, *other]), book, all_read(book))))
    ids = [attrs["id"] for _, attrs in both.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert {"3.1-step-1", "3.1-step-1-kubernetes", "4.1-symptom-2"} <= set(ids)
    assert {str(link["href"]).removeprefix("#") for link in both.all("a")} <= set(ids)


def test_the_page_loads_nothing(page: Page) -> None:
    for tag, attrs in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert "src" not in attrs
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    assert str(policy).startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha")


def test_nothing_of_a_log_is_markup_in_the_page(page: Page) -> None:
    assert len(page.all("script")) == 1
    for _, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on")]
    assert any("<script>alert('from a log')</script>" in words for words in page.words)


def test_escaping_is_nowhere_lifted() -> None:
    for template in (ROOT / "reports" / "templates").iterdir():
        source = template.read_text(encoding="utf-8")
        assert "|safe" not in source.replace(" ", "")
        assert "autoescape" not in source
    for module in (ROOT / "reports").glob("*.py"):
        assert "Markup" not in module.read_text(encoding="utf-8")


def test_the_page_shows_each_line_with_its_verdict(page: Page, judgement: Judgement) -> None:
    shown = {
        attrs["id"]: str(attrs["class"]).split()[1]
        for _, attrs in page.tags
        if str(attrs.get("class", "")).startswith("line ")
    }
    assert shown == {v.name.replace(" ", "-"): v.word for v in judgement.verdicts}


def test_the_page_draws_a_drill_over_time(judgement: Judgement) -> None:
    drill = next(d for d in judgement.run.drills if d.name == "3.1 cause 1")
    drawn = timeline.draw(drill)
    assert drawn is not None
    phases = [segment.phase for segment in drawn.segments]
    assert phases == ["steady", "fault", "symptom", "step", "fix", "recovered", "residue"]
    for before, after in zip(drawn.segments, drawn.segments[1:], strict=False):
        assert before.left + before.width == pytest.approx(after.left)
    assert drawn.broken is not None
    assert 0 < drawn.broken[0] < drawn.broken[0] + drawn.broken[1] < 100
    assert drawn.chart is not None
    assert drill.witness is not None
    assert drawn.chart.failed.count("M") == drill.witness["failed"]
    assert drawn.chart.served.count("M") + drawn.chart.failed.count("M") == len(
        drill.witness["samples"]
    )
    assert len(drawn.ticks) <= 6


def test_a_drill_without_samples_is_drawn_without_dots(
    book: Runbook, written: list[Record]
) -> None:
    bare = [{k: v for k, v in r.items() if k != "samples"} for r in written]
    run = assemble(bare)
    drawn = timeline.draw(run.drills[2])
    assert drawn is not None
    assert drawn.chart is None
    assert "the drill over time" in html.render(judge(run, book, all_read(book)))


# --- words and figures ---------------------------------------------------------------------------


def test_a_transcript_on_paper() -> None:
    assert plain("\x1b[1;31mred\x1b[0m\r\n10%\r100%\r\n\x1b]0;title\x07\x00end") == (
        "red\n100%\nend"
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "-"), (0.3561, "0.36 s"), (12.44, "12.4 s"), (119.9, "119.9 s"), (200, "3 min 20 s")],
)
def test_seconds(value: float | None, told: str) -> None:
    assert seconds(value) == told


@pytest.mark.parametrize(
    ("value", "told"), [(None, "-"), (8.41, "8.4 ms"), (119.6, "120 ms"), (2061.0, "2.1 s")]
)
def test_millis(value: float | None, told: str) -> None:
    assert millis(value) == told


def test_long_text_is_cut_and_counted() -> None:
    assert cut("x" * 10, 10) == "x" * 10
    assert "[… 90 characters left out" in cut("x" * 100, 10)
    assert shortened("a  b\nc" * 9, 8) == "a b ca …"


def test_the_gist_of_a_message() -> None:
    message = "3.1: Crashed\nphase      symptom\nexpected   this\nlast seen  that\n           more"
    assert gist(message) == "expected this; saw that"
    assert gist("only one line\nand more") == "only one line"


@pytest.mark.parametrize(
    ("session", "told"),
    [
        (
            "$ docker-compose ps\n           bash: no such command\n           [exit status 127]",
            "typed as written, `docker-compose ps`: bash: no such command",
        ),
        (
            "$ docker exec x bash\n   $ ping db\n   64 bytes\n   [interrupted: it did not end]",
            "typed as written, `ping db` does not end by itself",
        ),
        ("$ true", "typed as written, `true`: no output"),
        ("nothing was typed", "expected `docker compose ps` in this step; saw it has: `x`"),
    ],
)
def test_the_gist_of_a_command_typed_as_the_runbook_has_it(session: str, told: str) -> None:
    message = (
        "3.1: Crashed\nphase      step\nexpected   `docker compose ps` in this step\n"
        f"last seen  it has: `x`\n           typed as the runbook has it:\n           {session}\n"
        "evidence   journal.jsonl"
    )
    assert gist(message) == told


# --- a drill that somebody interrupted -----------------------------------------------------------


@pytest.fixture
def interrupted(book: Runbook) -> Judgement:
    s = Script(book)
    s.begin("scenarios/test_x.py::test_x", "Went dark", "2.3", "2.3 cause 3")
    s.end("interrupted", held=False, error="KeyboardInterrupt", message="SIGINT")
    s.write("RunEnded", exit_status=2, interrupted=True)
    return judge(assemble(s.records), book, None)


def test_a_drill_cut_short_by_ctrl_c_reads_interrupted(interrupted: Judgement) -> None:
    told = table.closing(interrupted, {}, width=100)
    assert "INTERRUPTED\n  2.3 cause 3 Went dark\n" in told
    text = markdown.render(interrupted)
    assert text.startswith("# Drills of runbook.md: 1 drill, 0 failed, 1 interrupted\n")
    assert "## Drills that were interrupted\n\n- **2.3 cause 3** Went dark" in text
    page = Page(html.render(interrupted))
    assert "Interrupted: 0 lines of the runbook proven until then" in page.words
    (case,) = parsed(junit.render(interrupted)).iter("testcase")
    assert [(one.tag, one.get("message")) for one in case][:1] == [("error", "interrupted: SIGINT")]
    (entry,) = [one for one in json.loads(as_json(interrupted))["entries"] if one["drills"]]
    assert (entry["failed"], entry["interrupted"]) == (0, 1)


def test_and_nothing_says_that_it_failed(interrupted: Judgement) -> None:
    for told in (table.closing(interrupted, {}, width=100), markdown.render(interrupted)):
        assert not re.search(r"[1-9] failed|(?i:that failed)|KeyboardInterrupt", told)
    words = Page(html.render(interrupted)).words
    assert "What did not hold" not in words
    assert not [word for word in words if re.search(r"drills? failed|KeyboardInterrupt", word)]
