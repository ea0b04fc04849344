"""The run as JUnit XML: a suite an entry, a test case a drill, verdicts as the suite's properties.

The dialect is the strictest of those in use (the schema that Jenkins' xUnit plugin checks against),
which GitHub's and GitLab's test reports and Jenkins' junit step read as well: properties stand in
suites only, and a test case has no attributes but its name, class and time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET  # writes only; nothing is parsed

from reports.run import Drill
from reports.story import tell
from reports.text import clipped, cut, first_line, gist, name_of, plain
from reports.verdicts import Judgement

LONGEST_OUTPUT = 20_000
LONGEST_ATTRIBUTE = 2_000
FIGURES = ("detect_s", "felt_s", "requests", "failed", "acknowledged", "lost")


def render(judgement: Judgement) -> str:
    """The XML document, as text."""
    drills = judgement.run.drills
    counts = _counts(drills)
    del counts["skipped"]  # the root has no such attribute
    root = ET.Element("testsuites", {"name": "drillbook", **counts})
    titles = {one.number: one.title for one in judgement.runbook.entries.values()}
    for entry, mine in judgement.run.by_entry.items():
        name = f"{entry} {titles.get(entry, '')}".strip()
        suite = ET.SubElement(
            root, "testsuite", {"name": name, "timestamp": _stamp(mine[0].at), **_counts(mine)}
        )
        _properties(suite, _suite_properties(judgement, entry, mine))
        for drill in mine:
            _case(suite, drill)
    _make_well_formed(root)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _make_well_formed(root: ET.Element) -> None:
    """Leave nothing in any text or attribute that XML has no place for, or no reader."""
    for element in root.iter():
        if element.text:
            element.text = cut(plain(element.text), LONGEST_OUTPUT)
        for name, value in element.attrib.items():
            element.set(name, clipped(plain(value), LONGEST_ATTRIBUTE))


def _case(suite: ET.Element, drill: Drill) -> None:
    module = drill.file.removesuffix(".py").replace("/", ".")
    told = drill.message or ""
    case = ET.SubElement(
        suite,
        "testcase",
        {"classname": module, "name": drill.function, "time": _time(drill.took_s)},
    )
    if drill.outcome == "failed":
        what = {"type": drill.error or "DrillError", "message": gist(told) or drill.title}
        ET.SubElement(case, "failure", what).text = told
    elif drill.outcome == "interrupted":
        what = {"type": "Interrupted", "message": f"interrupted: {first_line(told)}".rstrip(": ")}
        ET.SubElement(case, "error", what).text = told
    elif drill.outcome == "unproven":
        ET.SubElement(case, "skipped", {"message": first_line(told) or "unproven"})
    ET.SubElement(case, "system-out").text = _story(drill)


def _counts(drills: Sequence[Drill]) -> dict[str, str]:
    return {
        "tests": str(len(drills)),
        "failures": str(sum(drill.outcome == "failed" for drill in drills)),
        "errors": str(sum(drill.outcome == "interrupted" for drill in drills)),
        "skipped": str(sum(drill.outcome == "unproven" for drill in drills)),
        "time": _time(sum(drill.took_s for drill in drills)),
    }


def _suite_properties(
    judgement: Judgement, entry: str, drills: Iterable[Drill]
) -> Mapping[str, object]:
    """The run, the verdict on each line of the entry, and what each of its drills measured."""
    run = judgement.run
    found: dict[str, object] = {
        "run": run.run_id,
        "seed": run.started.get("seed", ""),
        "runbook": run.started.get("runbook", ""),
        **{f"image.{image['kind']}": image["reference"] for image in run.images},
    }
    for verdict in judgement.by_entry.get(entry, []):
        if verdict.here:
            found[f"verdict.{verdict.platform}.{verdict.name}"] = verdict.word
    for drill in drills:
        found[f"{drill.function}.title"] = drill.title
        found[f"{drill.function}.causes"] = ", ".join(name_of(claim) for claim in drill.claims)
        for figure in FIGURES:
            if drill.witness is not None and drill.witness.get(figure) is not None:
                found[f"{drill.function}.{figure}"] = drill.witness[figure]
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


def _properties(parent: ET.Element, properties: Mapping[str, object]) -> None:
    element = ET.SubElement(parent, "properties")
    for name, value in properties.items():
        ET.SubElement(element, "property", {"name": name, "value": str(value)})


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _time(value: float) -> str:
    return f"{value:.3f}"
