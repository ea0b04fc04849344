"""Recording in a runbook's lock what a run proved: the words, and the drills that proved them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from drillbook.runbook.lock import Lock, LockedLine, Proof, write
from reports.text import counted
from reports.verdicts import Evidence, Judgement, Verdict

_HOW = {
    "FaultInjected": "brought about",
    "SymptomSeen": "seen",
    "StepTaken": "followed",
    "FixApplied": "applied as the fix",
}


@dataclass(frozen=True)
class Recorded:
    """What a lock has learnt."""

    names: tuple[str, ...]
    """The lines whose words and proofs it now has."""
    new_words: tuple[str, ...]
    """Those of them of which it had other words before, or none."""

    def __str__(self) -> str:
        told = f"the words of {counted(len(self.names), 'line')} recorded"
        return f"{told}, new: {', '.join(self.new_words)}" if self.new_words else told


def record(lock: Lock, judgement: Judgement) -> Recorded:
    """Record the words of the lines that this run's drills held over, and which drills did.

    Lines that the run did not exercise, and those of other platforms, keep what the lock has of
    them; lines that the runbook no longer has leave it. Raises OSError where the file cannot be
    written.
    """
    held = [
        LockedLine(one.name, one.platform, one.line.text, tuple(_proofs(one, judgement)))
        for one in judgement.verdicts
        if one.held
    ]
    order = {line.name: at for at, line in enumerate(judgement.runbook.lines())}
    kept = {(one.name, one.platform): one for one in lock if one.name in order}
    new_words = [
        one.name for one in held if _words(kept.get((one.name, one.platform))) != one.words
    ]
    kept |= {(one.name, one.platform): one for one in held}
    lines = sorted(kept.values(), key=lambda one: (order[one.name], one.platform))
    write(lock.path, lines)
    return Recorded(tuple(one.name for one in held), tuple(new_words))


def _words(line: LockedLine | None) -> str | None:
    return None if line is None else line.words


def _proofs(verdict: Verdict, judgement: Judgement) -> list[Proof]:
    """One for each way in which each drill proved the line, in the order of the run."""
    proving = [one for one in verdict.evidence if one.proves and one.digest == verdict.line.digest]
    found: dict[tuple[str, str, str], Proof] = {}
    for one in proving:
        proof = _proof(one, judgement.run.run_id)
        found.setdefault((proof.drill, proof.how, proof.detector), proof)
    return list(found.values())


def _proof(evidence: Evidence, run_id: str) -> Proof:
    drill, event = evidence.drill, evidence.event
    at = datetime.fromtimestamp(float(event["at"]), tz=UTC)
    how = "typed" if event.get("how") == "typed" else _HOW[event["event"]]
    return Proof(
        drill.nodeid,
        drill.title,
        run_id,
        at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        how,
        str(event.get("detector", "")),
    )
