"""A run as it happens: subscribes to the journal and writes a line a drill.

On a terminal the line of the drill under way is written over: its phase, what is being broken or
looked for, what was seen. Elsewhere (a CI log) each of these is a line of its own. Either way a
drill closes with its mark, its title, and its times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reports.text import clipped, first_line, gist, name_of, plain, seconds, shortened

MARKS = {"passed": "✓", "failed": "✗", "unproven": "-", "interrupted": "!"}
_COLOURS = {"passed": "32", "failed": "31", "unproven": "33", "interrupted": "33"}
_OVERWRITE = "\r\x1b[2K"
LEAST_WIDTH = 40
WIDEST = 125
"""A drill's times stand no further to the right than this."""
LOG_WIDTH = 200
"""Where there is no terminal, what was seen may take so much of a line."""


@dataclass
class _Drill:
    name: str
    title: str
    began_s: float
    witness: Mapping[str, Any] | None = None
    told: list[str] = field(default_factory=list)
    """What its closing line is followed by: lines that did not hold, findings."""
    blamed: set[str] = field(default_factory=set)
    """The errors that a line of the runbook is to blame for."""


class Live:
    """Call it with each event. ``write`` takes text as it is, line ends included."""

    def __init__(
        self, write: Callable[[str], None], tty: bool, width: Callable[[], int] = lambda: 100
    ) -> None:
        self._write, self._tty, self._width = write, tty, width
        self._runbook = "runbook.md"
        self._drills: dict[str | None, _Drill] = {}
        self._pending = False

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Show one event; those of an unknown name are left to the reports."""
        handle = getattr(self, f"_on_{event['event']}", None)
        if handle is not None:
            handle(event)

    # --- the run -----------------------------------------------------------------------------
    def _on_RunStarted(self, event: Mapping[str, Any]) -> None:  # noqa: N802 - the event's name
        self._runbook = str(event["runbook"])
        self._line(
            f"run {event['run_id']}: {self._runbook} on {event['platform']}, seed {event['seed']}"
        )

    def _on_ImageChosen(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        whose = f"stands in for {event['official']}" if event["stand_in"] else "official"
        self._line(f"  image  {event['kind']:<10}  {event['reference']} ({whose})")

    def _on_StackReady(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        services = ", ".join(event["services"])
        took = seconds(event["took_s"])
        self._line(f"  stack  ready in {took}, project {event['project']}: {services}")

    def _on_MonitoringReady(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        services = ", ".join(event["services"])
        self._line(f"  monitoring  ready in {seconds(event['took_s'])}: {services}")

    def _on_RunEnded(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        if event["interrupted"]:
            self._line(f"interrupted after {seconds(event['t_s'])}")
        self._clear()

    # --- a drill -----------------------------------------------------------------------------
    def _on_DrillStarted(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        causes = " and ".join(str(claim["number"]) for claim in event["claims"])
        name = f"{event['entry']} cause {causes}" if causes else str(event["entry"])
        title = plain(str(event["title"])).rstrip(".")
        drill = _Drill(name, title, float(event["t_s"]))
        self._drills[event["drill"]] = drill
        if not self._tty:
            lane = f"[{event['lane'] + 1}] " if "lane" in event else ""
            self._line(f"  {lane}{drill.name}  {drill.title}")

    def _on_PhaseEntered(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._progress(event, str(event["phase"]), event["what"])

    def _on_FaultInjected(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._progress(event, "fault", f"in force: {event['saw']}")

    def _on_SymptomSeen(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        number, after = event["ref"]["number"], seconds(event["after_s"])
        less = f" (unproven: {event['unproven']})" if event.get("unproven") else ""
        self._progress(event, "symptom", f"{number} seen after {after}: {event['saw']}{less}")

    def _on_AlertFired(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._progress(event, "alert", f"after {seconds(event['after_s'])}: {event['saw']}")

    def _on_AlertResolved(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        after = seconds(event["after_s"])
        self._progress(event, "alert", f"{event['name']} over, {after} after the service was back")

    def _on_StepTaken(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        verb = "showed" if event["ok"] else "did not hold:"
        self._progress(event, "step", f"{event['ref']['number']} {verb} {event['saw']}")

    def _on_CommandUntyped(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        line = f"{event['ref']['kind']} {event['ref']['number']}"
        self._progress(event, "untyped", f"{line}: {event['command']}: {event['reason']}")

    def _on_Progress(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._line(str(event["text"]))

    def _on_LineNotExercised(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        line = f"{event['ref']['kind']} {event['ref']['number']}"
        self._progress(event, "unproven", f"{line}: {event['why']}")

    def _on_Recovered(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._progress(event, "recovered", f"{seconds(event['after_s'])} after the fix began")

    def _on_ClaimFailed(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._note(event, gist(event["message"]))
        if (drill := self._drills.get(event["drill"])) is not None:
            drill.blamed.add(str(event["error"]))

    def _on_FindingNoted(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        self._note(event, f"finding: {event['text']}")

    def _on_WitnessReport(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        if (drill := self._drills.get(event["drill"])) is not None:
            drill.witness = event

    def _on_DrillEnded(self, event: Mapping[str, Any]) -> None:  # noqa: N802
        drill = self._drills.pop(event["drill"], None)
        if drill is None:
            return
        outcome = str(event["outcome"])
        mark = self._coloured(MARKS.get(outcome, "?"), outcome)
        figures = self._figures(drill, event)
        room = min(self._columns(), WIDEST) - len(figures) - 6
        label = clipped(f"{drill.name:<12}  {drill.title}", room).ljust(room)
        self._line(f"  {mark} {label}  {figures}".rstrip())
        if outcome == "failed" and event["error"] not in drill.blamed:
            drill.told.append(f"{event['error']}: {gist(event['message'] or '')}")
        elif outcome == "unproven":
            drill.told.append(first_line(event["message"] or "") or outcome)
        elif outcome == "interrupted":
            drill.told.append(f"interrupted: {first_line(event['message'] or '')}".rstrip(": "))
        for told in drill.told:
            self._line(clipped(f"      {told}", self._columns()))

    # --- writing -----------------------------------------------------------------------------
    def _figures(self, drill: _Drill, event: Mapping[str, Any]) -> str:
        took = f"{seconds(event['took_s']):>8}"
        if drill.witness is None:
            return took
        seen = drill.witness
        detect, felt = seconds(seen["detect_s"]), seconds(seen["felt_s"])
        lost = "n/a" if seen["lost"] is None else seen["lost"]
        return f"detect {detect:>7}  felt {felt:>7}  lost {lost}  {took}"

    def _note(self, event: Mapping[str, Any], text: str) -> None:
        ref = event["ref"]
        words = " ".join(plain(text).split())
        told = f"{self._runbook}:{ref['line']}  {name_of(ref)}: {words}"
        drill = self._drills.get(event["drill"])
        if drill is None:
            self._line(clipped(f"      {told}", self._columns()))
        else:
            drill.told.append(told)

    def _progress(self, event: Mapping[str, Any], phase: str, what: str) -> None:
        drill = self._drills.get(event["drill"])
        if drill is None:
            return
        if self._tty:
            line = f"  … {drill.name:<12}  {phase:<9}  {shortened(what, self._columns())}"
            self._write(_OVERWRITE + clipped(line, self._columns() - 1))
            self._pending = True
        else:
            lane = f"[{event['lane'] + 1}] " if "lane" in event else ""
            at = f"{lane}{event['t_s'] - drill.began_s:8.2f} s"
            self._line(f"    {at}  {phase:<9}  {shortened(what, self._columns() - 27)}")

    def _line(self, text: str) -> None:
        self._clear()
        self._write(text + "\n")

    def _clear(self) -> None:
        if self._pending:
            self._write(_OVERWRITE)
            self._pending = False

    def _columns(self) -> int:
        return max(self._width(), LEAST_WIDTH) if self._tty else LOG_WIDTH

    def _coloured(self, text: str, outcome: str) -> str:
        if not self._tty or outcome not in _COLOURS:
            return text
        return f"\x1b[{_COLOURS[outcome]}m{text}\x1b[0m"
