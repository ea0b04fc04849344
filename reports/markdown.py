"""The run as Markdown, fit for a CI job's summary page: what did not hold comes first."""

from __future__ import annotations

import re

from drillbook.runbook import KINDS, Runbook
from reports.run import Drill, Run
from reports.text import counted, cut, gist, millis, name_of, plain, seconds
from reports.verdicts import WORDS, Judgement, Tally, Word

MARKS: dict[Word, str] = {"proven": "✅", "contradicted": "❌", "unproven": "⚪", "changed": "✏️"}
NONE = "-"
LONGEST_MESSAGE = 4_000


def render(judgement: Judgement) -> str:
    """The whole page."""
    run = judgement.run
    parts = [
        *_head(judgement),
        *_lines("contradicted", "Lines that do not hold", judgement),
        *_failed_drills(run),
        *_lines("changed", "Lines edited since they were last proven", judgement),
        *_table(judgement),
        *_findings(judgement),
        *_drills(run),
        *_run(run),
    ]
    return "\n\n".join(parts) + "\n"


def _head(judgement: Judgement) -> list[str]:
    run = judgement.run
    totals = ", ".join(
        f"{MARKS[word]} {number} {word}" for word, number in judgement.totals.items() if number
    )
    failed = sum(drill.outcome in ("failed", "interrupted") for drill in run.drills)
    told = f"{counted(len(run.drills), 'drill')}, {failed} failed" if run.drills else "No drill ran"
    parts = [
        f"# Drills of {_inline(judgement.runbook.path.name)}: {told}",
        f"{counted(len(judgement.here), 'line')} on {' and '.join(run.platforms)}: {totals}.",
    ]
    if not run.whole:
        parts.append("**The run was interrupted:** this is what it proved until then.")
    return parts


def _lines(word: Word, heading: str, judgement: Judgement) -> list[str]:
    told = [
        f"- {MARKS[word]} **{one.name}**, {_where(judgement.runbook, one.line.line)}: "
        f"{_inline(one.line.text)}\n  - {_inline(one.why)}"
        for one in judgement.of(word)
    ]
    return [f"## {heading}", "\n".join(told)] if told else []


def _failed_drills(run: Run) -> list[str]:
    failed = [drill for drill in run.drills if drill.outcome in ("failed", "interrupted")]
    if not failed:
        return []
    return ["## Drills that failed", *(_failed_drill(drill) for drill in failed)]


def _failed_drill(drill: Drill) -> str:
    told = cut(plain(drill.message or "no message"), LONGEST_MESSAGE)
    summary = f"{_html(drill.name)} {_html(drill.title)}: {_html(drill.error or drill.outcome)}"
    return f"<details><summary>{summary}</summary>\n\n{_fenced(told)}\n\n</details>"


def _table(judgement: Judgement) -> list[str]:
    tallies = judgement.tallies()
    shown = [one for one in tallies if one.drills or one.total("contradicted")]
    if not shown:
        return []
    left = [one.entry for one in tallies if one not in shown]
    rows = [
        "| entry | symptoms | causes | steps | felt by users | writes lost | drills |",
        "| :-- | :-- | :-- | :-- | --: | --: | --: |",
        *(_row(one) for one in shown),
    ]
    parts = ["## Entries", "\n".join(rows), _legend(judgement)]
    if left:
        parts.append(f"Not drilled in this run: {', '.join(left)}.")
    return parts


def _row(one: Tally) -> str:
    cells = [f"**{one.entry}** {_inline(one.title)}"]
    for kind in KINDS:
        told = [f"{MARKS[word]} {number}" for word, number in one.counts[kind].items() if number]
        cells.append(" ".join(told) or NONE)
    cells.append(seconds(one.felt_s))
    cells.append(NONE if one.lost is None else f"**{one.lost}**" if one.lost else "0")
    cells.append(f"{one.drills}, {one.failed} failed" if one.failed else str(one.drills))
    return f"| {' | '.join(cells)} |"


def _legend(judgement: Judgement) -> str:
    told = " · ".join(f"{MARKS[word]} {word}" for word in WORDS)
    others = "".join(
        f" Not counted: {counted(number, 'line')} about {platform} only."
        for platform, number in judgement.elsewhere.items()
    )
    return f"{told}.{others}"


def _findings(judgement: Judgement) -> list[str]:
    told = [
        f"- **{name_of(one['ref'])}**, {_where(judgement.runbook, one['ref']['line'])}: "
        f"{_inline(one['text'])}"
        for one in judgement.run.findings
    ]
    return ["## Findings", "\n".join(told)] if told else []


def _drills(run: Run) -> list[str]:
    if not run.drills:
        return []
    rows = [
        "| drill | ended | detected | felt | failed | p95 before | during | after | kept | lost |",
        "| :-- | :-- | --: | --: | --: | --: | --: | --: | --: | --: |",
        *(_drill_row(drill) for drill in run.drills),
    ]
    return ["## Drills", "\n".join(rows)]


def _drill_row(drill: Drill) -> str:
    mark = {"passed": "✅", "failed": "❌", "unproven": "⚪"}.get(drill.outcome, "⚠️")
    why = f": {_inline(gist(drill.message or ''))}" if drill.outcome == "unproven" else ""
    cells = [f"**{drill.name}** {_inline(drill.title)}", f"{mark} {drill.outcome}{why}"]
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
            str(witness["acknowledged"] - witness["lost"]),
            f"**{witness['lost']}**" if witness["lost"] else "0",
        ]
    return f"| {' | '.join(cells)} |"


def _run(run: Run) -> list[str]:
    images = [
        f"- {_inline(one['kind'])}: {_inline(one['reference'])}"
        + (f", which stands in for {_inline(one['official'])}" if one["stand_in"] else "")
        for one in run.images
    ]
    command = _code(" ".join(map(str, run.started.get("argv", []))))
    told = (
        f"Run {_inline(run.run_id)}, seed {_inline(run.started.get('seed', '?'))}, "
        f"{seconds(run.last_s)}, started as {command}."
    )
    return ["## Run", told, *(["\n".join(images)] if images else [])]


# --- words -------------------------------------------------------------------------------------


def _where(runbook: Runbook, line: int) -> str:
    return _code(f"{runbook.path.name}:{line}")


def _inline(text: object) -> str:
    """Text from elsewhere on one line: its code stays code, and nothing else in it is markup."""
    flat = " ".join(plain(str(text)).split())
    pieces = re.split(r"(`+[^`]+`+)", flat)
    return "".join(
        _code(piece.strip("`").strip()) if at % 2 else _escaped(piece)
        for at, piece in enumerate(pieces)
    )


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", _html(text))


def _html(text: str) -> str:
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    """A code span, fit for a table's cell."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{ticks}{pad}{text}{pad}{ticks}".replace("|", "\\|")


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{text}\n{ticks}"
