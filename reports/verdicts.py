"""What a run's journal proves of each line of the runbook.

A line's verdict on a platform is the first of these that applies:

contradicted
    A drill found that it does not hold, as it is worded now.
changed
    Its words are not those that were last proven (``runbook.lock``), or not those that this run
    drilled. A drill that passed over it is no proof: the new words were not read against it.
    ``./run drills ENTRY --lock`` records them.
proven
    A drill that held exercised it: saw the symptom, brought about the cause, followed the step or
    applied it as the fix.
unproven
    No drill of this run did.

A line that speaks only of a platform on which nothing ran is unproven there, and is not counted
among the lines of the platform on which the drills ran.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from drillbook.runbook import KINDS, Entry, Kind, Line, Runbook
from reports.run import Drill, Event, Run
from reports.text import first_line, gist, name_of

Word = Literal["contradicted", "changed", "proven", "unproven"]
WORDS: tuple[Word, ...] = ("proven", "contradicted", "unproven", "changed")

SCHEMA = "drillbook/verdicts/1"
LOCK_HEADER = """\
# The words of each line of runbook.md when a drill last proved them: entry, kind, number, platform,
# digest. Written by ./run drills ENTRY --lock; a test compares it with the runbook.
"""


@dataclass(frozen=True)
class Evidence:
    """What one event of a drill says of a line."""

    drill: Drill
    event: Event
    ok: bool
    """It speaks for the line."""
    digest: str
    """Of the line's words when the drill ran."""

    @property
    def unproven(self) -> str:
        """Why it is not enough to prove the line; empty where it is."""
        return str(self.event.get("unproven", ""))

    @property
    def proves(self) -> bool:
        """The line holds by this alone."""
        return self.ok and self.drill.held and not self.unproven

    @property
    def counts(self) -> bool:
        """It proves something: it speaks against the line, or its drill held."""
        return self.drill.held or not self.ok


@dataclass(frozen=True)
class Verdict:
    """What a run proves of one line on one platform."""

    line: Line
    platform: str
    word: Word
    why: str
    evidence: tuple[Evidence, ...]
    here: bool
    """The line speaks of a platform on which this run's drills ran."""
    held: bool
    """A drill that held exercised it in its present words, and none contradicted them."""

    @property
    def name(self) -> str:
        """The line's name: ``3.1 step 1``."""
        return self.line.name


@dataclass(frozen=True)
class LockedLine:
    """One line of runbook.lock."""

    entry: str
    kind: str
    number: int
    platform: str
    digest: str

    @property
    def name(self) -> str:
        """The runbook line that it guards: ``3.1 step 1``."""
        return f"{self.entry} {self.kind} {self.number}"

    def __str__(self) -> str:
        return f"{self.name} {self.platform}"

    @property
    def order(self) -> tuple[list[int], int, int, str]:
        """Sorts as the runbook does."""
        sections = [int(part) for part in self.entry.split(".")]
        return sections, KINDS.index(_kind(self.kind)), self.number, self.platform


class LockError(Exception):
    """runbook.lock is malformed; the message starts with ``file:line:``."""


@dataclass
class Tally:
    """An entry's verdicts, counted on the platforms of the run, and what its drills cost."""

    entry: str
    title: str
    counts: Mapping[Kind, Mapping[Word, int]]
    drills: int
    failed: int
    interrupted: int
    felt_s: float | None
    lost: int | None

    def total(self, word: Word) -> int:
        """Lines of every kind with this verdict."""
        return sum(of_kind[word] for of_kind in self.counts.values())

    def lines(self, kind: Kind) -> int:
        """Lines of a kind, whatever their verdict."""
        return sum(self.counts[kind].values())


@dataclass(frozen=True)
class Judgement:
    """A run, the runbook it drilled, and the verdict on every line of it, in its order."""

    run: Run
    runbook: Runbook
    verdicts: list[Verdict]

    @cached_property
    def by_entry(self) -> Mapping[str, list[Verdict]]:
        """The verdicts on each entry's lines, in its order."""
        found: dict[str, list[Verdict]] = {number: [] for number in self.runbook.entries}
        for verdict in self.verdicts:
            found[verdict.line.entry].append(verdict)
        return found

    @property
    def here(self) -> list[Verdict]:
        """The verdicts that count: on lines about a platform on which the drills ran."""
        return [verdict for verdict in self.verdicts if verdict.here]

    @property
    def elsewhere(self) -> Mapping[str, int]:
        """How many lines speak only of another platform, by platform."""
        return Counter(verdict.platform for verdict in self.verdicts if not verdict.here)

    def of(self, word: Word) -> list[Verdict]:
        """The verdicts of one word that count, in the runbook's order."""
        return [verdict for verdict in self.here if verdict.word == word]

    @property
    def totals(self) -> dict[Word, int]:
        """How many lines have each verdict."""
        return {word: len(self.of(word)) for word in WORDS}

    def tallies(self) -> list[Tally]:
        """Verdicts counted entry by entry; every entry is there, drilled or not."""
        return [self._tally(entry) for entry in self.runbook.entries.values()]

    def _tally(self, entry: Entry) -> Tally:
        counts = {kind: dict.fromkeys(WORDS, 0) for kind in KINDS}
        for verdict in self.by_entry[entry.number]:
            if verdict.here:
                counts[verdict.line.kind][verdict.word] += 1
        drills = self.run.by_entry.get(entry.number, [])
        felt = [drill.felt_s for drill in drills if drill.felt_s is not None]
        lost = [drill.lost for drill in drills if drill.lost is not None]
        return Tally(
            entry.number,
            entry.title,
            counts,
            drills=len(drills),
            failed=sum(drill.outcome == "failed" for drill in drills),
            interrupted=sum(drill.outcome == "interrupted" for drill in drills),
            felt_s=sum(felt) if felt else None,
            lost=sum(lost) if lost else None,
        )


