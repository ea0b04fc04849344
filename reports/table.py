"""How a run ends on a terminal: the table by entry, what did not hold, and where the rest is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from drillbook.runbook import KINDS, Kind, Runbook
from reports.text import counted, gist, name_of, seconds, shortened
from reports.verdicts import Judgement, Tally, Verdict, Word

NARROW = 110
"""Below this many columns, marks stand for the verdicts' words."""
LEAST_TITLE = 8
"""An entry's title that has room for less is left out."""
LONGEST_TITLE = 46
LONGEST_WORDING = 2000
BETWEEN = " | "

_COLOURS: Mapping[Word, str] = {
    "proven": "32",
    "contradicted": "31",
    "changed": "33",
    "unproven": "2",
}
_WORDS: tuple[Word, ...] = ("contradicted", "changed", "unproven")
_MARKS: Mapping[Word, str] = {"contradicted": "✗", "changed": "~", "unproven": "?"}


def closing(
    judgement: Judgement, paths: Mapping[str, Path], *, width: int, colour: bool = False
) -> str:
    """Everything a run says at its end, in at most ``width`` columns where words allow it."""
    tallies = judgement.tallies()
    shown = [one for one in tallies if one.drills or one.total("contradicted")]
    parts = [
        table(shown, width=width, colour=colour) if shown else "No drill ran.",
        _fill(_notes(judgement, tallies), width),
        *_failures(judgement, width),
        *_findings(judgement, width),
        _reports(paths),
    ]
    return "\n\n".join(part for part in parts if part)


