"""Real runs, killed and interrupted in every phase: nothing is left, and what was seen is kept."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from drillbook import clean, reaper
from drillbook.journal import read
from drillbook.looking import until
from reports.__main__ import main as render

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[1]
OUTSIDE = dict(os.environ)  # before this session's own stack puts its settings there
PORTS = ("BACKEND_PORT", "HTTP_PORT", "HTTPS_PORT")
FAILED_TO_RUN, INTERRUPTED = 3, 2
STARTS_S = 180.0  # the first run of a machine builds the backend
GONE_S = 60.0
NOW_S = 0.005


def free_ports() -> dict[str, str]:
    """Ports that nobody listens on now, for a stack beside this session's own."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    numbers = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return dict(zip(PORTS, numbers, strict=True))


class EndedEarly(Exception):
    """A run ended before it came to where it was to be killed."""


class StartedRun:
    """``python -m drillbook 3.1 -k crashed`` in a process of its own, on ports of its own."""

    def __init__(self, directory: Path, *options: str, **environment: str) -> None:
        self.directory = directory
        self.ports = free_ports() | environment
        self.output = directory.with_suffix(".out")
        command = ["-m", "drillbook", "3.1", "-k", "crashed", f"--run-dir={directory}", *options]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**OUTSIDE, **self.ports},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    # --- what it says ------------------------------------------------------------------------
    @property
    def said(self) -> str:
        return self.output.read_text()

    def events(self, name: str = "") -> list[dict[str, Any]]:
        path = self.directory / "journal.jsonl"
        found = list(read(path)) if path.exists() else []
        return [one for one in found if name in ("", one["event"])]

    @property
    def project(self) -> str:
        [ready] = self.events("StackReady")
        return str(ready["project"])

    # --- what becomes of it ------------------------------------------------------------------
    def until_it_enters(self, phase: str) -> None:
        def look() -> str:
            entered = [one["phase"] for one in self.events("PhaseEntered")]
            if phase in entered:
                return phase
            if self.process.poll() is not None:
                raise EndedEarly(f"it never entered {phase}; it said:\n{self.said}")
            raise AssertionError(f"entered {entered}; it says:\n{self.said}")

        until(look, STARTS_S, every_s=NOW_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def kill_watch(self) -> None:
        wanted = f"drillbook.reaper\0{self.project}\0".encode()
        [pid] = [
            int(folder.name) for folder in Path("/proc").glob("[0-9]*") if wanted in cmdline(folder)
        ]
        os.kill(pid, signal.SIGKILL)

    def ended(self, within_s: float = STARTS_S) -> int:
        return self.process.wait(timeout=within_s)

    def end(self) -> None:
        """Whatever the test came to: nothing of it stays."""
        if self.process.poll() is None:
            self.kill()
        if self.events("StackReady") and self.project in reaper.projects():
            reaper.take_down(self.project)


def cmdline(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""  # it ended just now


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    start = Start(tmp_path)
    yield start
    for one in start.started:
        one.end()


class Start:
    """Starts runs, and ends them with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[StartedRun] = []

    def __call__(self, *options: str, **environment: str) -> StartedRun:
        directory = self.folder / f"run-{len(self.started) + 1}"
        run = StartedRun(directory, *options, **environment)
        self.started.append(run)
        return run


def is_gone(project: str) -> str:
    assert project not in reaper.projects(), f"{project} is still there"
    return "nothing is left"


def assert_its_journal_tells_how_far_it_got(run: StartedRun, phase: str) -> None:
    """Cut anywhere, it reads to its last event, and every report renders from it."""
    [started] = run.events("DrillStarted")
    assert started["entry"] == "3.1"
    assert phase in [one["phase"] for one in run.events("PhaseEntered")]
    assert run.events("RunEnded") == []
    assert render([str(run.directory)]) == 0
    for name in ("summary.md", "junit.xml", "verdicts.json", "report.html"):
        assert (run.directory / name).stat().st_size > 0, name


# --- SIGKILL -----------------------------------------------------------------------------------
@pytest.mark.parametrize("phase", ["steady", "symptom", "fix"])
def test_a_killed_run_is_cleared_up_behind_it(start: Start, phase: str) -> None:
    run = start()
    run.until_it_enters(phase)
    run.kill()
    until(lambda: is_gone(run.project), GONE_S, every_s=0.2)
    assert_its_journal_tells_how_far_it_got(run, phase)


def test_what_is_killed_with_its_watch_is_cleared_up_by_the_next_run(
    start: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a machine loses power. Each run finds what the one before it left."""
    before: StartedRun | None = None
    for phase in ("fault", "step", "recovered"):
        run = start()
        run.until_it_enters(phase)
        if before is not None:
            assert_it_removed(run, before)
        run.kill_watch()
        run.kill()
        assert run.project in reaper.projects()
        assert_its_journal_tells_how_far_it_got(run, phase)
        before = run
    last = start("--keep")
    assert before is not None
    assert last.ended() == 0, last.said
    assert_it_removed(last, before)
    assert_it_is_kept_until_cleaned(last, monkeypatch)


def assert_it_removed(run: StartedRun, before: StartedRun) -> None:
    assert f"Removed {before.project}-db-1, left by a run that was killed" in run.said
    is_gone(before.project)


def assert_it_is_kept_until_cleaned(run: StartedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{run.ports['HTTP_PORT']}"
    assert f"Kept: {url}" in run.said
    assert httpx.get(f"{url}/health").status_code == httpx.codes.OK
    # other runs on this engine are none of this test's business
    monkeypatch.setattr(reaper, "projects", lambda: {run.project: ""})
    said: list[str] = []
    assert clean.main([], said.append) == 0
    assert f"Removed {run.project}-db-1" in said
    monkeypatch.undo()
    is_gone(run.project)


# --- SIGINT, SIGTERM ---------------------------------------------------------------------------
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_an_interrupted_run_undoes_its_fault_and_says_so(
    start: Start, number: signal.Signals
) -> None:
    run = start()
    run.until_it_enters("symptom")
    with starts_of_the_database(run.project) as starts:
        run.process.send_signal(number)
        assert run.ended() == INTERRUPTED, run.said
    assert len(starts) == 1, "the fault was not undone"
    is_gone(run.project)
    [drill], [over] = run.events("DrillEnded"), run.events("RunEnded")
    assert (drill["outcome"], drill["held"]) == ("interrupted", False)
    assert (over["exit_status"], over["interrupted"]) == (INTERRUPTED, True)
    assert (run.directory / "summary.md").exists()
    assert "Traceback" not in run.said
    assert "INTERNALERROR" not in run.said


@contextmanager
def starts_of_the_database(project: str) -> Iterator[list[object]]:
    """Collect from the engine each start of a project's database from now on."""
    client = docker.from_env()
    labels = [f"{reaper.PROJECT_LABEL}={project}", "com.docker.compose.service=db"]
    chosen = {"type": "container", "event": "start", "label": labels}
    stream = client.events(decode=True, filters=chosen)
    seen: list[object] = []
    listener = threading.Thread(target=lambda: seen.extend(stream), daemon=True)
    listener.start()
    try:
        yield seen
    finally:
        stream.close()
        listener.join(timeout=5)
        client.close()


# --- what keeps a run from beginning, or going on ----------------------------------------------
def test_a_port_that_is_taken_is_named_and_nothing_is_started(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = start(BACKEND_PORT=str(port))
        assert run.ended() == FAILED_TO_RUN, run.said
    assert f"port {port} on 127.0.0.1 is taken" in run.said
    assert "BACKEND_PORT" in run.said
    assert run.events("StackReady") == []
    assert run.events("RunEnded")[0]["exit_status"] == FAILED_TO_RUN
    assert "Traceback" not in run.said


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_halfway(start: Start, tmp_path: Path) -> None:
    # two pages for the overlay, and two that the journal outgrows
    with small_disk(tmp_path / "run-1", "16k"):
        run = start()
        assert run.ended() == FAILED_TO_RUN, run.said
        is_gone(run.project)
        assert "No space left on device" in run.said
        assert "INTERNALERROR" not in run.said
        assert run.events("DrillStarted") != []  # what was written before can be read
