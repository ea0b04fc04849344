"""Putting it together: files to documents, documents to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from drillbook.runbook.check import on_compose, on_files, on_forms, on_links, on_upkeep, on_words
from drillbook.runbook.check.beside import Alert, Beside, folder_of
from drillbook.runbook.check.context import Context
from drillbook.runbook.check.findings import RULES, Finding
from drillbook.runbook.check.settings import Settings
from drillbook.runbook.check.suppressions import Suppression, read, unused
from drillbook.runbook.document import read_document
from drillbook.runbook.model import Problem

Check = Callable[[Context], Iterator[Problem]]
CHECKS: tuple[Check, ...] = (
    on_compose.check,
    on_files.check,
    on_forms.check,
    on_words.check,
    on_links.check,
    on_upkeep.check,
)
_OF_RUNBOOKS = frozenset({"no-entry"})


def check_paths(paths: Iterable[Path], settings: Settings) -> list[Finding]:
    """Everything that is to say of some files, and of the alert rules beside them."""
    contexts = _contexts(paths, settings)
    findings = [one for context in contexts for one in check(context)]
    findings += _alerts(contexts, settings)
    return sorted(findings, key=lambda finding: finding.order)


def check(context: Context) -> list[Finding]:
    """Everything that is to say of one document."""
    problems = [
        problem
        for problem in context.document.problems
        if problem.rule not in _OF_RUNBOOKS or context.is_runbook
    ]
    for one in CHECKS:
        problems += one(context)
    suppressions, mistakes = read(context.document.text)
    left = [one for one in problems if not _suppressed(suppressions, one)]
    left += [*mistakes, *unused(suppressions)]
    return _findings(context.path, left, context.settings)


def _contexts(paths: Iterable[Path], settings: Settings) -> list[Context]:
    documents = {path.resolve(): read_document(path, settings.labels) for path in paths}
    beside: dict[Path, Beside] = {}
    contexts = []
    for resolved, document in documents.items():
        folder = folder_of(resolved)
        near = beside.setdefault(folder, Beside(folder, settings))
        contexts.append(Context(document, near, settings, documents))
    return contexts


def _alerts(contexts: Sequence[Context], settings: Settings) -> Iterator[Finding]:
    """The alert rules beside any of the documents, each once."""
    seen: dict[tuple[Path, int], Alert] = {}
    for context in contexts:
        if context.document.runbook.entries:
            seen.update({(one.file, one.line): one for one in context.beside.alerts})
    by_path = {context.path.resolve(): context for context in contexts}
    for alert, problem in on_links.check_alerts(seen.values(), by_path):
        suppressions, mistakes = read(alert.file.read_text(encoding="utf-8", errors="replace"))
        if not _suppressed(suppressions, problem):
            yield from _findings(_shown(alert.file), [problem, *mistakes], settings)


def _shown(path: Path) -> Path:
    """A path as a person in this folder would write it."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _suppressed(suppressions: Sequence[Suppression], problem: Problem) -> bool:
    covering = [one for one in suppressions if one.covers(RULES[problem.rule].id, problem.line)]
    for one in covering:
        one.used = True
    return bool(covering)


def _findings(path: Path, problems: Iterable[Problem], settings: Settings) -> list[Finding]:
    ignored = settings.ignored(path)
    found = {}
    for problem in problems:
        rule = RULES[problem.rule]
        if rule.id not in ignored:
            severity = settings.severity.get(rule.id, rule.severity)
            line = max(problem.line, 1)
            key = (rule.id, line, problem.reason)
            found[key] = Finding(path, line, rule, severity, problem.reason, problem.write)
    return list(found.values())
