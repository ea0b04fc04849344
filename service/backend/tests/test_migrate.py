"""Waiting for the database before migrating it."""

import os
import sys
from collections.abc import Callable

import pytest
from support import make_settings

from app import migrate

DEAD = "postgresql+asyncpg://user:hush@127.0.0.1:1/mydatabase"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`python -m app.migrate` with these arguments, against a port where nobody listens."""
    monkeypatch.setattr(migrate, "settings_or_exit", lambda: make_settings(database_url=DEAD))
    monkeypatch.setattr(migrate, "configure_logging", lambda _level: None)

    def main(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["migrate", *arguments])
        return migrate.main()

    return main


def test_without_a_wait_it_tries_once(
    run: Callable[..., int], log_lines: Callable[[], list[dict[str, object]]]
) -> None:
    assert run() == os.EX_TEMPFAIL
    (line,) = [line for line in log_lines() if line["logger"] == "app.migrate"]
    assert line["level"] == "error"
    assert "database connection failed: ConnectionRefusedError" in str(line["message"])
    assert "hush" not in str(line)


def test_it_tries_again_and_never_waits_beyond_the_limit(
    run: Callable[..., int],
    log_lines: Callable[[], list[dict[str, object]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 0.0
    pauses: list[float] = []

    def pause(pause_s: float) -> None:
        nonlocal clock
        clock += pause_s
        pauses.append(pause_s)

    monkeypatch.setattr("app.migrate.time.monotonic", lambda: clock)
    monkeypatch.setattr("app.migrate.time.sleep", pause)
    assert run("--wait", "20") == os.EX_TEMPFAIL
    assert pauses == [0.5, 1, 2, 4, 5, 5]
    assert len([line for line in log_lines() if line["logger"] == "app.migrate"]) == 7


def test_a_failed_migration_is_told_from_a_missing_database(
    run: Callable[..., int],
    log_lines: Callable[[], list[dict[str, object]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connect(_settings: object) -> None: ...

    def upgrade(*_arguments: object) -> None:
        raise RuntimeError("column exists already")

    monkeypatch.setattr(migrate, "_connect_once", connect)
    monkeypatch.setattr("app.migrate.command.upgrade", upgrade)
    assert run() == 1
    assert "column exists already" in str(log_lines()[-1]["traceback"])
