"""Every report is well formed, whatever a heading, title, log line or message holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from drillbook.runbook import Entry, Line, Runbook, load, spans
from reports import html, junit, markdown, sarif, table, verdicts
from reports.render import write_all
from reports.run import assemble
from reports.text import plain, shortened
from reports.verdicts import Judgement, judge
from tests.journals import ROOT, Script
from tests.test_reports import Page

HOSTILE = (
    *("\x00", "\x08", "\x0c", "\x1b", "\x1b[31m", "\x1b]0;title\x07", "\x1b]0;open", "\x7f"),
    *("\ud800", "\udfff", "\ufffe", "\uffff", "\u2028", "\u2029", "\x85", "\x9b", "\u202e", "🔥"),
    *("\r", "\r\n", "\n", "\n\n", "\t", "    ", " "),
    *("]]>", "<!--", "-->", "<script>alert(1)</script>", "</details>", "</pre>", "<", "&amp;"),
    *("|", r"\|", "\\", "`", "``", "```\n", "~~~\n", "*", "**", "_", "# ", "- ", "1. ", "> "),
    *("{{ 7 * 7 }}", "{% raw %}", "[a](javascript:b)", "![a](b)", "http://x", '"', "'", "$x$"),
)
# Surrogates are among the characters: Hypothesis leaves them out only where nothing is said.
CHARACTERS = st.characters(exclude_categories=())
TEXTS = st.lists(st.sampled_from(HOSTILE) | CHARACTERS, max_size=12).map("".join)
FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@pytest.fixture(scope="module")
def book() -> Runbook:
    return load(ROOT / "runbook.md")


def hostile_book(book: Runbook, text: str) -> Runbook:
    """Every heading and line of the runbook holds the text."""
    return replace(
        book, entries={number: _hostile(entry, text) for number, entry in book.entries.items()}
    )


def _hostile(entry: Entry, text: str) -> Entry:
    def lines(those: tuple[Line, ...]) -> tuple[Line, ...]:
        return tuple(
            replace(one, text=one.text + text, lead=text, parts=(text, one.text)) for one in those
        )

    title = entry.title + text
    symptoms, causes, steps = map(lines, (entry.symptoms, entry.causes, entry.steps))
    return replace(entry, title=title, symptoms=symptoms, causes=causes, steps=steps)


def judged(book: Runbook, text: str) -> Judgement:
    """A failed, an interrupted and an unproven drill in which everything holds the text."""
    s = Script(book)
    s.write("RunStarted", run_id=text, argv=[text], seed=text, platform="compose", runbook="r.md")
    s.write("ImageChosen", kind=text, reference=text, official=text, stand_in=True)
    for outcome in ("failed", "interrupted", "unproven"):
        s.begin(f"scenarios/test_x.py::test_x[{outcome}-{text}]", text, "3.1", "3.1 cause 1")
        s.fault(text, text)
        s.symptom("3.1 symptom 1", text, text, 0.2)
        s.bad_step("3.1 step 1", [text], text, text, f"expected   {text}\nlast seen  {text}")
        s.write("FindingNoted", ref=s.ref("3.1 step 2"), text=f"{text}.")
        s.end(outcome, held=False, error="StepShowedOtherwise", message=text)
    s.write("RunEnded", exit_status=1, interrupted=False)
    # as JSON that escapes what is no character, which is how half a pair could come in
    return judge(assemble(json.loads(json.dumps(s.records))), book, None)


GIVEN = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@GIVEN
@given(text=TEXTS)
def test_junit_is_xml_and_has_every_case(book: Runbook, text: str) -> None:
    root = ET.fromstring(junit.render(judged(hostile_book(book, text), text)))  # noqa: S314 - ours
    ends = [[child.tag for child in case][:1] for case in root.iter("testcase")]
    assert ends == [["failure"], ["error"], ["skipped"]]


@GIVEN
@given(text=TEXTS)
def test_the_page_is_html_in_which_no_text_is_markup(book: Runbook, text: str) -> None:
    rendered = html.render(judged(hostile_book(book, text), text))
    assert not FORBIDDEN.search(rendered)
    page = Page(rendered)
    assert page.open == []
    assert len(page.all("script")) == 1
    assert {tag for tag, _ in page.tags} <= set(TAGS.split())
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))


TAGS = """
    html head meta title style body header p h1 h2 h3 h4 ul ol li b i strong span div nav main a
    section details summary article pre code dl dt dd table thead tbody tr th td time button figure
    figcaption svg path script