def judge(run: Run, runbook: Runbook, lock: Path | None) -> Judgement:
    """The verdict on every line of the runbook, a platform at a time.

    Without a lock (another edition of the runbook, say) only lines that were edited since the run
    are *changed*. Raises LockError.
    """
    evidence = _evidence(run)
    locked = {} if lock is None else {(one.name, one.platform): one for one in read_lock(lock)}
    verdicts: list[Verdict] = []
    for line in runbook.lines():
        for platform in _platforms(line, run, evidence):
            found = evidence[line.name, platform]
            guard = locked.get((line.name, platform))
            verdicts.append(_verdict(line, platform, found, guard, run))
    return Judgement(run, runbook, verdicts)


def read_lock(path: Path) -> list[LockedLine]:
    """The lines of a lock file; none where there is no file yet. Raises LockError."""
    if not path.exists():
        return []
    lines: list[LockedLine] = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip() or text.startswith("#"):
            continue
        try:
            entry, kind, position, platform, digest = text.split()
            locked = LockedLine(entry, kind, int(position), platform, digest)
            locked.order  # noqa: B018 - raises where entry or kind are none
        except ValueError:
            told = f"{path}:{number}: not 'ENTRY KIND NUMBER PLATFORM DIGEST': {text!r}"
            raise LockError(told) from None
        lines.append(locked)
    return lines


def relock(path: Path, verdicts: Sequence[Verdict]) -> list[str]:
    """Record the words of the lines that this run's drills held over; return their names.

    Lines that the run did not exercise keep what the lock says of them; lines that the runbook
    no longer has leave it. Raises LockError, and OSError where the file cannot be written.
    """
    known = {verdict.name for verdict in verdicts}
    kept = {(one.name, one.platform): one for one in read_lock(path) if one.name in known}
    recorded: list[str] = []
    for verdict in verdicts:
        if verdict.held:
            line = verdict.line
            kept[line.name, verdict.platform] = LockedLine(
                line.entry, line.kind, line.number, verdict.platform, line.digest
            )
            recorded.append(line.name)
    ordered = sorted(kept.values(), key=lambda one: one.order)
    text = LOCK_HEADER + "".join(f"{one} {one.digest}\n" for one in ordered)
    whole = path.with_name(path.name + ".new")  # a kill in mid-write leaves the old lock
    whole.write_text(text, encoding="utf-8")
    whole.replace(path)
    return recorded


