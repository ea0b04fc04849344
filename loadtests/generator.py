"""Locust as a subprocess that never outlives whoever started it.

It patches sockets and threads of the process it is imported into, so it gets one of its own, in a
process group of its own. Three things end it: ``stop``; the pipe it watches, which closes when
this process is gone, however it went; and a signal to its whole group, for what is left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from drillbook.machine import environment
from drillbook.platforms.compose.stack import free_ports
from loadtests import stream
from loadtests.stream import Row

ROOT = Path(__file__).resolve().parent.parent
LOCUSTFILE = ROOT / "loadtests" / "locustfile.py"
STOP_DEADLINE_S = 20.0
KILL_DEADLINE_S = 5.0
USER_CLASSES = {"open": "CustomersArriving", "closed": "PatientCustomer"}


class GeneratorError(Exception):
    """The load generator could not be started, or ended by itself; with what it said."""


@dataclass(frozen=True)
class Plan:
    """What is asked of the generator."""

    host: str
    directory: Path
    shape: str = "steady"
    users: int = 20
    duration_s: float = 30.0
    pace_per_s: float = 5.0
    model: str = "open"
    seed: int = 0
    processes: int = 0
    hold: bool = False
    step_s: float = 5.0
    searches: int = 1
    """For the knee, taking turns."""
    objectives: Path | None = None
    only: str = ""
    """Ask for this endpoint alone."""
    web_port: int | None = None
    """Locust's own page instead of starting at once."""

    @property
    def stream(self) -> Path:
        """Where the generator writes what it sees."""
        return self.directory / stream.FILE_NAME

    @property
    def log(self) -> Path:
        """What Locust itself has to say."""
        return self.directory / "locust.log"

    def arguments(self, lifeline: int) -> list[str]:
        """Locust's command line."""
        told = {
            "-f": LOCUSTFILE,
            "--host": self.host,
            "--shape": self.shape,
            "--customers": self.users,
            "--duration-s": self.duration_s,
            "--pace-per-s": self.pace_per_s,
            "--seed": self.seed,
            "--step-s": self.step_s,
            "--searches": self.searches,
            "--stream": self.stream.absolute(),
            "--lifeline": lifeline,
            "--stop-timeout": 0,
        }
        if self.only:
            told["--only"] = self.only
        if self.objectives is not None:
            told["--objectives"] = self.objectives.absolute()
        if self.processes:
            (port,) = free_ports(1)
            told |= {"--processes": self.processes, "--master-bind-host": "127.0.0.1"}
            told |= {"--master-bind-port": port, "--master-port": port}
        if self.web_port is not None:
            told |= {"--web-host": "127.0.0.1", "--web-port": self.web_port}
        flags = ["--hold"] if self.hold else []
        flags += ["--headless"] if self.web_port is None else ["--autostart"]
        words = [str(word) for pair in told.items() for word in pair]
        return [*words, *flags, "--only-summary", USER_CLASSES[self.model]]


@dataclass
class Generator:
    """A running generator. ``rows`` gives what it writes as it writes it."""

    plan: Plan
    _process: subprocess.Popen[bytes] | None = None
    _lifeline: int = -1
    _read: str = ""
    _file: TextIO | None = None
    _log: list[int] = field(default_factory=list)

    def start(self) -> None:
        """Start Locust. Raises OSError or GeneratorError where that cannot be done."""
        self.plan.directory.mkdir(parents=True, exist_ok=True)
        try:
            self.plan.stream.touch(exist_ok=False)
        except FileExistsError:
            told = f"{self.plan.directory} holds a run already; two would be taken for one"
            raise GeneratorError(told) from None
        reading, self._lifeline = os.pipe()
        with self.plan.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "locust", *self.plan.arguments(reading)],
                cwd=ROOT,
                env={**environment.python(), "HOME": environment.NO_HOME},  # has no .locust.conf
                pass_fds=[reading],
                start_new_session=True,  # Ctrl-C is for us to pass on, once
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        os.close(reading)
        self._file = self.plan.stream.open(encoding="utf-8")

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def rows(self) -> Iterator[Row]:
        """The whole rows written since the last time. Raises ValueError for what is none."""
        if self._file is None:
            return
        self._read += self._file.read()
        *whole, self._read = self._read.split("\n")
        for text in whole:
            if text:
                yield stream.parse(text)

    def require_well(self) -> None:
        """Raise GeneratorError where it has ended with an error."""
        if self._process is None:
            raise GeneratorError("the load generator was never started")
        status = self._process.poll()
        # 1 is Locust's own word for "some requests failed", which the objectives judge
        if status not in (None, 0, 1):
            raise GeneratorError(f"the load generator ended with {status}; it said:\n{self.said()}")

    def said(self) -> str:
        """The last lines of Locust's own log."""
        text = self.plan.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.strip().splitlines()[-12:])

    def stop(self) -> None:
        """End it: politely, so that answers under way are counted; then for good."""
        if self._process is None:
            return
        if self.running:
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=STOP_DEADLINE_S)
        _kill_group(self._process.pid)
        self._process.wait(timeout=KILL_DEADLINE_S)
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def close(self) -> None:
        """Stop it, and close the stream."""
        self.stop()
        if self._file is not None:
            self._file.close()
            self._file = None

    def await_row(self, kind: type[Row], deadline_s: float) -> Row:
        """Wait until it has written a row of a kind. Raises GeneratorError."""
        until_s = time.monotonic() + deadline_s
        while time.monotonic() < until_s:
            for row in self.rows():
                if isinstance(row, kind):
                    return row
            self.require_well()
            if not self.running:
                break
            time.sleep(0.05)
        told = f"the load generator wrote no {kind.__name__} row in {deadline_s:.0f} s"
        raise GeneratorError(f"{told}; it said:\n{self.said()}")


def _kill_group(leader: int) -> None:
    """Kill what is left of a process group; its leader may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
