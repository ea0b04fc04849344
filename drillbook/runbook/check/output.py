"""Findings as people and programs want them: text, JSON, SARIF, JUnit, GitHub's annotations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from drillbook.runbook.check.findings import RULES, Finding, Severity

Format = Callable[[Sequence[Finding], Sequence[Path]], str]


def text(findings: Sequence[Finding], paths: Sequence[Path]) -> str:
    """A line a finding, and how many there are."""
    lines = [
        f"{_at(one)}: {one.severity} {one.rule.id} {one.rule.name}: {_words(one)}"
        for one in findings
    ]
    return "\n".join([*lines, _summary(findings, paths)]) + "\n"


def as_json(findings: Sequence[Finding], paths: Sequence[Path]) -> str:
    """A list of findings."""
    del paths
    rows = [
        {
            "path": str(one.path),
            "line": one.line,
            "rule": one.rule.id,
            "name": one.rule.name,
            "severity": one.severity,
            "reason": one.reason,
            "write": one.write,
        }
        for one in findings
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def sarif(findings: Sequence[Finding], paths: Sequence[Path]) -> str:
    """SARIF 2.1.0, for code scanning."""
    del paths
    rules = sorted({one.rule.id: one.rule for one in findings}.values(), key=lambda rule: rule.id)
    levels = {"error": "error", "warning": "warning", "info": "note"}
    results = [
        {
            "ruleId": one.rule.id,
            "level": levels[one.severity],
            "message": {"text": _words(one)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": one.path.as_posix()},
                        "region": {"startLine": one.line},
                    }
                }
            ],
        }
        for one in findings
    ]
    driver = {
        "name": "drillbook check",
        "rules": [
            {"id": one.id, "name": one.name, "shortDescription": {"text": one.summary}}
            for one in rules
        ],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    runs = [{"tool": {"driver": driver}, "results": results}]
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": runs}, indent=2) + "\n"


def junit(findings: Sequence[Finding], paths: Sequence[Path]) -> str:
    """A suite a file, a failed case a finding; a file without findings has one case that passed."""
    root = ET.Element("testsuites", name="drillbook check", failures=str(len(findings)))
    by_path: dict[str, list[Finding]] = {str(path): [] for path in paths}
    for finding in findings:
        by_path.setdefault(str(finding.path), []).append(finding)
    for path, own in sorted(by_path.items()):
        tests = str(max(len(own), 1))
        suite = ET.SubElement(root, "testsuite", name=path, tests=tests, failures=str(len(own)))
        for one in own:
            name = f"{one.rule.id} {one.rule.name} line {one.line}"
            case = ET.SubElement(suite, "testcase", classname=path, name=name, file=path)
            case.set("line", str(one.line))
            failure = ET.SubElement(case, "failure", message=_clean(one.reason), type=one.severity)
            failure.text = _clean(f"{_at(one)}\n{one.write}")
        if not own:
            ET.SubElement(suite, "testcase", classname=path, name="reads well", file=path)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def github(findings: Sequence[Finding], paths: Sequence[Path]) -> str:
    """Annotations of a GitHub workflow, and the number of findings."""
    levels = {"error": "error", "warning": "warning", "info": "notice"}
    lines = []
    for one in findings:
        where = f"file={_property(one.path.as_posix())},line={one.line}"
        title = _property(f"{one.rule.id} {one.rule.name}")
        words = _data(_words(one))
        lines.append(f"::{levels[one.severity]} {where},title={title}::{words}")
    return "\n".join([*lines, _summary(findings, paths)]) + "\n"


def statistics(findings: Sequence[Finding]) -> str:
    """How often each rule found something, the most frequent first."""
    counts = Counter(finding.rule for finding in findings)
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0].id))
    width = max((len(str(number)) for _, number in rows), default=1)
    return "".join(
        f"{number:>{width}}  {rule.id} {rule.name:<20} {rule.summary}\n" for rule, number in rows
    )


def rules() -> str:
    """All rules, for those who ask for them."""
    return "".join(
        f"{rule.id}  {rule.severity:<8} {rule.name:<20} {rule.summary}\n" for rule in RULES.values()
    )


FORMATS: Mapping[str, Format] = {
    "text": text,
    "json": as_json,
    "sarif": sarif,
    "junit": junit,
    "github": github,
}


def _words(finding: Finding) -> str:
    return f"{finding.reason}. {finding.write}".strip()


def _at(finding: Finding) -> str:
    return f"{finding.path}:{finding.line}"


def _summary(findings: Sequence[Finding], paths: Sequence[Path]) -> str:
    files = f"{len(paths)} file{'' if len(paths) == 1 else 's'}"
    if not findings:
        return f"{files} checked: nothing to say"
    counts = Counter(finding.severity for finding in findings)
    words: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "hint"}
    listed = [
        f"{counts[key]} {word}{'' if counts[key] == 1 else 's'}"
        for key, word in words.items()
        if counts[key]
    ]
    return f"{files} checked: {', '.join(listed)}"


def _clean(words: str) -> str:
    """Without what XML cannot hold."""
    return "".join(
        one if one >= " " or one in "\t\n" else "\N{REPLACEMENT CHARACTER}" for one in words
    )


def _data(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")
