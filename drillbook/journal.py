"""The append-only record of a run: one JSON object a line, and the only output tests produce.

Everything a report says is computed from this file, so every event carries what a reader needs
to check it: the runbook line it speaks of, what was seen, and for how long it was waited for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, Literal

from drillbook.runbook import Line

Phase = Literal["steady", "fault", "symptom", "step", "fix", "recovered", "residue"]
Outcome = Literal["passed", "failed", "unproven", "interrupted"]
Subscriber = Callable[[Mapping[str, Any]], None]

FILE_NAME = "journal.jsonl"
MASK = "********"


@dataclass(frozen=True)
class Ref:
    """A runbook line as it stood when the run read it (see ``drillbook.runbook.Line``)."""

    entry: str
    kind: str
    number: int
    line: int
    digest: str
    text: str

    @classmethod
    def to(cls, line: Line) -> Ref:
        """Refer to a parsed line of the runbook."""
        return cls(line.entry, line.kind, line.number, line.line, line.digest, line.text)


@dataclass(frozen=True)
class Event:
    """Base of everything a journal can hold; the class name is the event's name."""


@dataclass(frozen=True)
class RunStarted(Event):
    """The run's identity: enough to repeat it.

    ``own_runbook`` is what the drills were written against, whichever edition is drilled.
    """

    run_id: str
    argv: list[str]
    seed: int
    platform: str
    runbook: str
    runbook_digest: str
    versions: dict[str, str]
    host: dict[str, Any]
    own_runbook: str = ""


@dataclass(frozen=True)
class Progress(Event):
    """What a run says of itself between drills: an image that is built, a stack that starts."""

    text: str


@dataclass(frozen=True)
class ImageChosen(Event):
    """Which image of a kind the stack runs, and whether it stands in for the official one."""

    kind: str
    reference: str
    official: str
    stand_in: bool


@dataclass(frozen=True)
class StackReady(Event):
    """The stack is up and healthy."""

    took_s: float
    project: str
    services: dict[str, str]


@dataclass(frozen=True)
class MonitoringReady(Event):
    """What watches the stack runs, and Prometheus scrapes every target."""

    took_s: float
    services: list[str]


@dataclass(frozen=True)
class DrillStarted(Event):
    """A drill begins; ``claims`` are the causes it is about to bring into being."""

    title: str
    entry: str
    claims: list[Ref]
    platform: str


@dataclass(frozen=True)
class PhaseEntered(Event):
    """The drill turns to something new: what is being broken, looked for or typed now."""

    phase: Phase
    what: str


@dataclass(frozen=True)
class FaultInjected(Event):
    """The fault is in force; ``saw`` is how that was established."""

    what: str
    saw: str
    took_s: float


@dataclass(frozen=True)
class SymptomSeen(Event):
    """A documented symptom appeared ``after_s`` seconds after the fault.

    ``unproven`` is empty, or says why what was seen is not the whole of what the line says.
    ``detector`` is the function that saw it, or, where a command was typed, that command.
    ``written`` has the commands that were typed, as the line has them.
    """

    ref: Ref
    saw: str
    after_s: float
    unproven: str = ""
    detector: str = ""
    written: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StepTaken(Event):
    """A documented step was followed: typed as written, or, being prose, performed by code.

    ``written`` has the commands as the line has them, ``commands`` as they were typed, with
    placeholders filled in. ``instead_of`` is what the drill would have typed, where the line has
    other commands.
    """

    ref: Ref
    how: Literal["typed", "prose"]
    commands: list[str]
    ok: bool
    saw: str
    transcript: str
    took_s: float
    written: list[str] = field(default_factory=list)
    instead_of: str = ""


@dataclass(frozen=True)
class CommandUntyped(Event):
    """The line does not have the command that the drill types, and nothing of it was typed.

    ``command`` is what the line has in its place, empty where it has none; ``reason`` says why
    that was not typed.
    """

    ref: Ref
    wanted: str
    command: str
    reason: str


@dataclass(frozen=True)
class LineNotExercised(Event):
    """The drill came to a line that it could not try here, and ``why``."""

    ref: Ref
    why: str


@dataclass(frozen=True)
class FixApplied(Event):
    """The fix was carried out; ``ref`` is null where the runbook has no step that heals."""

    ref: Ref | None
    how: Literal["typed", "prose"]
    commands: list[str]
    transcript: str
    took_s: float
    written: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Recovered(Event):
    """Steady state holds and every symptom is gone, ``after_s`` seconds after the fix began."""

    after_s: float


