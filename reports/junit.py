"""The run as JUnit XML: a test case a drill, its verdicts as properties.

The dialect is the one that GitHub's and GitLab's test reports and Jenkins' junit step share: one
suite in ``testsuites``, properties first, then test cases, no element of our own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET  # writes only; nothing is parsed

from reports.run import Drill
from reports.story import tell
from reports.text import cut, first_line, gist, name_of, plain
from reports.verdicts import Judgement, Verdict

LONGEST_OUTPUT = 20_000


def render(judgement: Judgement) -> str:
    """The XML document, as text."""
    run = judgement.run
    drills = run.drills
    count = {
        "tests": len(drills),
        "failures": sum(drill.outcome == "failed" for drill in drills),
        "errors": sum(drill.outcome == "interrupted" for drill in drills),
        "skipped": sum(drill.outcome == "unproven" for drill in drills),
    }
    figures = {name: str(number) for name, number in count.items()}
    figures["time"] = _time(run.last_s)
    root = ET.Element("testsuites", {"name": "drillbook", **figures})
    began_at = float(run.started.get("at", 0.0))
    stamp = datetime.fromtimestamp(began_at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = ET.SubElement(root, "testsuite", {"name": "drillbook", "timestamp": stamp, **figures})
    _properties(suite, _suite_properties(judgement))
    by_drill = _by_drill(judgement.verdicts)
    for drill in drills:
        _case(suite, drill, by_drill[drill.nodeid])
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, drill: Drill, verdicts: Mapping[str, str]) -> None:
    module = drill.file.removesuffix(".py").replace("/", ".")
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": module,
            "name": _xml(drill.function),
            "file": _xml(drill.file),
            "time": _time(drill.took_s),
        },
    )
    _properties(case, {**_drill_properties(drill), **verdicts})
    told = _xml(drill.message or "")
    if drill.outcome == "failed":
        what = {"type": drill.error or "DrillError", "message": _xml(gist(told) or drill.title)}
        ET.SubElement(case, "failure", what).text = told
    elif drill.outcome == "interrupted":
        what = {"type": drill.error or "Interrupted", "message": first_line(told) or "interrupted"}
        ET.SubElement(case, "error", what).text = told
    elif drill.outcome == "unproven":
        ET.SubElement(case, "skipped", {"message": first_line(told) or "unproven"})
    ET.SubElement(case, "system-out").text = _xml(cut(_story(drill), LONGEST_OUTPUT))


def _suite_properties(judgement: Judgement) -> dict[str, str]:
    run = judgement.run
    found = {
        "run": run.run_id,
        "platform": ", ".join(run.platforms),
        "seed": run.started.get("seed", ""),
        "runbook": run.started.get("runbook", ""),
        **{f"image.{image['kind']}": image["reference"] for image in run.images},
        **{f"lines.{word}": number for word, number in judgement.totals.items()},
    }
    return {name: str(value) for name, value in found.items()}


def _drill_properties(drill: Drill) -> dict[str, str]:
    found: dict[str, Any] = {"title": drill.title, "platform": drill.platform}
    found["causes"] = ", ".join(name_of(claim) for claim in drill.claims)
    for figure in ("detect_s", "felt_s", "requests", "failed", "acknowledged", "lost"):
        if drill.witness is not None and drill.witness.get(figure) is not None:
            found[figure] = drill.witness[figure]
    return {name: str(value) for name, value in found.items()}


def _by_drill(verdicts: Sequence[Verdict]) -> Mapping[str, dict[str, str]]:
    """For each drill, the verdict on each line of which it says something."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for verdict in verdicts:
        for evidence in verdict.evidence:
            found[evidence.drill.nodeid][f"verdict.{verdict.name}"] = verdict.word
    return found


def _story(drill: Drill) -> str:
    """What happened in a drill, and the transcripts of what was typed."""
    told: list[str] = []
    for moment in tell(drill):
        phase = f"{moment.phase}: " if moment.phase else ""
        told.append(f"{moment.at_s:+8.2f} s  {phase}{moment.text}")
        if moment.transcript:
            told.append(moment.transcript.rstrip())
    return "\n".join(told)


def _properties(parent: ET.Element, properties: Mapping[str, str]) -> None:
    element = ET.SubElement(parent, "properties")
    for name, value in properties.items():
        ET.SubElement(element, "property", {"name": name, "value": _xml(value)})


def _xml(text: str) -> str:
    return plain(text)


def _time(value: float) -> str:
    return f"{value:.3f}"
