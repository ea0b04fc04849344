"""What a person, a CI system and a program read of a look: lines, JUnit, JSON, a text file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from probes.catalogue import Probe
from probes.provenance import Provenance
from probes.states import Outcome, Result
from probes.watch import Watch

SCHEMA = "drillbook/probes/1"
MARKS: Mapping[Outcome, str] = {"up": "✓", "down": "✗", "unknown": "?"}
SAW = 160


def line(result: Result, provenance: Provenance) -> str:
    """One line of a probe: what it saw, and which drill vouches for it."""
    vouched = str(provenance) if provenance.fired else "unproven"
    took = f"{result.took_s * 1000:.0f} ms" if result.took_s else ""
    name = f"{result.probe.entry:<4} {result.probe.name}"
    first = f"  {MARKS[result.outcome]} {name:<30} {result.outcome:<8}{took:>8}  {vouched}"
    if result.outcome == "up":
        return first
    return f"{first}\n       {_cut(result.saw)}"


def listing(watch: Watch) -> str:
    """What would be asked of a target, by whom it is judged, and what vouches for that."""
    lines = [f"{watch.state.name}  {watch.url}"]
    for probe in watch.probes:
        lines.append(f"  {probe.entry:<4} {probe.name}")
        lines += [f"         asks      {one}" for one in _asks(probe, watch)]
        fires = "is down unless" if probe.wants_it else "is down if"
        lines.append(f"         {fires} {probe.what}")
        lines.append(f"         detector  {probe.detector}")
        lines.append(f"         {watch.provenance[probe.name]}")
    return "\n".join(lines)


def _asks(probe: Probe, watch: Watch) -> list[str]:
    if probe.journey and watch.prober.journey is not None:
        return [f"{step.method} {watch.url}{step.path}" for step in watch.prober.journey.steps]
    return [str(one) for one in probe.requests] or ["a real browser"]


def led_to(results: Sequence[Result], watch: Watch) -> list[str]:
    """The entries to follow: those of probes that are down."""
    entries = dict.fromkeys(one.probe.entry for one in results if one.outcome == "down")
    return [follow(entry, watch) for entry in entries]


def follow(entry: str, watch: Watch) -> str:
    """An entry in words, with its place in the runbook."""
    known = watch.runbook.entries.get(entry)
    if known is None:
        return entry
    path = watch.runbook.path.name
    return f"{entry} {known.title}: {path}:{known.line} ({path}#{known.anchor})"


def as_json(looked: Sequence[tuple[Watch, Sequence[Result]]]) -> str:
    """A look at some targets, for programs."""
    document = {
        "schema": SCHEMA,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "targets": [_target(watch, results) for watch, results in looked],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _target(watch: Watch, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "name": watch.state.name,
        "url": watch.url,
        "maintenance": watch.counts.maintenance,
        "probes": [_probe(one, watch.provenance[one.probe.name]) for one in results],
    }


def _probe(result: Result, provenance: Provenance) -> dict[str, Any]:
    probe, exchange = result.probe, result.exchange
    return {
        "name": probe.name,
        "entry": probe.entry,
        "lines": list(probe.lines),
        "outcome": result.outcome,
        "saw": result.saw,
        "because": result.because,
        "took_s": round(result.took_s, 5),
        "status": exchange.status if exchange else None,
        "phases_s": {name: round(s, 5) for name, s in exchange.phases_s.items()}
        if exchange
        else {},
        "detector": probe.detector,
        "proven_by": asdict(provenance.fired) if provenance.fired else None,
        "unproven": provenance.unproven,
    }


def junit(looked: Sequence[tuple[Watch, Sequence[Result]]]) -> str:
    """A look as a list of tests: a suite a target, a case a probe. Unknown is skipped."""
    root = ET.Element("testsuites", name="probes")
    for watch, results in looked:
        counts = {outcome: sum(one.outcome == outcome for one in results) for outcome in MARKS}
        suite = ET.SubElement(
            root,
            "testsuite",
            name=watch.state.name,
            tests=str(len(results)),
            failures=str(counts["down"]),
            skipped=str(counts["unknown"]),
            errors="0",
            time=f"{sum(one.took_s for one in results):.3f}",
        )
        for one in results:
            _case(suite, one, watch)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, result: Result, watch: Watch) -> None:
    probe = result.probe
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"{watch.state.name}.{probe.entry}",
        name=probe.name,
        time=f"{result.took_s:.3f}",
    )
    saw = _printable(result.saw)
    if result.outcome == "down":
        ET.SubElement(case, "failure", message=saw).text = follow(probe.entry, watch)
    elif result.outcome == "unknown":
        ET.SubElement(case, "skipped", message=saw)
    ET.SubElement(case, "system-out").text = f"{watch.provenance[probe.name]}\n{saw}"


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _printable(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(one if one.isprintable() or one in "\n\t" else "�" for one in text)


def _cut(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= SAW else f"{words[:SAW]} …"
