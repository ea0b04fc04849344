"""The run as Markdown, fit for a CI job's summary page: what did not hold comes first.

GitHub takes a page of at most 1 MiB. Where a run has more to say, its evidence is shortened as far
as that takes, and left out in the end; what is never left out is a verdict. The page then says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from drillbook.runbook import Kind, Runbook, spans
from reports.run import Drill, Run
from reports.text import counted, cut, gist, millis, name_of, plain, seconds, shortened
from reports.verdicts import WORDS, Judgement, Tally, Verdict, Word
from reports.wordings import compare

MARKS: dict[Word, str] = {"proven": "✅", "contradicted": "❌", "unproven": "⚪", "changed": "✏️"}
NONE = "-"
CHANGED = "Lines in words that were not read against their drill"
MOST_BYTES = 1_000_000
LONGEST_EVIDENCE = (4_000, 1_000, 200, 0)
"""How many characters a piece of evidence may take: the first of these at which the page fits."""
LONGEST_TITLE = 120
LONGEST_COMMAND = 1_000


def render(judgement: Judgement) -> str:
    """The whole page, in at most ``MOST_BYTES`` of UTF-8.

    Verdicts alone are more than that only where some 20,000 lines do not hold.
    """
    *longer, least = LONGEST_EVIDENCE
    for longest in longer:
        text = _page(judgement, longest)
        if len(text.encode("utf-8", "replace")) <= MOST_BYTES:
            return text
    return _page(judgement, least)


def _page(judgement: Judgement, longest: int) -> str:
    """The page, with so many characters for a piece of evidence."""
    run = judgement.run
    parts = [
        *_head(judgement, longest),
        *_lines("contradicted", "Lines that do not hold", judgement, longest),
        *_failed_drills(run, longest),
        *_interrupted_drills(run),
        *_changed(judgement, longest),
        *(_untyped(judgement, longest) if longest else []),
        *_table(judgement),
        *(_findings(judgement, longest) if longest else []),
        *(_drills(run, longest) if longest else []),
        *_run(run),
    ]
    return "\n\n".join(parts) + "\n"


def _head(judgement: Judgement, longest: int) -> list[str]:
    run = judgement.run
    totals = ", ".join(
        f"{MARKS[word]} {number} {word}" for word, number in judgement.totals.items() if number
    )
    told = f"{counted(len(run.drills), 'drill')}, {len(run.failed)} failed"
    told += f", {len(run.interrupted)} interrupted" if run.interrupted else ""
    told = told if run.drills else "No drill ran"
    parts = [
        f"# Drills of {_inline(judgement.runbook.path.name)}: {told}",
        f"{counted(len(judgement.here), 'line')} on {' and '.join(run.platforms)}: {totals}.",
    ]
    if not run.whole:
        parts.append("**The run was interrupted:** this is what it proved until then.")
    if longest < LONGEST_EVIDENCE[0]:
        how = f"shortened to {longest} characters apiece" if longest else "left out"
        parts.append(f"Evidence is {how}, to keep this page below 1 MiB; `report.html` has it.")
    return parts


def _lines(word: Word, heading: str, judgement: Judgement, longest: int) -> list[str]:
    told = []
    for one in judgement.of(word):
        verdict = f"- {MARKS[word]} **{one.name}**, {_where(judgement.runbook, one.line.line)}"
        words = f": {_inline(one.line.text, longest)}\n  - {_inline(one.why, longest)}"
        told.append(verdict + (words if longest else ""))
    return [f"## {heading}", "\n".join(told)] if told else []


def _changed(judgement: Judgement, longest: int) -> list[str]:
    """Lines in other words than those that were read, with both side by side."""
    if not longest:
        return _lines("changed", CHANGED, judgement, longest)
    rows = [
        f"| **{one.name}**, {_where(judgement.runbook, one.line.line)} "
        f"| {_wording(one, 'read', longest)} | {_wording(one, 'now', longest)} "
        f"| {_inline(one.why, longest)} |"
        for one in judgement.of("changed")
    ]
    head = ["| line | read against the drill | now | |", "| :-- | :-- | :-- | :-- |"]
    return [f"## {CHANGED}", "\n".join([*head, *rows])] if rows else []


def _wording(verdict: Verdict, which: Literal["read", "now"], longest: int) -> str:
    if verdict.read is None:
        return _inline(verdict.line.text, longest) if which == "now" else NONE
    both = compare(shortened(verdict.read, longest), shortened(verdict.line.text, longest))
    pieces, tag = (both.read, "del") if which == "read" else (both.now, "ins")
    return " ".join(
        told if one.same else f"<{tag}>{told}</{tag}>"
        for one in pieces
        for told in [_inline(one.text, longest)]
    )


def _untyped(judgement: Judgement, longest: int) -> list[str]:
    """Commands that no drill named and that do more than look, with the reason for each."""
    told = dict.fromkeys(
        f"- **{verdict.name}**, {_where(judgement.runbook, verdict.line.line)}: "
        + (f"{_code(shortened(event['command'], longest))}: " if event["command"] else "")
        + _inline(event["reason"], longest)
        for verdict in judgement.here
        for event in verdict.untyped
    )
    return ["## Commands not typed", "\n".join(told)] if told else []


def _failed_drills(run: Run, longest: int) -> list[str]:
    if not run.failed:
        return []
    told = [_failed_drill(drill, longest) for drill in run.failed]
    return ["## Drills that failed", *(told if longest else ["\n".join(told)])]


def _failed_drill(drill: Drill, longest: int) -> str:
    if not longest:
        return f"- {_drill_name(drill)}: {_inline(drill.ending)}"
    told = cut(plain(drill.message or "no message"), longest)
    words = (drill.name, drill.title, drill.ending)
    name, title, ending = (_html(shortened(one, LONGEST_TITLE)) for one in words)
    summary = f"{name} {title}: {ending}"
    return f"<details><summary>{summary}</summary>\n\n{_fenced(told)}\n\n</details>"


def _interrupted_drills(run: Run) -> list[str]:
    told = [f"- {_drill_name(drill)}" for drill in run.interrupted]
    return ["## Drills that were interrupted", "\n".join(told)] if told else []


def _drill_name(drill: Drill) -> str:
    return f"**{_inline(drill.name)}** {_inline(drill.title)}"


def _table(judgement: Judgement) -> list[str]:
    tallies = judgement.tallies()
    shown = [one for one in tallies if one.drills or one.total("contradicted")]
    if not shown:
        return []
    left = [one.entry for one in tallies if not (one.drills or one.total("contradicted"))]
    kinds = judgement.runbook.kinds
    words = [f"{kind}s" for kind in kinds]
    rows = [
        f"| entry | {' | '.join(words)} | felt by users | writes lost | drills |",
        f"| :-- |{' :-- |' * len(kinds)} --: | --: | --: |",
        *(_row(one, kinds) for one in shown),
    ]
    parts = ["## Entries", "\n".join(rows), _legend(judgement)]
    if left:
        parts.append(f"Not drilled in this run: {', '.join(left)}.")
    return parts


def _row(one: Tally, kinds: Sequence[Kind]) -> str:
    cells = [f"**{one.entry}** {_inline(one.title)}"]
    for kind in kinds:
        told = [f"{MARKS[word]} {number}" for word, number in one.counts[kind].items() if number]
        cells.append(" ".join(told) or NONE)
    cells.append(seconds(one.felt_s))
    cells.append(NONE if one.lost is None else f"**{one.lost}**" if one.lost else "0")
    bad = {"failed": one.failed, "interrupted": one.interrupted}
    drills = [str(one.drills), *(f"{number} {how}" for how, number in bad.items() if number)]
    cells.append(", ".join(drills))
    return _cells(cells)


def _legend(judgement: Judgement) -> str:
    told = " · ".join(f"{MARKS[word]} {word}" for word in WORDS)
    others = "".join(
        f" Not counted: {counted(number, 'line')} about {platform} only."
        for platform, number in judgement.elsewhere.items()
    )
    return f"{told}.{others}"


def _findings(judgement: Judgement, longest: int) -> list[str]:
    told = [
        f"- **{name_of(one['ref'])}**, {_where(judgement.runbook, one['ref']['line'])}: "
        f"{_inline(one['text'], longest)}"
        for one in judgement.run.findings
    ]
    return ["## Findings", "\n".join(told)] if told else []


def _drills(run: Run, longest: int) -> list[str]:
    if not run.drills:
        return []
    rows = [
        "| drill | ended | detected | felt | failed | p95 before | during | after | kept | lost |",
        "| :-- | :-- | --: | --: | --: | --: | --: | --: | --: | --: |",
        *(_drill_row(drill, longest) for drill in run.drills),
    ]
    return ["## Drills", "\n".join(rows)]


def _drill_row(drill: Drill, longest: int) -> str:
    mark = {"passed": "✅", "failed": "❌", "unproven": "⚪"}.get(drill.outcome, "⚠️")
    why = f": {_inline(gist(drill.message or ''), longest)}" if drill.outcome == "unproven" else ""
    cells = [_drill_name(drill), f"{mark} {drill.outcome}{why}"]
    witness = drill.witness
    if witness is None:
        cells += [NONE] * 8
    else:
        latency = witness["latency_ms"]
        cells += [
            seconds(witness["detect_s"]),
            seconds(witness["felt_s"]),
            f"{witness['failed']} of {witness['requests']}",
            *(millis(latency.get(when, {}).get("p95")) for when in ("before", "during", "after")),
            str(witness["acknowledged"] - (witness["lost"] or 0)),
            "n/a" if drill.lost is None else f"**{drill.lost}**" if drill.lost else "0",
        ]
    return _cells(cells)


def _run(run: Run) -> list[str]:
    images = [
        f"- {_inline(one['kind'])}: {_inline(one['reference'])}"
        + (f", which stands in for {_inline(one['official'])}" if one["stand_in"] else "")
        for one in run.images
    ]
    command = _code(shortened(" ".join(map(str, run.started.get("argv", []))), LONGEST_COMMAND))
    told = (
        f"Run {_inline(run.run_id)}, seed {_inline(run.started.get('seed', '?'))}, "
        f"{seconds(run.last_s)}, started as {command}."
    )
    return ["## Run", told, *(["\n".join(images)] if images else [])]


# --- words -------------------------------------------------------------------------------------


def _where(runbook: Runbook, line: int) -> str:
    return _code(shortened(f"{runbook.path.name}:{line}", LONGEST_TITLE))


def _inline(text: object, longest: int = LONGEST_TITLE) -> str:
    """Text from elsewhere on one line: its code stays code, and nothing else in it is markup."""
    flat = shortened(str(text), longest)
    return "".join(_code(piece) if code else _escaped(piece) for code, piece in spans(flat))


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]#~$])", r"\\\1", _html(text))


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    """A code span."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _cells(cells: Sequence[str]) -> str:
    """A row of a table. What would end a cell is escaped here, since nowhere else may it be."""
    row = " | ".join(cell.replace("|", r"\|") for cell in cells)
    return f"| {row} |"


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{text}\n{ticks}"
