"""What the load generator tells, while it runs: a JSON object a line, flushed as it is written.

Everything said of a run is computed from this file, so a run that is cut short keeps what it
measured, and any run can be reported again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

FILE_NAME = "load.jsonl"


@dataclass(frozen=True)
class Row:
    """Base of all lines; the class name is the line's kind."""


@dataclass(frozen=True)
class Started(Row):
    """The generator begins: what it was asked for."""

    at: float
    host: str
    shape: str
    users: int
    duration_s: float
    pace_per_s: float
    model: str
    workers: int
    seed: int
    shares: dict[str, float]
    """Of all requests, the share of each endpoint."""


@dataclass(frozen=True)
class Counted(Row):
    """Requests to one endpoint that were due in one second. Several rows of a second add up."""

    second: int
    name: str
    served: dict[int, int]
    """Latencies of what was answered as it should be, in buckets of ``loadtests.histogram``."""
    failed: dict[int, int] = field(default_factory=dict)
    """Latencies of what was answered otherwise, or not at all."""
    errors: dict[str, int] = field(default_factory=dict)
    late: dict[int, int] = field(default_factory=dict)
    """How late the generator itself sent them: its own share of the latency."""


@dataclass(frozen=True)
class Level(Row):
    """How much is asked for from this moment on, and by whom."""

    at: float
    users: int
    asked_per_s: float
    workers: int


@dataclass(frozen=True)
class Used(Row):
    """Processor time that one process of the generator has used since it last told."""

    at: float
    who: str
    cpu_s: float


@dataclass(frozen=True)
class Tried(Row):
    """A step of the search for the knee, and whether the objectives held.

    ``search`` tells several searches apart; ``counts`` says that the knee is made of it.
    """

    at: float
    users: int
    asked_per_s: float
    answered_per_s: float
    p99_ms: float | None
    held: bool
    why: str
    search: int = 0
    counts: bool = False


@dataclass(frozen=True)
class WorkerLost(Row):
    """A worker fell silent: what it measured in its last seconds is missing."""

    at: float
    who: str
    left: int


@dataclass(frozen=True)
class Ended(Row):
    """The generator ends, having waited for the answers under way."""

    at: float
    why: str


_KINDS: dict[str, type[Row]] = {
    kind.__name__: kind for kind in (Started, Counted, Level, Used, Tried, WorkerLost, Ended)
}


def write(file: TextIO, row: Row) -> None:
    """Append one row. Raises OSError (a full disk, say)."""
    file.write(json.dumps({"row": type(row).__name__, **asdict(row)}) + "\n")
    file.flush()


def numbered(fields: dict[str, Any]) -> Counted:
    """A ``Counted`` whose buckets became text on their way. Raises TypeError, ValueError."""
    for name in ("served", "failed", "late"):
        fields[name] = {int(number): count for number, count in fields.get(name, {}).items()}
    return Counted(**fields)


def parse(text: str) -> Row:
    """One line. Raises ValueError where it is none of ours."""
    fields = json.loads(text)
    kind = _KINDS.get(fields.pop("row", "")) if isinstance(fields, dict) else None
    if kind is None:
        raise ValueError(f"no row of a load run: {text[:80]}")
    try:
        return numbered(fields) if kind is Counted else kind(**fields)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"no {kind.__name__} row: {text[:80]}") from error


def read(path: Path) -> Iterator[Row]:
    """All rows; a last line cut short by a kill is left out.

    Raises OSError, and ValueError naming the line where an earlier one is malformed.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, text in enumerate(lines, 1):
        if not text:
            continue
        try:
            yield parse(text)
        except ValueError as error:
            if number == len(lines):
                return
            raise ValueError(f"{path}:{number}: {error}") from error
