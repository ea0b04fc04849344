"""Contradicted and changed lines as SARIF 2.1.0, which code review shows where they stand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reports.text import plain
from reports.verdicts import Judgement, Verdict

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = Path(__file__).parents[1]

_RULES: dict[str, dict[str, Any]] = {
    "contradicted": {
        "id": "contradicted",
        "name": "RunbookLineContradicted",
        "shortDescription": {"text": "A drill found that this line of the runbook does not hold"},
        "help": {
            "text": "Correct the line so that it says what the drill saw, or mend the service; "
            "then run its drill again."
        },
        "defaultConfiguration": {"level": "error"},
    },
    "changed": {
        "id": "changed",
        "name": "RunbookLineChanged",
        "shortDescription": {
            "text": "These are not the words of this line that were read against its drill"
        },
        "help": {
            "text": "Read the new words against the entry's drill, then record them: "
            "./run drills ENTRY --lock."
        },
        "defaultConfiguration": {"level": "warning"},
    },
}


def render(judgement: Judgement) -> str:
    """The SARIF document, as text; no results where every line is proven or unproven."""
    run = judgement.run
    uri, base = _location(judgement.runbook.path)
    results = [_result(one, uri, base) for one in judgement.here if one.word in _RULES]
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "drillbook", "rules": list(_RULES.values())}},
                "automationDetails": {"id": f"drillbook/{run.run_id}"},
                "invocations": [{"executionSuccessful": run.whole}],
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _result(verdict: Verdict, uri: str, base: dict[str, str]) -> dict[str, Any]:
    line = verdict.line
    told = plain(f"{line.name} ({verdict.platform}) is {verdict.word}: {verdict.why}")
    if verdict.word == "changed" and verdict.read is not None:
        told += plain(f"\n\nread: {verdict.read}\n\nnow:  {line.text}")
    return {
        "ruleId": verdict.word,
        "ruleIndex": list(_RULES).index(verdict.word),
        "level": _RULES[verdict.word]["defaultConfiguration"]["level"],
        "message": {"text": told},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri, **base},
                    "region": {"startLine": line.line},
                },
                "logicalLocations": [{"name": line.name, "kind": "element"}],
            }
        ],
        # The line number may move; what was said of which words on which platform does not.
        "partialFingerprints": {
            "runbookLine/v1": f"{line.name}:{line.digest}:{verdict.platform}:{verdict.word}"
        },
    }


def _location(path: Path) -> tuple[str, dict[str, str]]:
    """Relative to the repository where the runbook is part of it, as code hosts ask."""
    whole = path.resolve()
    if whole.is_relative_to(ROOT):
        return quote(os.fsencode(whole.relative_to(ROOT))), {"uriBaseId": "%SRCROOT%"}
    return whole.as_uri(), {}