"""


@GIVEN
@given(text=TEXTS)
def test_the_json_reports_are_utf_8_that_any_reader_takes(
    book: Runbook, text: str, tmp_path: Path
) -> None:
    judgement = judged(hostile_book(book, text), text)
    for render in (sarif.render, verdicts.as_json):
        document = json.loads(render(judgement))
        assert document
    (run,) = json.loads(sarif.render(judgement))["runs"]
    assert [one["ruleId"] for one in run["results"]] == ["contradicted"]
    assert not FORBIDDEN.search(run["results"][0]["message"]["text"])


@GIVEN
@given(text=TEXTS)
def test_the_closing_table_has_nothing_that_a_terminal_obeys(book: Runbook, text: str) -> None:
    told = table.closing(judged(hostile_book(book, text), text), {}, width=100)
    assert not FORBIDDEN.search(told)
    assert max(map(len, told.split("\n"))) <= 100 or re.search(r"\S{90}", told)


@GIVEN
@given(text=TEXTS)
def test_markdown_says_what_the_text_says(book: Runbook, text: str) -> None:
    rendered = markdown.render(judged(hostile_book(book, text), text))
    assert not FORBIDDEN.search(rendered)
    tokens = MarkdownIt("commonmark").enable("table").parse(rendered)
    assert [one.content for one in below(tokens, "heading_open") if one.content in SECTIONS] == [
        *SECTIONS
    ]
    for block in (one for one in tokens if one.type == "html_block"):
        assert re.fullmatch(r"<details><summary>[^<>]*</summary>\n|</details>\n", block.content)
    assert not [c for one in tokens for c in one.children or () if c.type == "html_inline"]
    (fenced,) = [one.content for one in tokens if one.type == "fence"]
    assert fenced == plain(text) + "\n" or fenced == "no message\n"
    (finding,) = [one for one in below(tokens, "list_item_open") if "3.1 step 2" in one.content]
    assert said(finding.children or []).endswith(": " + expected(f"{text}."))
    assert {len(row) for row in rows(tokens, "Entries")} == {7}
    assert {len(row) for row in rows(tokens, "Drills")} == {10}


SECTIONS = (
    *("Lines that do not hold", "Drills that failed", "Drills that were interrupted"),
    *("Entries", "Findings", "Drills", "Run"),
)


def below(tokens: list[Token], opening: str) -> list[Token]:
    """The first inline token after each that opens a block of this type."""
    found, wanted = [], False
    for one in tokens:
        wanted = wanted or one.type == opening
        if wanted and one.type == "inline":
            found.append(one)
            wanted = False
    return found


def rows(tokens: list[Token], heading: str) -> Iterator[list[str]]:
    """The cells of each row of the table below a heading, as they are shown."""
    inside = False
    row: list[str] | None = None
    for one in tokens:
        if one.type == "inline" and row is not None:
            row.append(said(one.children or []))
        elif one.type == "inline" and not inside:
            inside = one.content == heading
        elif one.type == "tr_open" and inside:
            row = []
        elif one.type == "tr_close" and row is not None:
            yield row
            row = None
        inside = inside and one.type != "table_close"


def said(children: list[Token]) -> str:
    """What a reader sees of a paragraph."""
    return "".join(one.content for one in children)


def expected(text: str) -> str:
    """The text on one line, its code without the backticks."""
    return "".join(piece for _, piece in spans(shortened(text, 4_000)))


def test_a_pipe_is_shown_as_it_is_in_a_table_and_outside(book: Runbook) -> None:
    title = r"a | b `c | d` \| `e \| f`"
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown.render(judged(book, title)))
    cells = [row[0] for row in rows(tokens, "Drills")][1:]
    assert cells == [r"3.1 cause 1 a | b c | d \| e \| f"] * 3
    (finding,) = [one for one in below(tokens, "list_item_open") if "3.1 step 2" in one.content]
    assert said(finding.children or []).endswith(r": a | b c | d \| e \| f.")


def test_a_backspace_in_a_heading_of_the_file(book: Runbook, tmp_path: Path) -> None:
    edition = tmp_path / "edition.md"
    words = book.path.read_text(encoding="utf-8")
    heading = "Database connection failed"
    assert heading in words
    edition.write_text(words.replace(heading, "Data\x08base \x1b[1mgone"), encoding="utf-8")
    root = ET.fromstring(junit.render(judged(load(edition), "x")))  # noqa: S314 - ours
    assert [suite.get("name") for suite in root] == ["3.1 Database gone"]


UNITS = ["x", "\r", "\x1b]", "`", "`a", "|", "<", "\ud800", "expected  "]


@pytest.mark.parametrize(
    ("unit", "length"),
    [
        *((unit, 500_000) for unit in UNITS),
        *(pytest.param(unit, 10_000_000, marks=pytest.mark.slow) for unit in UNITS),
    ],
)
def test_megabytes_on_one_line(book: Runbook, unit: str, length: int, tmp_path: Path) -> None:
    text = unit * (length // len(unit))
    s = Script(book)
    s.begin("scenarios/test_x.py::test_x", "Crashed", "3.1", "3.1 cause 1")
    s.bad_step("3.1 step 1", ["docker ps"], text, text, f"expected   {text}\nlast seen  {text}")
    s.end("failed", held=False, error="StepShowedOtherwise", message=text)
    lines = (json.dumps(one) + "\n" for one in s.records)
    (tmp_path / "journal.jsonl").write_text("".join(lines), encoding="utf-8")
    summary = write_all(tmp_path, book, None)
    assert len(summary.closing(width=100)) < 100_000
    sizes = {path.name: path.stat().st_size for path in summary.paths.values()}
    for name in ("report.html", "junit.xml", "summary.md", "verdicts.sarif"):
        assert sizes[name] < 1_000_000, name


# --- the summary keeps to GitHub's limit ---------------------------------------------------------
def failing_everywhere(book: Runbook, copies: int) -> Judgement:
    """A run that contradicts every step of so many copies of the runbook, at length."""
    many = replace(book, entries=dict(copied(book, copies)))
    s = Script(many)
    for number, entry in many.entries.items():
        s.begin(f"scenarios/test_x.py::test_{number}", f"Drill of {number}", number)
        for line in entry.steps:
            s.bad_step(line.name, ["x"], "é" * 500, "", "é" * 5_000)
        s.end("failed", held=False, error="StepShowedOtherwise", message="é" * 5_000)
    return judge(assemble(s.records), many, None)


def copied(book: Runbook, copies: int) -> Iterator[tuple[str, Entry]]:
    for copy in range(copies):
        for number, entry in book.entries.items():
            name = f"{number}.{copy + 1}"
            lines: Mapping[str, Any] = {
                kind: tuple(replace(one, entry=name) for one in getattr(entry, kind))
                for kind in ("symptoms", "causes", "steps")
            }
            yield name, replace(entry, number=name, **lines)


@pytest.mark.parametrize(("copies", "told"), [(1, None), (5, "shortened"), (60, "left out")])
def test_the_summary_shortens_evidence_and_never_a_verdict(
    book: Runbook, copies: int, told: str | None
) -> None:
    judgement = failing_everywhere(book, copies)
    rendered = markdown.render(judgement)
    assert len(rendered.encode()) < 1024 * 1024
    contradicted = judgement.of("contradicted")
    assert len(contradicted) == copies * sum(len(one.steps) for one in book.entries.values())
    for verdict in contradicted:
        assert f"❌ **{verdict.name}**, `runbook.md:{verdict.line.line}`" in rendered
    for drill in judgement.run.drills:
        assert drill.title in rendered
    (line,) = re.findall(r"^Evidence is (.*?) ?(?:to|,)", rendered, re.MULTILINE) or [None]
    assert (line is None) == (told is None)
    assert told is None or str(line).startswith(told)
