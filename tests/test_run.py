"""A run that cannot begin, or go on, says why in one message; nothing is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from docker.errors import APIError, DockerException

from drillbook import reaper
from drillbook.journal import Journal, read
from drillbook.machine import images
from drillbook.machine import ready as machine
from drillbook.platforms import PortTaken, StackError
from drillbook.run import DEFAULT_RUNBOOK, Run, RunError
from drillbook.runbook import load
from fixtures.shop import SYSTEM, Shop

ROOT = Path(__file__).parents[1]
MAKE_READY = "drillbook.machine.ready.make_ready"
CHOOSE = "drillbook.machine.images.choose"
STACK_UP = "fixtures.shop.Shop.up"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Iterator[Run]:
    """A run on a machine that lacks nothing, up to where its stack would come up."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    engine = machine.Engine("27.0", "2.26", False)
    monkeypatch.setattr(machine, "make_ready", lambda say: engine)
    monkeypatch.setattr(images, "choose", lambda kinds, say: [])
    monkeypatch.setattr(reaper, "sweep", lambda: ["drillbook-1-ab-db-1"])
    monkeypatch.setattr(Shop, "up", lambda self: raised(StackError("not in this test")))
    directory = tmp_path / "runs" / "one"
    journal = Journal(directory / "journal.jsonl")
    run = Run(SYSTEM, load(DEFAULT_RUNBOOK), 7, directory, journal, said.append)
    yield run
    run.stack = None
    run.stop()
    journal.close()


def raised(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("where", "error"),
    [
        (
            "drillbook.machine.ready.make_ready",
            machine.MachineNotReady("no Docker engine; install it"),
        ),
        (
            "drillbook.machine.images.choose",
            images.ImageError("postgres: no registry, no stand-in"),
        ),
        ("drillbook.reaper.sweep", reaper.NotRemoved("drillbook-1 could not be removed")),
        (STACK_UP, PortTaken("port 80 on 127.0.0.1 is taken")),
        (
            "fixtures.shop.Shop.up",
            StackError("the stack did not come up; Compose said: no"),
        ),
    ],
)
def test_what_keeps_a_run_from_beginning_is_its_message(
    run: Run, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    monkeypatch.setattr(where, lambda *_: raised(error))
    with pytest.raises(RunError) as caught:
        run.start()
    assert str(caught.value) == str(error)


def test_a_run_says_what_it_removed_and_who_left_it(run: Run, said: list[str]) -> None:
    with pytest.raises(RunError):
        run.start()
    assert "Removed drillbook-1-ab-db-1, left by a run that was killed\n" in said


def test_the_journal_says_enough_to_repeat_the_run(run: Run) -> None:
    with pytest.raises(RunError):
        run.start()
    [started, *_] = read(run.journal.path)
    assert started["event"] == "RunStarted"
    assert started["seed"] == 7
    assert started["runbook_digest"] == run.runbook.digest
    assert started["versions"]["pytest"]


def test_the_password_never_reaches_the_journal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def up(stack: Shop) -> float:
        raise StackError(f"Compose said: POSTGRES_PASSWORD={stack.environment[PASSWORD]}")

    monkeypatch.setattr(Shop, "up", up)
    with pytest.raises(RunError):
        run.start()
    [secret] = run.journal.secrets
    assert run.stack is not None
    assert run.stack.environment[PASSWORD] == secret


PASSWORD = "POSTGRES_PASSWORD"


def test_a_folder_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(RunError, match=r"the run cannot write to .*runs/one"):
        run.start()


def test_a_disk_that_is_full_from_the_start(run: Run) -> None:
    run.directory.mkdir(parents=True)
    run.journal.path.symlink_to("/dev/full")
    with pytest.raises(RunError, match=r"the run cannot write to .*No space left on device"):
        run.start()


# --- an engine that dies halfway ---------------------------------------------------------------
def stack_whose_engine(answer: Exception | None) -> Shop:
    def ping() -> bool:
        if answer is not None:
            raise answer
        return True

    return cast(Shop, SimpleNamespace(docker=SimpleNamespace(ping=ping)))


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("connection refused"),
        requests.ReadTimeout("no answer in 20 s"),
        APIError("500 server error: shutting down"),
        DockerException("no such socket"),
    ],
)
def test_an_engine_that_is_gone_is_no_drills_failure(run: Run, error: Exception) -> None:
    run.stack = stack_whose_engine(error)
    with pytest.raises(RunError, match="the Docker engine no longer answers"):
        run.require_engine()


def test_an_engine_that_answers_is_fine(run: Run) -> None:
    run.require_engine()
    run.stack = stack_whose_engine(None)
    run.require_engine()
