"""The run as one self-contained page: the runbook, each line's verdict, and the evidence for it.

The page is made by Jinja with escaping always on and never lifted, and says by a Content Security
Policy that nothing in it may load or run but its own script: a log line is shown, never obeyed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from drillbook.runbook import KINDS, Entry, spans
from reports import timeline
from reports.run import Drill, Run
from reports.story import Moment, tell
from reports.text import counted, cut, gist, millis, name_of, plain, seconds, shortened
from reports.verdicts import WORDS, Evidence, Judgement, Tally, Verdict
from reports.wordings import Wordings, compare

LONGEST_TRANSCRIPT = 20_000
HEADINGS = {
    "symptom": "Symptoms",
    "cause": "Potential causes",
    "step": "Resolution steps",
    "verification": "Verification",
}
MARKS = {"proven": "✓", "contradicted": "✗", "unproven": "·", "changed": "~"}
OUTCOMES = {"passed": "proven", "failed": "contradicted", "interrupted": "changed"}

LONGEST_TITLE = 200
LONGEST_MOMENT = 400

_Pieces = Sequence[tuple[bool, str]]
"""Stretches of a line: whether each is code, and its text."""


@dataclass(frozen=True)
class _Proof:
    """One thing that a drill says of a line."""

    drill_id: str
    drill: str
    ok: bool
    what: str
    saw: str
    commands: Sequence[str]
    transcript: str


@dataclass(frozen=True)
class _Line:
    id: str
    number: int
    at: int
    lead: _Pieces
    rest: _Pieces
    below: Sequence[_Pieces]
    """Sub-bullets and lines of code."""
    word: str
    mark: str
    why: str
    platform: str
    """Said where it does not go without saying."""
    wordings: Wordings | None
    """Where it is changed: the words that were read, and its own."""
    proofs: Sequence[_Proof]


@dataclass(frozen=True)
class _Drill:
    id: str
    name: str
    title: str
    nodeid: str
    outcome: str
    word: str
    message: str
    figures: Sequence[tuple[str, str]]
    latency: Sequence[tuple[str, Sequence[str]]]
    timeline: timeline.Timeline | None
    story: Sequence[Moment]


@dataclass(frozen=True)
class _Entry:
    entry: Entry
    tally: Tally
    groups: Sequence[tuple[str, Sequence[_Line]]]
    drills: Sequence[_Drill]
    word: str
    """The gravest verdict in it, for the list of entries."""


def render(judgement: Judgement) -> str:
    """The page, as text."""
    templates = _templates()
    script = templates.get_template("page.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    run, totals = judgement.run, judgement.totals
    return templates.get_template("page.html").render(
        script_hash=f"sha256-{digest}",
        runbook=judgement.runbook.path.name,
        headline=_headline(judgement),
        run=run,
        when=_when(run),
        figures=_figures(judgement),
        words=WORDS,
        marks=MARKS,
        totals=totals,
        share={word: 100 * n / max(1, sum(totals.values())) for word, n in totals.items()},
        elsewhere=[f"{counted(n, 'line')} about {p} only" for p, n in judgement.elsewhere.items()],
        failures=_failures(judgement),
        findings=[
            (_id(name_of(one["ref"])), name_of(one["ref"]), one["ref"]["line"], one["text"])
            for one in run.findings
        ],
        entries=_entries(judgement),
        facts=_facts(run),
    )


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["spans"] = lambda text: list(spans(plain(text)))
    templates.filters["moment"] = lambda text: shortened(text, LONGEST_MOMENT)
    templates.filters["title"] = lambda text: shortened(text, LONGEST_TITLE)
    return templates


def _shown(value: object) -> object:
    """What the page shows for any value: nothing that HTML has no place for.

    What a macro gives was made of such values, and is markup.
    """
    return value if hasattr(value, "__html__") else plain(str(value))


def _headline(judgement: Judgement) -> str:
    totals, drills = judgement.totals, judgement.run.drills
    if not drills:
        return "No drill ran"
    if totals["contradicted"]:
        verb = "does" if totals["contradicted"] == 1 else "do"
        return f"{counted(totals['contradicted'], 'line')} of the runbook {verb} not hold"
    if judgement.run.failed:
        return f"{len(judgement.run.failed)} of {counted(len(drills), 'drill')} failed"
    if judgement.run.interrupted:
        return f"Interrupted: {counted(totals['proven'], 'line')} of the runbook proven until then"
    if totals["changed"]:
        return f"{counted(totals['changed'], 'line')} in words not read against a drill"
    return f"{counted(totals['proven'], 'line')} of the runbook proven"


def _when(run: Run) -> str:
    if "at" not in run.started:
        return ""
    moment = datetime.fromtimestamp(float(run.started["at"]), tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _figures(judgement: Judgement) -> list[tuple[str, str, str]]:
    """(value, what it is, its colour) of the four figures at the top."""
    drills = judgement.run.drills
    passed = sum(drill.outcome == "passed" for drill in drills)
    felt = [drill.felt_s for drill in drills if drill.felt_s is not None]
    lost = [drill.lost for drill in drills if drill.lost is not None]
    here = len(judgement.here)
    bad = bool(judgement.run.failed)
    word = "contradicted" if bad else "proven" if passed == len(drills) else "unproven"
    return [
        (f"{passed} of {len(drills)}", "drills passed", word if drills else "unproven"),
        (f"{judgement.totals['proven']} of {here}", "lines proven", "plain"),
        (seconds(sum(felt) if felt else None), "felt by users, in all", "plain"),
        (
            str(sum(lost)) if lost else "-",
            "acknowledged writes lost",
            "contradicted" if sum(lost) else "proven" if lost else "unproven",
        ),
    ]


def _failures(judgement: Judgement) -> list[dict[str, Any]]:
    """What did not hold, gravest first: lines, then drills that no line is to blame for.

    A drill that somebody interrupted is not among them.
    """
    failures: list[dict[str, Any]] = [
        {
            "id": _row_id(v, judgement.run),
            "word": v.word,
            "name": v.name,
            "at": v.line.line,
            "why": v.why,
            "pieces": [] if _wordings(v) else list(spans(v.line.text)),
            "wordings": _wordings(v),
        }
        for word in ("contradicted", "changed")
        for v in judgement.of(word)
    ]
    for number, drill in enumerate(judgement.run.drills):
        blamed = {event["error"] for event in drill.of("ClaimFailed")}
        if drill.outcome == "failed" and drill.error not in blamed:
            why = f"{drill.title}: {drill.ending}: {gist(drill.message or '')}"
            failures.append(
                {
                    "id": f"drill-{number}",
                    "word": "contradicted",
                    "name": drill.name,
                    "at": None,
                    "pieces": [],
                    "wordings": None,
                    "why": why,
                }
            )
    return failures


def _entries(judgement: Judgement) -> list[_Entry]:
    ids = {id(drill): f"drill-{at}" for at, drill in enumerate(judgement.run.drills)}
    entries = []
    for one in judgement.tallies():
        entry = judgement.runbook.entries[one.entry]
        mine = judgement.by_entry[one.entry]
        groups = [
            (HEADINGS[kind], [_line(v, ids, judgement.run) for v in mine if v.line.kind == kind])
            for kind in KINDS
            if entry.of(kind)
        ]
        drills = [
            _drill(drill, ids[id(drill)]) for drill in judgement.run.by_entry.get(one.entry, [])
        ]
        entries.append(_Entry(entry, one, groups, drills, _gravest(one)))
    return entries


def _gravest(one: Tally) -> str:
    for word in ("contradicted", "changed", "proven"):
        if one.total(word):
            return word
    return "unproven"


def _line(verdict: Verdict, ids: dict[int, str], run: Run) -> _Line:
    line = verdict.line
    first, *below = line.parts
    whose = verdict.platform if len(run.platforms) > 1 else ""
    return _Line(
        id=_row_id(verdict, run),
        number=line.number,
        at=line.line,
        lead=list(spans(line.lead)),
        rest=list(spans(first.removeprefix(line.lead))),
        below=[list(spans(part)) for part in below],
        word=verdict.word,
        mark=MARKS[verdict.word],
        why=verdict.why,
        wordings=_wordings(verdict),
        platform=whose if verdict.here else f"{verdict.platform} only",
        proofs=[_proof(one, ids[id(one.drill)]) for one in verdict.evidence],
    )


def _wordings(verdict: Verdict) -> Wordings | None:
    if verdict.word != "changed" or verdict.read is None:
        return None
    return compare(plain(verdict.read), plain(verdict.line.text))


def _proof(evidence: Evidence, drill_id: str) -> _Proof:
    event = evidence.event
    return _Proof(
        drill_id=drill_id,
        drill=evidence.drill.title,
        ok=evidence.ok,
        what=_what(event),
        saw=_evidence(event.get("saw") or event.get("message") or event.get("reason")),
        commands=event.get("commands") or [],
        transcript=_evidence(event.get("transcript")).strip(),
    )


def _evidence(text: object) -> str:
    """What was seen or said, as far as a page can hold it."""
    return cut(plain(str(text or "")), LONGEST_TRANSCRIPT)


def _what(event: Any) -> str:
    match event["event"]:
        case "FaultInjected":
            return f"brought about: {event['what']}, in {seconds(event['took_s'])}"
        case "SymptomSeen":
            less = f"; not enough to prove it: {event['unproven']}" if event.get("unproven") else ""
            return f"seen {seconds(event['after_s'])} after the fault{less}"
        case "StepTaken":
            how = "typed as written" if event["how"] == "typed" else "performed by code"
            return f"{how}, in {seconds(event['took_s'])}"
        case "FixApplied":
            how = "typed as written" if event["how"] == "typed" else "performed by code"
            return f"applied as the fix, {how}, in {seconds(event['took_s'])}"
        case "CommandUntyped":
            has = f"; not typed: {event['command']}" if event["command"] else ""
            return f"the drill types {event['wanted']}{has}"
        case _:
            return f"did not hold: {event.get('error', 'no error named')}"


def _drill(drill: Drill, drill_id: str) -> _Drill:
    return _Drill(
        id=drill_id,
        name=drill.name,
        title=drill.title,
        nodeid=drill.nodeid,
        outcome=drill.outcome,
        word=OUTCOMES.get(drill.outcome, "unproven"),
        message=_evidence(drill.message),
        figures=_drill_figures(drill),
        latency=_latency(drill),
        timeline=timeline.draw(drill),
        story=list(tell(drill)),
    )


def _lost(witness: Mapping[str, Any]) -> str:
    """Nothing can be lost where users write nothing."""
    if witness["lost"] is None:
        return "n/a"
    return f"{witness['lost']} of {witness['acknowledged']}"


def _drill_figures(drill: Drill) -> list[tuple[str, str]]:
    figures = [("took", seconds(drill.took_s))]
    if drill.overhead_s is not None:
        figures.append(("harness overhead", seconds(drill.overhead_s)))
    if (seen := drill.witness) is not None:
        figures += [
            ("detected after", seconds(seen["detect_s"])),
            ("felt by users for", seconds(seen["felt_s"])),
            ("requests failed", f"{seen['failed']} of {seen['requests']}"),
            ("writes lost", _lost(seen)),
        ]
    return figures


def _latency(drill: Drill) -> list[tuple[str, list[str]]]:
    figures = (drill.witness or {}).get("latency_ms") or {}
    return [
        (when, [millis(figures[when].get(share)) for share in ("p50", "p95", "p99")])
        for when in ("before", "during", "after")
        if figures.get(when)
    ]


def _facts(run: Run) -> list[tuple[str, str]]:
    """What was run, on what."""
    started = run.started
    facts = [
        ("command", " ".join(map(str, started.get("argv", [])))),
        ("seed", str(started.get("seed", "unknown"))),
        ("took", seconds(run.last_s)),
        ("runbook", f"{started.get('runbook', '?')}, digest {started.get('runbook_digest', '?')}"),
        ("host", _pairs(started.get("host", {}))),
        ("versions", _pairs(started.get("versions", {}))),
    ]
    if run.stack is not None:
        stack = run.stack
        told = f"project {stack['project']}, ready in {seconds(stack['took_s'])}"
        facts.append(("stack", told))
        facts.append(("services", _pairs({n: _short(i) for n, i in stack["services"].items()})))
    return facts


def _short(image: object) -> str:
    """An image's digest as Docker's own lists show it."""
    return str(image).removeprefix("sha256:")[:12]


def _row_id(verdict: Verdict, run: Run) -> str:
    """Where drills ran on several platforms a line has a row for each; links lead to the first."""
    rows = [one for one in run.platforms if one in verdict.line.platforms]
    first = not rows or rows[0] == verdict.platform
    return _id(verdict.name) if first else f"{_id(verdict.name)}-{verdict.platform}"


def _pairs(named: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in named.items())


def _id(name: str) -> str:
    """A line's name as a fragment: ``3.1-step-1``."""
    return name.replace(" ", "-")
