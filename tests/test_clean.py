"""``./run clean``: what it says, and that it removes what a run kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from docker.errors import DockerException

from drillbook import clean, reaper
from tests.test_reaper import Leave, image, leave

__all__ = ["image", "leave"]  # fixtures
ROOT = Path(__file__).parents[1]


@pytest.fixture
def said() -> list[str]:
    return []


def sweeping(monkeypatch: pytest.MonkeyPatch, outcome: list[str] | Exception) -> None:
    def sweep(*, all_of_them: bool = False) -> list[str]:
        assert all_of_them, "kept stacks have an owner, who may well be alive"
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(reaper, "sweep", sweep)


def test_it_says_what_it_removed(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    sweeping(monkeypatch, ["drillbook-1-ab-db-1", "drillbook-1-ab_edge"])
    assert clean.main([], said.append) == 0
    assert said == ["Removed drillbook-1-ab-db-1", "Removed drillbook-1-ab_edge"]


def test_it_says_that_there_was_nothing(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    sweeping(monkeypatch, [])
    assert clean.main([], said.append) == 0
    assert said == ["Nothing to remove: no run has left anything."]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (reaper.NotRemoved("drillbook-1 could not be removed: in use"), 1, "in use"),
        (DockerException("connection refused"), 3, "No Docker engine answers"),
    ],
)
def test_it_says_why_it_could_not(
    monkeypatch: pytest.MonkeyPatch, said: list[str], error: Exception, status: int, words: str
) -> None:
    sweeping(monkeypatch, error)
    assert clean.main([], said.append) == status
    assert words in said[0]


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("-h", 0), ("3.1", 4)])
def test_it_takes_no_argument(
    monkeypatch: pytest.MonkeyPatch, said: list[str], argument: str, status: int
) -> None:
    sweeping(monkeypatch, AssertionError("nothing may be removed"))
    assert clean.main([argument], said.append) == status
    assert "usage" in said[0]


def test_without_an_engine_it_says_so_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "drillbook.clean"],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock", "DOCKER_CONTEXT": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("No Docker engine answers")
    assert done.stderr == ""


@pytest.mark.stack
def test_it_removes_what_a_living_run_kept(
    monkeypatch: pytest.MonkeyPatch, said: list[str], leave: Leave
) -> None:
    kept = leave(pid=os.getpid(), owner=reaper.owner())
    # other runs on this engine are none of this test's business
    monkeypatch.setattr(reaper, "projects", lambda: {kept.project: reaper.owner()})
    names = kept.there()
    assert clean.main([], said.append) == 0
    assert kept.there() == []
    assert sorted(said) == sorted(f"Removed {name}" for name in names)
