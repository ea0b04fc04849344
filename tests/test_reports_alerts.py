"""What the reports say of alerts, and of findings that several drills share."""

from __future__ import annotations

from typing import Any

from reports import live, run, story
from reports.verdicts import _alerts_json

REF = {"entry": "3.1", "kind": "symptom", "number": 1, "line": 7, "digest": "d", "text": "t"}


def event(kind: str, t_s: float, drill: str | None = "d", **fields: Any) -> dict[str, Any]:
    return {"event": kind, "at": 1e9 + t_s, "t_s": t_s, "drill": drill, **fields}


def journal() -> list[dict[str, Any]]:
    started: dict[str, Any] = {"title": "It broke.", "entry": "3.1", "claims": []}
    fired: dict[str, Any] = {"name": "DatabaseDown", "entry": "3.1", "saw": "down", "others": ""}
    return [
        event("MonitoringReady", 0, None, took_s=9.0, services=["prometheus", "cadvisor"]),
        event("DrillStarted", 1, platform="compose", **started),
        event("AlertFired", 2, after_s=3.2, **fired),
        event("FindingNoted", 3, ref=REF, text="the same"),
        event("FindingNoted", 4, ref=REF, text="the same"),
        event("FindingNoted", 4, ref=REF, text="another"),
        event("AlertResolved", 5, name="DatabaseDown", entry="3.1", after_s=8.5),
    ]


def test_an_alert_of_a_drill_is_told_with_its_times() -> None:
    [drill] = run.assemble(journal()).drills
    assert _alerts_json(drill) == [
        {"name": "DatabaseDown", "entry": "3.1", "after_s": 3.2, "over_after_s": 8.5}
    ]
    told = [moment.text for moment in story.tell(drill)]
    assert told == [
        "alert after 3.20 s: down",
        "alert DatabaseDown over, 8.50 s after the service was back",
    ]


def test_a_finding_that_drills_share_is_told_once() -> None:
    assert [one["text"] for one in run.assemble(journal()).findings] == ["the same", "another"]


def test_alerts_and_what_watches_show_while_it_runs() -> None:
    written: list[str] = []
    shown = live.Live(written.append, False, lambda: 120)
    for one in journal():
        shown(one)
    text = "".join(written)
    assert "monitoring  ready in 9.00 s: prometheus, cadvisor" in text
    assert "alert      after 3.20 s: down" in text
    assert "DatabaseDown over, 8.50 s after the service was back" in text
