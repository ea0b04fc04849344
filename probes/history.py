"""What was seen, kept in SQLite: rounds, incidents, and what is still to be reported of them.

A round is one transaction in a write-ahead log, so that a SIGKILL at any moment loses no finished
one. A file that turns out to be corrupt is moved aside and a new one is begun: watching goes on.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from probes.states import Incident, Outcome, Result

SLOT_S = 900
PRUNED_AT_ONCE = 2000
SECONDS_A_DAY = 86_400
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rounds (
    id INTEGER PRIMARY KEY, target TEXT NOT NULL, began REAL NOT NULL, took_s REAL NOT NULL,
    maintenance TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS rounds_by_target ON rounds (target, id);
CREATE INDEX IF NOT EXISTS rounds_by_age ON rounds (began);
CREATE TABLE IF NOT EXISTS results (
    round INTEGER NOT NULL, probe TEXT NOT NULL, outcome TEXT NOT NULL, took_s REAL NOT NULL,
    saw TEXT, because TEXT NOT NULL, PRIMARY KEY (round, probe)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slots (
    target TEXT NOT NULL, probe TEXT NOT NULL, slot INTEGER NOT NULL,
    up INTEGER NOT NULL, down INTEGER NOT NULL, unknown INTEGER NOT NULL,
    PRIMARY KEY (target, probe, slot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS incidents (
    id INTEGER PRIMARY KEY, target TEXT NOT NULL, entry TEXT NOT NULL, began REAL NOT NULL,
    ended REAL, saw TEXT NOT NULL, probes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, target TEXT NOT NULL, payload TEXT NOT NULL, made REAL NOT NULL);
"""

T = TypeVar("T")


class HistoryError(Exception):
    """Something could not be written or read: a full disk, say. The message says what."""


@dataclass(frozen=True)
class Round:
    """A finished round of a target."""

    target: str
    began: float
    took_s: float
    maintenance: str
    results: Sequence[Result]


@dataclass(frozen=True)
class Slot:
    """How a probe's rounds of a quarter of an hour came out."""

    begins: int
    up: int
    down: int
    unknown: int


@dataclass(frozen=True)
class Delivery:
    """A report that no receiver has acknowledged yet."""

    id: int
    target: str
    payload: str


