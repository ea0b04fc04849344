"""Rules that are switched off in the file itself, with a reason.

For the line it stands on or, on a line of its own, for those below it up to the next blank one::

    <!-- drillbook: ignore RB303: it is left with Ctrl-C by whoever reads it -->

In a block of shell the same as a comment, ``# drillbook: ignore RB402: an example``. For the whole
file, anywhere in it: ``<!-- drillbook: ignore-file RB504: nothing alerts on builds -->``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drillbook.runbook.check.findings import named
from drillbook.runbook.model import Problem

_WRITTEN = re.compile(
    r"(?<!`)(?:<!--|#)\s*drillbook:\s*(?P<how>ignore-file|ignore)\b[\s:]*(?P<rules>[\w-]+(?:\s*,\s*[\w-]+)*)?"
    r"(?:\s*[:(—–]\s*(?P<reason>.*?))?\s*\)?\s*(?:-->|$)"
)


@dataclass
class Suppression:
    """One comment that switches rules off."""

    line: int
    first: int
    last: int
    rules: tuple[str, ...]
    used: bool = False

    def covers(self, rule: str, line: int) -> bool:
        """Whether it is about a rule's finding on this line."""
        return rule in self.rules and self.first <= line <= self.last


def read(text: str) -> tuple[list[Suppression], list[Problem]]:
    """The suppressions in a file's text, and what is wrong with them."""
    found: list[Suppression] = []
    problems: list[Problem] = []
    if "drillbook:" not in text:
        return found, problems
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if "drillbook:" not in line:
            continue
        for match in _WRITTEN.finditer(line):
            words = re.split(r"\s*,\s*", match["rules"] or "")
            rules = [rule.id for rule in map(named, words) if rule]
            problems.extend(_mistakes(match, words, len(rules), at + 1))
            if match["how"] == "ignore-file":
                first, last = 0, len(lines)
            else:
                alone = not line.replace(match[0], "").strip(" >-*\t")
                first, last = at + 1, (_paragraph_end(lines, at) if alone else at + 1)
            found.append(Suppression(at + 1, first, last, tuple(rules)))
    return found, problems


def _mistakes(
    match: re.Match[str], words: Sequence[str], known: int, line: int
) -> Iterator[Problem]:
    write = "Write `drillbook: ignore RB303: why`."
    if known < len(words):
        yield Problem("no-reason", line, f"{match['rules'] or 'nothing'} is no rule", write)
    elif not match["reason"]:
        yield Problem("no-reason", line, f"nothing says why {match['rules']} is off here", write)


def _paragraph_end(lines: Sequence[str], at: int) -> int:
    """The last line, from 1, of the paragraph that begins below a line, from 0."""
    start = at + 1
    while start < len(lines) and not lines[start].strip():
        start += 1
    end = start
    while end < len(lines) and lines[end].strip():
        end += 1
    return end


def unused(suppressions: Iterable[Suppression]) -> Iterator[Problem]:
    """Those that switch off what finds nothing."""
    for one in suppressions:
        if not one.used and one.rules:
            reason = f"{', '.join(one.rules)} is off here, and finds nothing"
            yield Problem("unused-ignore", one.line, reason, "Leave the comment out.")
