"""What a run's journal proves of each line of the runbook.

A line's verdict on a platform is the first of these that applies:

contradicted
    A drill found that it does not hold, as it is worded now.
proven
    A drill that held exercised it: saw the symptom, brought about the cause, followed the step or
    applied it as the fix. And its words are those that were read against the drill: the lock has
    them, or they are nothing but commands, and the drill types each of them.
changed
    A drill passed over it, but its words are not those that somebody read against that drill (see
    ``drillbook.runbook.lock``), or not those that this run drilled. ``./run drills ENTRY --lock``
    records them.
unproven
    No drill of this run exercised it, or not all of it.

A line that speaks only of a platform on which nothing ran is unproven there, and is not counted
among the lines of the platform on which the drills ran.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from drillbook.runbook import KINDS, Entry, Kind, Line, Platform, Runbook, spans
from drillbook.runbook.lock import LockedLine, Locks
from reports.run import Drill, Event, Run
from reports.text import first_line, gist, name_of

Word = Literal["contradicted", "changed", "proven", "unproven"]
WORDS: tuple[Word, ...] = ("proven", "contradicted", "unproven", "changed")

SCHEMA = "drillbook/verdicts/1"


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
    read: str | None = None
    """The words that were read against its drill; None where nobody read any."""

    @property
    def name(self) -> str:
        """The line's name: ``3.1 step 1``."""
        return self.line.name

    @property
    def untyped(self) -> list[Event]:
        """The commands of it that no drill typed, with the reason for each."""
        return [one.event for one in self.evidence if one.event["event"] == "CommandUntyped"]


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


def judge(run: Run, runbook: Runbook, locks: Locks | None) -> Judgement:
    """The verdict on every line of the runbook, a platform at a time.

    ``locks`` has the words that were read against the drills; without any, only lines that are
    nothing but commands can be proven.
    """
    evidence = _evidence(run)
    verdicts: list[Verdict] = []
    for line in runbook.lines():
        for platform in _platforms(line, run, evidence):
            case = _Case(line, platform, tuple(evidence[line.name, platform]), run, runbook, locks)
            verdicts.append(case.verdict())
    return Judgement(run, runbook, verdicts)


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
            case "ClaimFailed" | "CommandUntyped":
                yield event["ref"], event, False


def _platforms(
    line: Line, run: Run, evidence: Mapping[tuple[str, str], list[Evidence]]
) -> list[str]:
    here = [p for p in run.platforms if p in line.platforms or (line.name, p) in evidence]
    return here or list(line.platforms)


@dataclass(frozen=True)
class _Case:
    """A line before it is judged, on one platform."""

    line: Line
    platform: str
    evidence: tuple[Evidence, ...]
    run: Run
    runbook: Runbook
    locks: Locks | None

    def verdict(self) -> Verdict:
        """The first word that applies, and why."""
        word, why = self._judged()
        read = None if self.guard is None else self.guard.words
        here = self.platform in self.run.platforms
        return Verdict(self.line, self.platform, word, why, self.evidence, here, self.held, read)

    def _judged(self) -> tuple[Word, str]:
        against = [one for one in self.fresh if one.event["event"] == "ClaimFailed"]
        if against:
            return "contradicted", gist(against[0].event["message"])
        if self.held and (self.is_read or self._typed_whole()):
            return "proven", _proven_why(self.fresh)
        if not self.is_read and self._is_changed():
            return "changed", self._changed_why()
        if any(one.counts for one in self.evidence if one.digest != self.line.digest):
            return "changed", "it was edited since this run drilled it"
        return "unproven", self._unproven_why()

    # --- what is known of it ---------------------------------------------------------------------
    @property
    def guard(self) -> LockedLine | None:
        """What the locks have of it."""
        return None if self.locks is None else self.locks.get(self.line.name, self.platform)

    @property
    def is_read(self) -> bool:
        """Whether somebody read its present words against its drill."""
        return self.guard is not None and self.guard.words == self.line.text

    @property
    def fresh(self) -> list[Evidence]:
        """What speaks of its present words."""
        return [one for one in self.evidence if one.digest == self.line.digest]

    @property
    def held(self) -> bool:
        """Whether a drill that held exercised it as it is, and nothing of it was left out.

        A step that was taken and did not show what it should speaks against itself even where
        the run was cut before it could say so.
        """
        return any(one.proves for one in self.fresh) and all(one.ok for one in self.fresh)

    def _is_changed(self) -> bool:
        """Whether other words than its own were read, or a drill passed over words nobody read.

        Of another edition than the project's own, lines that no drill came to are left alone:
        they differ throughout.
        """
        if self.guard is None:
            return self.held
        name, platform = self.guard.name, self.guard.platform
        ours = self.locks is not None and self.locks.own.get(name, platform) is not None
        return ours or bool(self.fresh)

    def _typed_whole(self) -> bool:
        """Whether it is nothing but commands, and the drills type each of them as written."""
        prose = "".join(text for code, text in spans(self.line.text) if not code)
        code = {text for is_code, text in spans(self.line.text) if is_code}
        if any(char.isalnum() for char in prose) or not code <= set(self.line.commands):
            return False
        typed = {
            command
            for one in self.fresh
            if one.proves and not one.event.get("instead_of")
            for command in one.event.get("written", ())
        }
        wanted = set(self.line.commands_for(_platform(self.platform)))
        return bool(wanted) and wanted <= typed

    # --- why -------------------------------------------------------------------------------------
    def _changed_why(self) -> str:
        line = self.line
        edition = self.locks is not None and self.locks.project is not None
        option = f" --runbook {self.runbook.path}" if edition else ""
        accept = f"./run drills {line.entry}{option} --lock"
        if (untyped := self._untyped_why()) is not None:
            return untyped
        if self.guard is None:
            return f"a drill passed over it, and nobody has read it against that drill: {accept}"
        passed = "a drill passed over it; " if self.held else ""
        return (
            "its words are not those that were read against its drill; "
            f"{passed}read them against it, then {accept}"
        )

    def _untyped_why(self) -> str | None:
        """What it has in place of the drill's command, where that was not typed."""
        for one in self.fresh:
            if one.event["event"] == "CommandUntyped":
                wanted, command = one.event["wanted"], one.event["command"]
                has = f"it has `{command}`, not typed: " if command else ""
                return f"its drill types `{wanted}`; {has}{one.event['reason']}"
        return None

    def _unproven_why(self) -> str:
        line, platform, run = self.line, self.platform, self.run
        if platform not in run.platforms:
            return f"it speaks of {platform} only, and no drill ran there"
        if (untyped := self._untyped_why()) is not None:
            return untyped
        for one in self.evidence:
            if not one.drill.held:
                return f"exercised in a drill that did not hold ({one.drill.ending})"
            return f"{one.unproven}; what can be seen without was seen in: {one.drill.title}"
        for drill in run.by_entry.get(line.entry, []):
            claimed = any(name_of(claim) == line.name for claim in drill.claims)
            if claimed and drill.platform == platform:
                reason = first_line(drill.message or "") or "no reason"
                return f"its drill is {drill.outcome}: {reason}"
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


def _proven_why(evidence: Iterable[Evidence]) -> str:
    drills = dict.fromkeys(one.drill.title for one in evidence if one.proves)
    return f"held in: {', '.join(drills)}"


def _platform(name: str) -> Platform:
    """A platform's name out of a journal, as the runbook knows it."""
    return "kubernetes" if name == "kubernetes" else "compose"


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
        "words_read": verdict.read,
        "untyped": [
            {name: event[name] for name in ("wanted", "command", "reason")}
            for event in verdict.untyped
        ],
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