class History:
    """The file. All methods raise HistoryError; a corrupt file is replaced instead."""

    def __init__(self, path: Path | None, *, keep_days: float, say: Callable[[str], None]) -> None:
        self.path, self.keep_days, self._say = path, keep_days, say
        self.replaced = 0
        """How often a corrupt file was moved aside."""
        self._db = self._opened()

    # --- writing -----------------------------------------------------------------------------
    def record(
        self,
        round_: Round,
        opened: Sequence[Incident] = (),
        closed: Sequence[Incident] = (),
        payloads: Iterable[str] = (),
    ) -> None:
        """Keep a round, what it opened and closed, and the reports that are due: all or nothing."""

        def write(db: sqlite3.Connection) -> None:
            with db:
                self._write_round(db, round_)
                for one in opened:
                    db.execute(
                        "INSERT INTO incidents (target, entry, began, saw, probes)"
                        " VALUES (?, ?, ?, ?, ?)",
                        (one.target, one.entry, one.began, one.saw, json.dumps(one.probes)),
                    )
                for one in closed:
                    db.execute(
                        "UPDATE incidents SET ended = ?, probes = ?"
                        " WHERE target = ? AND entry = ? AND ended IS NULL",
                        (one.ended, json.dumps(one.probes), one.target, one.entry),
                    )
                rows = [(round_.target, payload, time.time()) for payload in payloads]
                insert = "INSERT INTO deliveries (target, payload, made) VALUES (?, ?, ?)"
                db.executemany(insert, rows)

        self._do(write)

    def _write_round(self, db: sqlite3.Connection, round_: Round) -> None:
        cursor = db.execute(
            "INSERT INTO rounds (target, began, took_s, maintenance) VALUES (?, ?, ?, ?)",
            (round_.target, round_.began, round_.took_s, round_.maintenance),
        )
        slot = int(round_.began // SLOT_S) * SLOT_S
        db.executemany(
            "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    cursor.lastrowid,
                    one.probe.name,
                    one.outcome,
                    round(one.took_s, 5),
                    None if one.outcome == "up" else one.saw,
                    one.because,
                )
                for one in round_.results
            ],
        )
        db.executemany(
            "INSERT INTO slots VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " up = up + excluded.up, down = down + excluded.down,"
            " unknown = unknown + excluded.unknown",
            [
                (round_.target, one.probe.name, slot, *_one_of(one.outcome))
                for one in round_.results
            ],
        )

    def delivered(self, id_: int) -> None:
        """Forget a report that its receiver has acknowledged."""

        def write(db: sqlite3.Connection) -> None:
            with db:
                db.execute("DELETE FROM deliveries WHERE id = ?", (id_,))

        self._do(write)

    def prune(self, now: float) -> int:
        """Forget what is older than ``keep_days``, a part at a time; returns how many rounds."""
        before = now - self.keep_days * SECONDS_A_DAY

        def write(db: sqlite3.Connection) -> int:
            with db:
                old = db.execute(
                    "SELECT id FROM rounds WHERE began < ? LIMIT ?", (before, PRUNED_AT_ONCE)
                ).fetchall()
                db.executemany("DELETE FROM results WHERE round = ?", old)
                db.executemany("DELETE FROM rounds WHERE id = ?", old)
                db.execute("DELETE FROM slots WHERE slot < ?", (before,))
                db.execute("DELETE FROM incidents WHERE ended < ?", (before,))
            db.execute("PRAGMA incremental_vacuum")
            return len(old)

        return self._do(write)

    # --- reading -----------------------------------------------------------------------------
    def last_outcomes(self, target: str, rounds: int) -> list[dict[str, tuple[Outcome, str]]]:
        """Outcome, and cause if any, of each probe in a target's last rounds, the oldest first."""

        def read(db: sqlite3.Connection) -> list[dict[str, tuple[Outcome, str]]]:
            ids = db.execute(
                "SELECT id FROM rounds WHERE target = ? ORDER BY id DESC LIMIT ?", (target, rounds)
            ).fetchall()
            query = "SELECT probe, outcome, because FROM results WHERE round = ?"
            return [
                {name: (outcome, because) for name, outcome, because in db.execute(query, one)}
                for one in reversed(ids)
            ]

        return self._do(read)

    def incidents(self, target: str, *, open_only: bool = False, most: int = 50) -> list[Incident]:
        """A target's incidents, the newest first."""
        only = "AND ended IS NULL" if open_only else ""

        def read(db: sqlite3.Connection) -> list[Incident]:
            rows = db.execute(
                "SELECT target, entry, began, saw, probes, ended, id FROM incidents"  # noqa: S608
                f" WHERE target = ? {only} ORDER BY id DESC LIMIT ?",
                (target, most),
            )
            return [
                Incident(target_, entry, began, saw, tuple(json.loads(probes)), ended, id_)
                for target_, entry, began, saw, probes, ended, id_ in rows
            ]

        return self._do(read)

    def slots(self, target: str, since: float) -> Mapping[str, list[Slot]]:
        """How each probe's rounds came out since a time (Unix seconds), by quarters of an hour."""

        def read(db: sqlite3.Connection) -> dict[str, list[Slot]]:
            found: dict[str, list[Slot]] = {}
            rows = db.execute(
                "SELECT probe, slot, up, down, unknown FROM slots"
                " WHERE target = ? AND slot >= ? ORDER BY slot",
                (target, since - SLOT_S),
            )
            for probe, *numbers in rows:
                found.setdefault(probe, []).append(Slot(*numbers))
            return found

        return self._do(read)

    def deliveries(self, target: str) -> list[Delivery]:
        """The reports of a target that are still to be delivered, the oldest first."""
        query = "SELECT id, target, payload FROM deliveries WHERE target = ? ORDER BY id"
        return self._do(lambda db: [Delivery(*row) for row in db.execute(query, (target,))])

    def rounds(self, target: str) -> int:
        """How many rounds of a target are kept."""
        query = "SELECT count(*) FROM rounds WHERE target = ?"
        return int(self._do(lambda db: db.execute(query, (target,)).fetchone())[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # --- within ------------------------------------------------------------------------------
    def _opened(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise HistoryError(f"{self.path}: {error}") from error
            self._move_aside(error)
            return _connect(self.path)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._db)
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise HistoryError(f"{self.path}: {error}") from error
            self._db.close()
            self._move_aside(error)
            self._db = self._opened()
            try:
                return work(self._db)
            except sqlite3.DatabaseError as again:
                raise HistoryError(f"{self.path}: {again}") from again

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        if self.path is None:
            raise HistoryError(str(error)) from error
        aside = self.path.with_name(f"{self.path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}")
        try:
            self.path.replace(aside)
            for end in ("-wal", "-shm"):
                self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        except OSError as failed:
            raise HistoryError(f"{self.path}: {error}; not moved aside: {failed}") from failed
        self.replaced += 1
        self._say(f"{self.path} is corrupt ({error}); moved to {aside.name}, a new one is begun")


def _connect(path: Path | None) -> sqlite3.Connection:
    db = sqlite3.connect(path or ":memory:", timeout=2.0)
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")  # in a write-ahead log: safe from any kill
        _require_sound(db)
        db.executescript(_SCHEMA)
    except BaseException:
        db.close()
        raise
    return db


def _require_sound(db: sqlite3.Connection) -> None:
    [said] = db.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError(f"malformed: {said}")


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    return "malformed" in str(error) or "not a database" in str(error)


def _one_of(outcome: Outcome) -> tuple[int, int, int]:
    return (outcome == "up", outcome == "down", outcome == "unknown")
