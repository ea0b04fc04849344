"""What the parts of an entry are called, and how a heading is known to name one.

A label is read without what is around its words: emoji, numbers, punctuation, plurals, and words
that only colour it (*possible* causes, resolution *steps*).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from drillbook.runbook.model import Kind

_TABLE = """
    symptom: symptom, sign, how it shows, what you see, what you will see, what users see,
        observed behavior, observed behaviour, observation, indicator, detection, how to detect,
        error message
    cause: cause, reason, why it happens, why this happens, trigger, source of problem
    diagnosis: diagnosis, diagnose, diagnostic, triage, investigation, investigate,
        troubleshooting, troubleshoot, debugging, debug, check, how to check, how to diagnose,
        how to investigate, assessment, analysis
    resolution: resolution, resolve, resolving, how to resolve, fix, fixing, how to fix, quick
        fix, solution, remediation, remediate, remedy, mitigation, mitigate, how to mitigate,
        workaround, recovery, recover, repair, response, action, action to take, what to do,
        procedure, step, instruction, treatment
    verification: verification, verify, verify fix, verify resolution, verify recovery, how to
        verify, validation, validate, confirmation, confirm, confirm fix, confirm recovery,
        success criterion, success criteria, post check, verifying
    rollback: rollback, roll back, rolling back, back out, backout, how to roll back
    escalation: escalation, escalate, contact, who to call, when to escalate, on call
    prevention: prevention, prevent, preventive measure, preventive, long term fix, permanent
        fix, how to prevent, hardening
    note: note, overview, summary, description, meaning, impact, context, background, purpose,
        scope, severity, reference, link, related, see also, further reading, dashboard, alert,
        metric, prerequisite, requirement, before you begin, owner, metadata, table of content,
        content, toc, warning, caution, important, tip, info, example, history, changelog,
        postmortem, post mortem, appendix, faq, introduction, about, audience, term, glossary,
        service, definition, additional information, additional resource, resource, monitoring,
        default, communication, follow up, root cause analysis, time to resolve, frequency,
        permission, access, tool, tag, team, status, assumption, limitation, customer impact,
        business impact, user impact, architecture, explanation
"""
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    row.partition(":")[0]: tuple(re.split(r",\s+", row.partition(":")[2].strip()))
    for row in re.split(r"\n {4}(?! )", _TABLE.strip("\n "))
}
"""Each part's names, in the singular and in small letters."""

KIND_OF_PART: Mapping[str, Kind] = {
    "symptom": "symptom",
    "cause": "cause",
    "diagnosis": "step",
    "resolution": "step",
    "rollback": "step",
    "verification": "verification",
}
"""The parts that make claims. The others are read, and their commands checked, but not drilled."""

_COLOURING_WORDS = """
    a an the this that possible potential probable likely common typical known main usual root
    underlying initial immediate first quick further basic recommended suggested proposed short
    term detailed manual general-purpose key detailed observable visible steps step section
    process guide plan procedure procedures instructions actions
"""
_COLOURING = frozenset(_COLOURING_WORDS.split())
_SHORTCODE = re.compile(r":[a-z0-9_+-]+:")
_NUMBER_BEFORE = re.compile(
    r"^(?:(?:step|part|phase|section)\s+)?\(?(?:\d+(?:\.\d+)*|[a-z]|[ivx]+)[.):]+\s*|^\d+(?:\.\d+)*\s+",
    re.IGNORECASE,
)
_NUMBER_AFTER = re.compile(r"(?:\s*(?:#|no\.?\s*)?\d+|\s+[a-z])$", re.IGNORECASE)
_ASIDE = re.compile(r"\s*[(\[{].*$|\s+[-–—]\s+.*$")
_SPLIT = re.compile(r"\s*(?:/|&|,|\+|\band\b|\bor\b)\s*")
_PLURALS = {"diagnoses": "diagnosis", "analyses": "analysis", "criteria": "criterion"}
LONGEST = 60