def table(tallies: Sequence[Tally], *, width: int, colour: bool = False) -> str:
    """Entry by entry: proven lines of all, then those that are not, then what it cost."""
    kinds = KINDS if any(one.lines("verification") for one in tallies) else KINDS[:-1]
    rows = [_headings(width, kinds), *(_row(one, kinds) for one in tallies), _total(tallies, kinds)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = width - sum(2 + one for one in widths)
    labels = _labels(tallies, room)
    lines = []
    for label, row in zip(labels, rows, strict=True):
        cells = (cell.rjust(room_) for cell, room_ in zip(row, widths, strict=True))
        lines.append("  ".join([label, *cells]).rstrip())
    rule = "-" * max(map(len, lines))
    head, *body, total = lines
    if colour:
        body = [_coloured(line, one) for line, one in zip(body, tallies, strict=True)]
    legend = ", ".join(f"{mark} {word}" for word, mark in _MARKS.items())
    return "\n".join([head, rule, *body, rule, total, *([legend] if width < NARROW else [])])


def _labels(tallies: Sequence[Tally], room: int) -> list[str]:
    """The first column: number and title of each entry, below and above it what they are."""
    number = max(5, *(len(one.entry) for one in tallies))
    title = min(room - number - 1, LONGEST_TITLE, max(len(one.title) for one in tallies))
    if title < LEAST_TITLE:
        return [words.ljust(number) for words in ("entry", *(one.entry for one in tallies), "all")]
    named = [f"{one.entry:<{number}} {shortened(one.title, title)}" for one in tallies]
    return [words.ljust(number + 1 + title) for words in ("entry", *named, "all")]


def _headings(width: int, kinds: Sequence[Kind]) -> tuple[str, ...]:
    words = (word if width >= NARROW else _MARKS[word] for word in _WORDS)
    return (*(f"{kind}s" for kind in kinds), *words, "felt", "lost")


def _row(one: Tally, kinds: Sequence[Kind]) -> tuple[str, ...]:
    return (
        *(
            f"{one.counts[kind]['proven']}/{one.lines(kind)}" if one.lines(kind) else "-"
            for kind in kinds
        ),
        *(str(one.total(word) or "-") for word in _WORDS),
        seconds(one.felt_s),
        "-" if one.lost is None else str(one.lost),
    )


def _total(tallies: Sequence[Tally], kinds: Sequence[Kind]) -> tuple[str, ...]:
    felt = [one.felt_s for one in tallies if one.felt_s is not None]
    lost = [one.lost for one in tallies if one.lost is not None]
    return (
        *(
            f"{sum(one.counts[kind]['proven'] for one in tallies)}"
            f"/{sum(one.lines(kind) for one in tallies)}"
            for kind in kinds
        ),
        *(str(sum(one.total(word) for one in tallies) or "-") for word in _WORDS),
        seconds(sum(felt) if felt else None),
        str(sum(lost)) if lost else "-",
    )


def _coloured(line: str, one: Tally) -> str:
    for word in ("contradicted", "changed"):
        if one.total(word):
            return f"\x1b[{_COLOURS[word]}m{line}\x1b[0m"
    if one.failed or one.lost:
        return f"\x1b[{_COLOURS['contradicted']}m{line}\x1b[0m"
    return line


def _notes(judgement: Judgement, tallies: Iterable[Tally]) -> str:
    run = judgement.run
    told = [f"Proven lines of all, on {' and '.join(run.platforms)}."]
    left = [one.entry for one in tallies if not one.drills]
    if left:
        told.append(f"Not drilled in this run: {', '.join(left)}.")
    for platform, number in judgement.elsewhere.items():
        told.append(f"Not counted: {counted(number, 'line')} about {platform} only.")
    if not run.whole:
        told.append("The run was interrupted: this is what it proved until then.")
    return " ".join(told)


def _failures(judgement: Judgement, width: int) -> list[str]:
    parts: list[str] = []
    run, runbook = judgement.run, judgement.runbook
    contradicted, changed = judgement.of("contradicted"), judgement.of("changed")
    told = [_line(runbook, v.line.line, v.name, v.why, width) for v in contradicted]
    if told:
        parts.append("\n".join(["CONTRADICTED", *told]))
    told = [_changed(runbook, v, width) for v in changed]
    if told:
        parts.append("\n".join(["CHANGED: not the words that were read against the drill", *told]))
    told = [_untyped(runbook, v, width) for v in judgement.here if v.untyped]
    if told:
        parts.append("\n".join(["NOT TYPED", *told]))
    failed = [
        _fill(f"{drill.name}  {drill.title}: {drill.ending}", width, "  ") for drill in run.failed
    ]
    interrupted = [_fill(f"{drill.name}  {drill.title}", width, "  ") for drill in run.interrupted]
    unproven = [
        _fill(f"{drill.name}  {drill.title}: {gist(drill.message or '')}", width, "  ")
        for drill in run.drills
        if drill.outcome == "unproven"
    ]
    if failed:
        parts.append("\n".join(["DRILLS THAT FAILED", *failed]))
    if interrupted:
        parts.append("\n".join(["INTERRUPTED", *interrupted]))
    if unproven:
        parts.append("\n".join(["NOT TO BE PROVEN HERE", *unproven]))
    return parts


def _changed(runbook: Runbook, verdict: Verdict, width: int) -> str:
    """A changed line, with the words that were read and its own side by side."""
    told = _line(runbook, verdict.line.line, verdict.name, verdict.why, width)
    if verdict.read is None:
        return told
    room = max((width - 6 - len(BETWEEN)) // 2, 20)
    columns = [
        textwrap.wrap(shortened(text, LONGEST_WORDING), room, break_on_hyphens=False)
        for text in (f"read: {verdict.read}", f"now: {verdict.line.text}")
    ]
    rows = zip_longest(*columns, fillvalue="")
    beside = (f"      {left:<{room}}{BETWEEN}{right}".rstrip() for left, right in rows)
    return "\n".join([told, *beside])


def _untyped(runbook: Runbook, verdict: Verdict, width: int) -> str:
    told = dict.fromkeys(
        f"`{one['command']}`: {one['reason']}" if one["command"] else str(one["reason"])
        for one in verdict.untyped
    )
    return _line(runbook, verdict.line.line, verdict.name, "; ".join(told), width)


def _findings(judgement: Judgement, width: int) -> list[str]:
    run, runbook = judgement.run, judgement.runbook
    if not run.findings:
        return []
    told = [
        _line(runbook, one["ref"]["line"], name_of(one["ref"]), one["text"], width)
        for one in run.findings
    ]
    return ["\n".join(["FINDINGS", *told])]


def _reports(paths: Mapping[str, Path]) -> str:
    room = max((len(name) for name in paths), default=0)
    return "\n".join(
        ["REPORTS", *(f"  {name.ljust(room)}  {path}" for name, path in paths.items())]
    )


def _line(runbook: Runbook, at: int, name: str, told: str, width: int) -> str:
    return f"  {runbook.path}:{at}  {name}\n" + _fill(told, width, "      ")


def _fill(text: str, width: int, indent: str = "") -> str:
    room = max(width, 40)
    return textwrap.fill(
        shortened(text, 2000),
        room,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
