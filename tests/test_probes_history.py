"""What the history keeps, through kills, full disks and files that are no database."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes.catalogue import Probe
from probes.history import SECONDS_A_DAY, SLOT_S, History, HistoryError, Round
from probes.states import Incident, Result

PROBE = Probe("errors", "2.1", (), "", "", (), lambda _: "")


def finished(began: float, outcome: str = "up", target: str = "shop") -> Round:
    result = Result(PROBE, outcome, "seen", 0.01)  # type: ignore[arg-type]
    return Round(target, began, 0.1, "", [result])


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def history(tmp_path: Path, said: list[str]) -> Iterator[History]:
    opened = History(tmp_path / "history.db", keep_days=31, say=said.append)
    yield opened
    opened.close()


def test_rounds_incidents_and_reports_are_there_for_the_next_prober(
    history: History, tmp_path: Path
) -> None:
    incident = Incident("shop", "2.1", 100.0, "HTTP 500", ("errors",))
    history.record(finished(100.0, "down"), [incident], payloads=['{"a": 1}'])
    again = History(tmp_path / "history.db", keep_days=31, say=print)
    [kept] = again.incidents("shop", open_only=True)
    assert (kept.entry, kept.began, kept.saw, kept.probes) == (
        "2.1",
        100.0,
        "HTTP 500",
        ("errors",),
    )
    assert again.last_outcomes("shop", 3) == [{"errors": ("down", "")}]
    [delivery] = again.deliveries("shop")
    assert delivery.payload == '{"a": 1}'
    again.delivered(delivery.id)
    assert history.deliveries("shop") == []
    again.close()


def test_a_slot_counts_the_rounds_of_a_quarter_of_an_hour(history: History) -> None:
    for began, outcome in ((0.0, "up"), (60.0, "down"), (899.0, "up"), (900.0, "unknown")):
        history.record(finished(began, outcome))
    first, second = history.slots("shop", 0.0)["errors"]
    assert (first.begins, first.up, first.down, first.unknown) == (0, 2, 1, 0)
    assert (second.begins, second.up, second.down, second.unknown) == (SLOT_S, 0, 0, 1)


def test_what_is_old_is_forgotten_and_the_file_stops_growing(
    history: History, tmp_path: Path
) -> None:
    now = 100 * SECONDS_A_DAY
    old = Incident("shop", "2.1", 10.0, "seen", ("errors",))
    history.record(finished(10.0, "down"), [old])
    history.record(finished(20.0), closed=[Incident("shop", "2.1", 10.0, "", ("errors",), 20.0)])
    still = Incident("shop", "4.3", 10.0, "seen", ("errors",))
    history.record(finished(now - 30 * SECONDS_A_DAY), [still])
    assert history.prune(now) == 2
    assert history.rounds("shop") == 1
    assert [one.entry for one in history.incidents("shop")] == ["4.3"], "an open one is not old"
    assert len(history.slots("shop", 0.0)["errors"]) == 1


def test_a_round_is_kept_whole_or_not_at_all(history: History) -> None:
    twice = Round("shop", 1.0, 0.1, "", [Result(PROBE, "up", "", 0.1)] * 2)
    with pytest.raises(HistoryError):
        history.record(twice, payloads=["{}"])
    assert history.rounds("shop") == 0
    assert history.deliveries("shop") == []
    history.record(finished(2.0))
    assert history.rounds("shop") == 1


# --- kills ---------------------------------------------------------------------------------------
WRITER = """
import sys
from pathlib import Path
from tests.test_probes_history import finished
from probes.history import History
history = History(Path(sys.argv[1]), keep_days=31, say=print)
for number in range(1, 1_000_000):
    history.record(finished(float(number)))
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_loses_no_finished_round(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    total = 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        ) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(random.uniform(0.0, 0.15))  # noqa: S311 - a moment that nobody chose
            writer.send_signal(signal.SIGKILL)
            lines = (first + writer.stdout.read()).split("\n")
        total += int(lines[-2])  # the last whole line
        history = History(path, keep_days=31, say=pytest.fail)
        kept = history.rounds("shop")
        history.close()
        assert kept - total in (0, 1), "the last one may be kept and not yet be told"
        total = kept


# --- files and disks -----------------------------------------------------------------------------
def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path, said: list[str]) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"this is no database at all, and long enough to be looked at" * 100)
    history = History(path, keep_days=31, say=said.append)
    history.record(finished(1.0))
    assert history.rounds("shop") == 1
    assert history.replaced == 1
    history.close()
    [aside] = tmp_path.glob("history.db.corrupt-*")
    assert aside.read_bytes().startswith(b"this is no database")
    assert "moved to history.db.corrupt-" in said[0]


def test_a_database_that_is_spoilt_is_moved_aside(tmp_path: Path, said: list[str]) -> None:
    path = tmp_path / "history.db"
    history = History(path, keep_days=31, say=said.append)
    for number in range(300):
        history.record(finished(float(number)))
    history.close()
    data = bytearray(path.read_bytes())
    for start in range(8192, len(data) - 4096, 4096):
        data[start : start + 600] = b"\xa5" * 600
    path.write_bytes(data)
    again = History(path, keep_days=31, say=said.append)
    again.record(finished(1.0))
    assert again.rounds("shop") == 1
    assert again.replaced == 1
    again.close()


def test_a_database_that_is_spoilt_while_it_is_open_is_moved_aside(
    history: History, tmp_path: Path, said: list[str]
) -> None:
    class Spoilt:
        def __enter__(self) -> None:
            raise sqlite3.DatabaseError("database disk image is malformed")

        def __exit__(self, *_: object) -> None:
            """Never reached."""

        def close(self) -> None:
            """Closed before it is moved."""

    history.record(finished(1.0))
    whole, history._db = history._db, Spoilt()  # type: ignore[assignment]
    whole.close()
    history.record(finished(2.0))
    assert history.rounds("shop") == 1
    assert len(list(tmp_path.glob("*.corrupt-*"))) == 1


def record_many(history: History) -> None:
    for number in range(2000):
        history.record(finished(float(number)))


def test_a_full_disk_is_told_and_nothing_is_moved_aside(history: History, tmp_path: Path) -> None:
    pages = history._db.execute("PRAGMA page_count").fetchone()[0]
    history._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(HistoryError, match="database or disk is full"):
        record_many(history)
    kept = history.rounds("shop")
    history._db.execute("PRAGMA max_page_count = 100000")
    history.record(finished(1.0))
    assert history.rounds("shop") == kept + 1
    assert not list(tmp_path.glob("*.corrupt-*"))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="unable to open"):
        History(tmp_path / "none" / "history.db", keep_days=31, say=print)