@dataclass(frozen=True)
class Label:
    """A part's name as it was written, and what follows it on the same line."""

    part: str
    numbered: bool = False
    """Whether it counts itself: ``Cause 2``."""
    rest: str = ""

    @property
    def kind(self) -> Kind | None:
        """The kind of the lines below it; None for a part that makes no claims."""
        return KIND_OF_PART.get(self.part)


@dataclass(frozen=True)
class Labels:
    """The names that parts are known by; a team adds its own in ``pyproject.toml``."""

    more: Mapping[str, Iterable[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names: dict[str, str] = {}
        for part, synonyms in SYNONYMS.items():
            names.update(dict.fromkeys(map(_singular, synonyms), part))
        for part, added in self.more.items():
            names.update(dict.fromkeys(map(_singular, map(_bare, added)), part))
        object.__setattr__(self, "_names", names)
        object.__setattr__(self, "_seen", {})

    def part(self, words: str) -> Label | None:
        """The part that these words name, if they name one and nothing else."""
        if len(words) > LONGEST:
            return None
        seen: dict[str, Label | None] = self._seen  # type: ignore[attr-defined]
        if words not in seen:
            seen[words] = self._named(words)
        return seen[words]

    def heading(self, words: str) -> Label | None:
        """The part that a heading names; also with a colon and words behind it."""
        whole = self.part(words)
        if whole:
            return whole
        before, colon, rest = words.partition(": ")
        label = self.part(before) if colon else None
        numbered = re.match(r"(?i)step\s+\d+$", before.strip())
        if label and (label.kind or numbered):
            return Label(label.part, label.numbered, rest.strip())
        return None

    def resembling(self, words: str) -> str | None:
        """A name of a part that these words may have meant."""
        bare = _uncoloured(_bare(words))
        names: dict[str, str] = self._names  # type: ignore[attr-defined]
        short = [name for name, part in names.items() if part in KIND_OF_PART and " " not in name]
        close = difflib.get_close_matches(bare, short, n=1, cutoff=0.8)
        return close[0].title() if close else None

    def _named(self, words: str) -> Label | None:
        bare = _bare(words)
        if not bare:
            return None
        part = self._lookup(bare)
        if part:
            return Label(part)
        uncounted = _NUMBER_AFTER.sub("", bare)
        if uncounted and uncounted != bare:
            part = self._lookup(uncounted)
            if part:
                return Label(part, numbered=True)
        pieces = [self._lookup(piece) for piece in _SPLIT.split(bare) if piece]
        if len(pieces) > 1 and all(pieces):
            return Label(next((one for one in pieces if one in KIND_OF_PART), pieces[0]) or "note")
        return None

    def _lookup(self, bare: str) -> str | None:
        names: dict[str, str] = self._names  # type: ignore[attr-defined]
        words = _singular(bare)
        if words in names:
            return names[words]
        return names.get(_uncoloured(bare))


@lru_cache(maxsize=4096)
def _bare(words: str) -> str:
    """The words of a label in small letters, without emoji, numbering, asides and punctuation."""
    text = _SHORTCODE.sub(" ", words.replace("`", "").lower()).strip()
    text = re.sub(r"^[^\w(]+", "", text)
    text = _NUMBER_BEFORE.sub("", text, count=1)
    text = re.sub(r"^[^\w(]+", "", text)
    text = _ASIDE.sub("", text)
    text = re.sub(r"[^\w\s/&+,'#-]+", " ", text).strip(" ,'-#")
    return " ".join(text.replace("-", " ").split())


def _uncoloured(bare: str) -> str:
    return _singular(" ".join(word for word in bare.split() if word not in _COLOURING))


def _singular(words: str) -> str:
    return " ".join(map(_singular_word, words.split()))


def _singular_word(word: str) -> str:
    if word in _PLURALS:
        return _PLURALS[word]
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("xes"):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "sis", "us", "is")):
        return word[:-1]
    return word