@dataclass(frozen=True)
class ClaimFailed(Event):
    """A line of the runbook did not hold: this contradicts it."""

    ref: Ref
    error: str
    message: str


@dataclass(frozen=True)
class WitnessReport(Event):
    """What the drill cost its users, from requests they would have made.

    ``samples`` has each request: when it was sent (on the journal's clock), the ms that it took
    and whether it failed. ``lost`` is null where users write nothing.
    """

    detect_s: float | None
    felt_s: float
    requests: int
    failed: int
    latency_ms: dict[str, dict[str, float]]
    acknowledged: int
    lost: int | None
    samples: list[tuple[float, float, bool]] = field(default_factory=list)


@dataclass(frozen=True)
class AlertFired(Event):
    """The drill's own alert pages, ``after_s`` seconds after the fault, and leads to ``entry``.

    ``others`` are those that fire as well: of the same entry, expected, or held back.
    """

    name: str
    entry: str
    after_s: float
    saw: str
    others: str


@dataclass(frozen=True)
class AlertResolved(Event):
    """It no longer fires, ``after_s`` seconds after the service was back."""

    name: str
    entry: str
    after_s: float


@dataclass(frozen=True)
class FindingNoted(Event):
    """Something true about a runbook line that its reader should know."""

    ref: Ref
    text: str


@dataclass(frozen=True)
class DrillEnded(Event):
    """``held``: the drill reached *recovered*, with nothing lost and nothing left behind.

    A drill can hold and still fail, when a step it followed did not do what the runbook says.
    """

    outcome: Outcome
    held: bool
    error: str | None
    message: str | None
    took_s: float
    overhead_s: float


@dataclass(frozen=True)
class RunEnded(Event):
    """The run is over; ``exit_status`` is pytest's."""

    exit_status: int
    interrupted: bool


@dataclass
class Journal:
    """Writes events to a file, a line each, and hands them to subscribers.

    Every line is on its way to the disk when ``write`` returns, so that a run killed at any moment
    leaves a journal that is whole up to its last event. ``secrets`` are masked wherever they occur.
    """

    path: Path
    secrets: list[str] = field(default_factory=list)
    subscribers: list[Subscriber] = field(default_factory=list)
    drill: str | None = None
    _file: FileIO | None = None
    started_s: float = field(default_factory=time.monotonic)
    """The moment on the monotonic clock from which its events count."""

    def open(self) -> Journal:
        """Create the file and its folder. Raises OSError where that cannot be done."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)
        return self

    def clock_s(self, moment_s: float) -> float:
        """A moment of the monotonic clock, in seconds since the journal began."""
        return round(moment_s - self.started_s, 3)

    def write(self, event: Event) -> None:
        """Append one event.

        Raises OSError (a full disk, say) and closes the file, for nothing may follow on a line
        that was cut short: later events reach only the subscribers.
        """
        record: dict[str, Any] = {
            "event": type(event).__name__,
            "at": round(time.time(), 3),
            "t_s": round(time.monotonic() - self.started_s, 3),
            "drill": self.drill,
            **self._masked(asdict(event)),
        }
        self.copy(record)

    def copy(self, record: Mapping[str, Any]) -> None:
        """Append an event as another journal of the run has it. Raises OSError as ``write``."""
        # a lone surrogate, as of a file name that is no UTF-8, becomes a question mark
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
        if self._file is not None:
            try:
                _write_all(self._file, line + b"\n")
            except OSError:
                self.close()
                raise
        shown = json.loads(line)
        for subscriber in self.subscribers:
            subscriber(shown)

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            for secret in filter(None, self.secrets):
                value = value.replace(secret, MASK)
            return value
        if isinstance(value, Mapping):
            return {name: self._masked(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked(one) for one in value]
        return value

    def close(self) -> None:
        """Close the file; writing after this only reaches subscribers."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _write_all(file: FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) or 0 :]


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield a journal's events in order; a last line cut short by a kill is left out.

    Raises ValueError naming the line when any earlier one is no event.
    """
    lines = path.read_bytes().split(b"\n")  # the cut can be in the middle of a character
    for number, text in enumerate(lines, 1):
        if not text:
            continue
        try:
            record = json.loads(text)
        except ValueError as error:
            if number == len(lines):  # no newline after it: the writer was killed in mid-line
                return
            raise ValueError(f"{path}:{number}: not an event: {error}") from error
        if not isinstance(record, dict) or "event" not in record:
            raise ValueError(f"{path}:{number}: not an event: {text[:80]!r}")
        yield record