def as_json(judgement: Judgement) -> str:
    """Everything above for machines: ``verdicts.json``."""
    run, runbook = judgement.run, judgement.runbook
    document = {
        "schema": SCHEMA,
        "run": {
            "id": run.run_id,
            "seed": run.started.get("seed"),
            "platforms": run.platforms,
            "runbook": run.started.get("runbook", str(runbook.path)),
            "runbook_digest": runbook.digest,
            "whole": run.whole,
            "exit_status": None if run.ended is None else run.ended["exit_status"],
        },
        "totals": judgement.totals,
        "entries": [_tally_json(one) for one in judgement.tallies()],
        "lines": [_verdict_json(verdict) for verdict in judgement.verdicts],
        "drills": [_drill_json(drill) for drill in run.drills],
        "findings": [
            {"line": name_of(one["ref"]), "at": one["ref"]["line"], "text": one["text"]}
            for one in run.findings
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


# --- judging -----------------------------------------------------------------------------------


def _evidence(run: Run) -> Mapping[tuple[str, str], list[Evidence]]:
    """What the journal says of each line on each platform, in order."""
    found: dict[tuple[str, str], list[Evidence]] = defaultdict(list)
    for drill in run.drills:
        for ref, event, ok in _references(drill):
            one = Evidence(drill, event, ok, str(ref["digest"]))
            found[name_of(ref), drill.platform].append(one)
    return found


def _references(drill: Drill) -> Iterator[tuple[Mapping[str, Any], Event, bool]]:
    """The lines that a drill's events speak of, and whether they speak for them."""
    for event in drill.events:
        match event["event"]:
            case "FaultInjected":
                for claim in drill.claims:
                    yield claim, event, True
            case "SymptomSeen":
                yield event["ref"], event, True
            case "StepTaken":
                yield event["ref"], event, bool(event["ok"])
            case "FixApplied" if event["ref"] is not None:
                yield event["ref"], event, True
            case "ClaimFailed":
                yield event["ref"], event, False


def _platforms(
    line: Line, run: Run, evidence: Mapping[tuple[str, str], list[Evidence]]
) -> list[str]:
    here = [p for p in run.platforms if p in line.platforms or (line.name, p) in evidence]
    return here or list(line.platforms)


def _verdict(
    line: Line,
    platform: str,
    evidence: list[Evidence],
    guard: LockedLine | None,
    run: Run,
) -> Verdict:
    fresh = [one for one in evidence if one.digest == line.digest]
    against = [one for one in fresh if one.event["event"] == "ClaimFailed"]
    # A step that was taken and did not show what it should speaks against itself even where the
    # run was cut before it could say so.
    held = any(one.proves for one in fresh) and all(one.ok for one in fresh)
    word: Word
    if against:
        word, why = "contradicted", gist(against[0].event["message"])
    elif guard is not None and guard.digest != line.digest:
        word, why = "changed", _edited_why(line, held=held)
    elif held:
        word, why = "proven", _proven_why(fresh)
    elif any(one.counts for one in evidence if one.digest != line.digest):
        word, why = "changed", "it was edited since this run drilled it"
    else:
        word, why = "unproven", _unproven_why(line, platform, evidence, run)
    here = platform in run.platforms
    return Verdict(line, platform, word, why, tuple(evidence), here, held)


def _edited_why(line: Line, *, held: bool) -> str:
    passed = "a drill passed over it; " if held else ""
    return (
        f"it was edited since it was last proven; {passed}read it against its drill, "
        f"then ./run drills {line.entry} --lock"
    )


def _proven_why(evidence: Iterable[Evidence]) -> str:
    drills = dict.fromkeys(one.drill.title for one in evidence if one.proves)
    return f"held in: {', '.join(drills)}"


def _unproven_why(line: Line, platform: str, evidence: list[Evidence], run: Run) -> str:
    if platform not in run.platforms:
        return f"it speaks of {platform} only, and no drill ran there"
    for one in evidence:
        if not one.drill.held:
            return f"exercised in a drill that did not hold ({one.drill.ending})"
        return f"{one.unproven}; what can be seen without was seen in: {one.drill.title}"
    for drill in run.by_entry.get(line.entry, []):
        claimed = any(name_of(claim) == line.name for claim in drill.claims)
        if claimed and drill.platform == platform:
            return f"its drill is {drill.outcome}: {first_line(drill.message or '') or 'no reason'}"
    return next(
        (
            str(event["why"])
            for drill in run.by_entry.get(line.entry, [])
            if drill.platform == platform
            for event in drill.events
            if event["event"] == "LineNotExercised" and name_of(event["ref"]) == line.name
        ),
        "no drill of this run exercised it",
    )


def _kind(text: str) -> Kind:
    for kind in KINDS:
        if kind == text:
            return kind
    raise ValueError(text)


# --- for machines ------------------------------------------------------------------------------


def _tally_json(one: Tally) -> dict[str, Any]:
    return {
        "entry": one.entry,
        "title": one.title,
        **{f"{kind}s": dict(one.counts[kind]) for kind in KINDS},
        "drills": one.drills,
        "failed": one.failed,
        "interrupted": one.interrupted,
        "felt_s": one.felt_s,
        "lost": one.lost,
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    line = verdict.line
    return {
        "name": line.name,
        "entry": line.entry,
        "kind": line.kind,
        "number": line.number,
        "line": line.line,
        "digest": line.digest,
        "text": line.text,
        "platform": verdict.platform,
        "here": verdict.here,
        "verdict": verdict.word,
        "why": verdict.why,
        "evidence": [
            {
                "drill": one.drill.nodeid,
                "event": one.event["event"],
                "t_s": one.event["t_s"],
                "speaks_for_it": one.ok,
                "unproven": one.unproven,
                "drill_held": one.drill.held,
            }
            for one in verdict.evidence
        ],
    }


def _drill_json(drill: Drill) -> dict[str, Any]:
    witness = drill.witness or {}
    figures = ("detect_s", "felt_s", "requests", "failed", "latency_ms", "acknowledged", "lost")
    return {
        "nodeid": drill.nodeid,
        "title": drill.title,
        "entry": drill.entry,
        "platform": drill.platform,
        "causes": [name_of(claim) for claim in drill.claims],
        "outcome": drill.outcome,
        "held": drill.held,
        "error": drill.error,
        "message": drill.message,
        "took_s": drill.took_s,
        "overhead_s": drill.overhead_s,
        "alerts": _alerts_json(drill),
        "witness": {figure: witness[figure] for figure in figures if figure in witness} or None,
    }


def _alerts_json(drill: Drill) -> list[dict[str, Any]]:
    """The alerts that led to its entry, and how soon: after the fault, after the recovery."""
    over = {one["name"]: one["after_s"] for one in drill.of("AlertResolved")}
    return [
        {
            "name": one["name"],
            "entry": one["entry"],
            "after_s": one["after_s"],
            "over_after_s": over.get(one["name"]),
        }
        for one in drill.of("AlertFired")
    ]
