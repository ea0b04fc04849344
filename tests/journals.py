"""A journal such as a real run writes, for the tests of the reports: seven drills, one of each end.

Also ``python -m tests.journals FOLDER``: writes it there and renders every report from it, to look
at them with one's own eyes.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drillbook.runbook import Runbook, load
from drillbook.runbook.lock import Lock, LockedLine, Locks

ROOT = Path(__file__).parents[1]
RUN_ID = "2026-11-24T12-01-07"
BEGAN_AT = 1_795_521_667.0

Record = dict[str, Any]


@dataclass
class Script:
    """Writes events as the journal does, on a clock of its own."""

    book: Runbook
    records: list[Record] = field(default_factory=list)
    drill: str | None = None
    t_s: float = 0.0
    dice: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - data

    def write(self, event: str, wait_s: float = 0.0, /, **fields: Any) -> None:
        """Append an event, so many seconds after the last."""
        self.t_s = round(self.t_s + wait_s, 3)
        at = round(BEGAN_AT + self.t_s, 3)
        self.records.append(
            {"event": event, "at": at, "t_s": self.t_s, "drill": self.drill, **fields}
        )

    def ref(self, name: str) -> Record:
        """Refer to a line of the runbook by its name."""
        line = self.book.find(name)
        assert line is not None, name
        return {
            "entry": line.entry,
            "kind": line.kind,
            "number": line.number,
            "line": line.line,
            "digest": line.digest,
            "text": line.text,
        }

    # --- a drill -----------------------------------------------------------------------------
    def begin(self, nodeid: str, title: str, entry: str, *causes: str) -> None:
        self.drill = nodeid
        claims = [self.ref(cause) for cause in causes]
        self.write(
            "DrillStarted", 0.02, title=title, entry=entry, claims=claims, platform="compose"
        )
        self.phase("steady", "the stack is healthy")

    def phase(self, phase: str, what: str) -> None:
        self.write("PhaseEntered", 0.01, phase=phase, what=what)

    def fault(self, what: str, saw: str, took_s: float = 0.12) -> None:
        self.write("PhaseEntered", 0.31, phase="fault", what=what)
        self.write("FaultInjected", took_s, what=what, saw=saw, took_s=took_s)

    def symptom(
        self, name: str, what: str, saw: str, after_s: float, *, unproven: str = ""
    ) -> None:
        self.phase("symptom", what)
        told = {"ref": self.ref(name), "saw": saw, "after_s": after_s, "unproven": unproven}
        told |= {"detector": "drillbook.symptoms.logs.mention", "written": []}
        self.write("SymptomSeen", after_s, **told)

    def step(self, name: str, commands: list[str], saw: str, transcript: str = "") -> None:
        self.phase("step", commands[0] if commands else saw)
        self._taken(name, commands, saw, transcript, ok=True)

    def not_exercised(self, name: str, why: str) -> None:
        self.write("LineNotExercised", 0.0, ref=self.ref(name), why=why)

    def bad_step(
        self, name: str, commands: list[str], saw: str, transcript: str, message: str
    ) -> None:
        self.phase("step", commands[0])
        self.write(
            "ClaimFailed",
            0.6,
            ref=self.ref(name),
            error="StepShowedOtherwise",
            message=message,
        )
        self._taken(name, commands, saw, transcript, ok=False)

    def _taken(
        self, name: str, commands: list[str], saw: str, transcript: str, *, ok: bool
    ) -> None:
        took_s = round(0.15 + self.dice.random() * 0.4, 3)
        self.write(
            "StepTaken",
            took_s,
            ref=self.ref(name),
            how="typed" if commands else "prose",
            commands=commands,
            ok=ok,
            saw=saw,
            transcript=transcript,
            took_s=took_s,
            written=commands,
            instead_of="",
        )

    def untyped(self, name: str, wanted: str, command: str, reason: str) -> None:
        told = {"wanted": wanted, "command": command, "reason": reason}
        self.write("CommandUntyped", 0.01, ref=self.ref(name), **told)

    def fix(self, name: str | None, commands: list[str], transcript: str, took_s: float) -> None:
        self.phase("fix", "is it still broken?")
        self.phase("fix", commands[0] if commands else transcript)
        self.write(
            "FixApplied",
            took_s,
            ref=None if name is None else self.ref(name),
            how="typed" if commands else "prose",
            commands=commands,
            transcript=transcript,
            took_s=took_s,
        )

    def recovered(self, after_s: float) -> None:
        self.phase("recovered", "steady again, no symptom left")
        self.write("Recovered", after_s, after_s=after_s)
        self.phase("residue", "the stack is as it was")

    def witness(
        self,
        began_s: float,
        fault: tuple[float, float],
        during: Callable[[random.Random], tuple[float, bool]],
        lost: int = 0,
    ) -> None:
        """Traffic at 20 requests/s since ``began_s``, ill between the two moments of ``fault``."""
        samples: list[tuple[float, float, bool]] = []
        count = max(1, int((self.t_s - began_s) * 20))
        for number in range(count):
            sent_s = began_s + number / 20
            ill = fault[0] <= sent_s < fault[1]
            took_ms, failed = during(self.dice) if ill else (well(self.dice), False)
            samples.append((round(sent_s, 3), round(took_ms, 1), failed))
        failed_total = sum(failed for *_, failed in samples)
        self.write(
            "WitnessReport",
            detect_s=0.41,
            felt_s=round(max(0.0, fault[1] - fault[0] - 0.05), 2),
            requests=count,
            failed=failed_total,
            latency_ms={
                "before": percentiles([ms for s, ms, _ in samples if s < fault[0]]),
                "during": percentiles([ms for s, ms, _ in samples if fault[0] <= s < fault[1]]),
                "after": percentiles([ms for s, ms, _ in samples if s >= fault[1]]),
            },
            acknowledged=count // 5 - failed_total // 6,
            lost=lost,
            samples=samples,
        )

    def end(self, outcome: str, *, held: bool, error: str | None, message: str | None) -> None:
        began_s = max(
            r["t_s"]
            for r in self.records
            if r["event"] == "DrillStarted" and r["drill"] == self.drill
        )
        self.write(
            "DrillEnded",
            0.05,
            outcome=outcome,
            held=held,
            error=error,
            message=message,
            took_s=round(self.t_s + 0.05 - began_s, 3),
            overhead_s=0.11,
        )
        self.drill = None


def well(random_: random.Random) -> float:
    return 5 + random_.expovariate(0.4)


def refused(random_: random.Random) -> tuple[float, bool]:
    return 18 + random_.expovariate(0.2), random_.random() < 0.93


def slow(random_: random.Random) -> tuple[float, bool]:
    return 420 + 260 * random_.random(), False


def stalled(random_: random.Random) -> tuple[float, bool]:
    return 1900 + 110 * random_.random(), random_.random() < 0.8


def percentiles(took_ms: list[float]) -> Mapping[str, float]:
    if not took_ms:
        return {}
    ordered = sorted(took_ms)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, math.floor(share * len(ordered)))], 1)

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "count": len(ordered)}


PS_DB = (
    "$ docker compose ps -a db\r\n"
    "NAME             IMAGE                   COMMAND                  SERVICE   STATUS\r\n"
    'drillbook-db-1   drillbook/postgres:17   "docker-entrypoint.s…"   db        '
    "\x1b[31mExited (137) 1 second ago\x1b[0m\r\n"
)
SESSION = (
    "$ docker exec -it drillbook-backend-1 bash\r\n"
    "app@1c2d:/app$ ping -c 3 db\r\n"
    "ping: db: Name or service not known\r\n"
    "app@1c2d:/app$ psql -h db -U user -d mydatabase\r\n"
    'psql: error: could not translate host name "db" to address: Name or service not known\r\n'
    "app@1c2d:/app$ exit\r\n"
)
BUILD = (
    "$ docker build -f backend/Dockerfile -t myapp . && docker run myapp\r\n"
    "[+] Building 0.1s (1/1) FINISHED\r\n"
    "ERROR: failed to solve: failed to read dockerfile: open Dockerfile: no such file or "
    "directory\r\n"
)
DOCKERFILE_MISSING = (
    "4.1: The application fails while it starts\n"
    "phase      step\n"
    'runbook    runbook.md:267  4.1 step 4: "By hand. Build the image and start it…"\n'
    "expected   the application's own error\n"
    "last seen  ERROR: failed to read dockerfile: open Dockerfile: no such file or directory"
)
HOSTILE = "<script>alert('from a log')</script> & \"quotes\" \x00\x1b]0;title\x07]]>"


def database_crashed(s: Script) -> None:
    began_s = s.t_s
    s.begin(
        "scenarios/test_3_1_database_connection_failed.py::test_database_container_crashed",
        "The database container crashed",
        "3.1",
        "3.1 cause 1",
    )
    fault_s = s.t_s + 0.31
    s.fault("kill the container of db", "container drillbook-db-1 is exited (137)", 0.09)
    s.symptom(
        "3.1 symptom 1",
        "the log of backend mentions that the database cannot be reached",
        "socket.gaierror: [Errno -2] Name or service not known",
        0.41,
    )
    s.symptom("3.1 symptom 2", "the health check of db fails", "db is unhealthy (exited)", 0.02)
    s.step("3.1 step 1", ["docker compose ps -a db"], "Exited (137) 1 second ago", PS_DB)
    s.step(
        "3.1 step 1",
        ["docker compose logs db"],
        "database system is ready to accept connections",
        "$ docker compose logs db\r\ndb-1  | LOG:  database system is ready to accept connections",
    )
    s.step("3.1 step 2", [], "DATABASE_URL=postgresql+asyncpg://user:********@db:5432/mydatabase")
    s.step(
        "3.1 step 3",
        [
            "docker exec -it drillbook-backend-1 bash",
            "ping -c 3 db",
            "psql -h db -U user -d mydatabase",
        ],
        "could not translate host name",
        SESSION,
    )
    s.step("3.1 step 4", [], "the log of db ends without a shutdown message")
    s.fix("3.1 step 5", [], "restarted the container of db", 0.31)
    s.recovered(0.24)
    s.witness(began_s, (fault_s, s.t_s - 0.1), refused)
    s.end("passed", held=True, error=None, message=None)


def network_cut(s: Script) -> None:
    began_s = s.t_s
    s.begin(
        "scenarios/test_3_1_database_connection_failed.py::test_network_to_database_cut",
        "The network between application and database is cut",
        "3.1",
        "3.1 cause 3",
    )
    fault_s = s.t_s + 0.31
    s.fault("cut the link backend -> db", "connecting to db:5432 is refused", 0.05)
    s.symptom(
        "3.1 symptom 1",
        "the log of backend mentions that the database cannot be reached",
        "ConnectionRefusedError: [Errno 111] Connect call failed ('172.20.0.3', 5432)",
        0.22,
    )
    s.step(
        "3.1 step 3",
        ["docker exec -it drillbook-backend-1 bash", "psql -h db -U user -d mydatabase"],
        "Connection refused",
        SESSION.replace("Name or service not known", "Connection refused"),
    )
    s.fix(None, [], "restored the link backend -> db", 0.02)
    s.recovered(0.18)
    s.witness(began_s, (fault_s, s.t_s - 0.1), refused)
    s.end("passed", held=True, error=None, message=None)
    s.drill = "scenarios/test_3_1_database_connection_failed.py::test_network_to_database_cut"
    s.write(
        "FindingNoted",
        ref=s.ref("3.1 cause 3"),
        text="No step heals a cut network; the drill restores the link itself.",
    )
    s.drill = None


def index_missing(s: Script) -> None:
    began_s = s.t_s
    s.begin(
        "scenarios/test_3_2_database_performance_degradation.py::test_index_missing",
        "An index is missing",
        "3.2",
        "3.2 cause 1",
    )
    fault_s = s.t_s + 0.31
    s.fault("drop the index ix_items_category_price", "the index is gone", 0.4)
    s.symptom(
        "3.2 symptom 1",
        "GET /items?category=books is slow",
        "p95 612 ms (steady 9 ms)",
        2.1,
    )
    s.step(
        "3.2 step 2",
        [],
        "Seq Scan on items  (actual time=0.031..96.2 rows=20011 loops=1)",
    )
    s.fix("3.2 step 3", [], "CREATE INDEX ix_items_category_price", 0.9)
    s.recovered(0.6)
    s.witness(began_s, (fault_s, s.t_s - 0.4), slow)
    s.end("passed", held=True, error=None, message=None)


def container_crashing(s: Script) -> None:
    began_s = s.t_s
    s.begin(
        "scenarios/test_4_1_container_not_starting.py::test_startup_error[bad-setting]",
        "The application fails while it starts",
        "4.1",
        "4.1 cause 1",
    )
    fault_s = s.t_s + 0.31
    s.fault("start backend with CORS_ORIGINS=not-a-list", "backend exited (3)", 1.2)
    s.symptom("4.1 symptom 1", "docker ps -a shows Exited", "Exited (3) 1 second ago", 0.4)
    s.step(
        "4.1 step 1",
        ["docker logs 1c2d3e4f"],
        "ValidationError: CORS_ORIGINS",
        f"$ docker logs 1c2d3e4f\r\npydantic: ValidationError: CORS_ORIGINS\r\n{HOSTILE}\r\n",
    )
    s.bad_step(
        "4.1 step 4",
        ["docker build -f backend/Dockerfile -t myapp . && docker run myapp"],
        "failed to read dockerfile",
        BUILD,
        DOCKERFILE_MISSING,
    )
    s.fix(None, [], "restored CORS_ORIGINS and recreated backend", 1.9)
    s.recovered(2.2)
    s.witness(began_s, (fault_s, s.t_s - 0.2), refused)
    s.end(
        "failed",
        held=True,
        error="StepShowedOtherwise",
        message=f"{DOCKERFILE_MISSING}\nevidence   {HOSTILE}",
    )


def latency(s: Script) -> None:
    began_s = s.t_s
    s.begin(
        "scenarios/test_2_3_application_slow.py::test_network_latency",
        "The network adds latency",
        "2.3",
        "2.3 cause 3",
    )
    fault_s = s.t_s + 0.31
    s.fault("add 400 ms to every packet backend -> db", "a round trip takes 811 ms", 0.06)
    s.symptom("2.3 symptom 1", "GET /items takes longer than 500 ms", "p95 1,932 ms", 1.1)
    message = (
        "2.3: The network adds latency\n"
        "phase      symptom\n"
        'runbook    runbook.md:113  2.3 symptom 3: "Requests get no answer at all."\n'
        "expected   a request without an answer after 2 s\n"
        "last seen  HTTP 200 after 1.98 s\n"
        "waited     15.0 s, 7 looks\n"
        "evidence   reports/runs/2026-11-24T12-01-07/journal.jsonl"
    )
    s.phase("symptom", "requests get no answer")
    s.write(
        "ClaimFailed",
        15.0,
        ref=s.ref("2.3 symptom 3"),
        error="SymptomAbsent",
        message=message,
    )
    s.witness(began_s, (fault_s, s.t_s), stalled, lost=1)
    s.end("failed", held=False, error="SymptomAbsent", message=message)


def general_steps(s: Script) -> None:
    s.begin(
        "scenarios/test_1_general_steps.py::test_general_steps",
        "The general steps, on a healthy stack",
        "1",
    )
    for number, command in enumerate(
        [
            "docker compose logs backend",
            "docker compose ps -a",
            "docker stats --no-stream",
            "docker exec drillbook-backend-1 ping -c 3 db",
        ],
        1,
    ):
        s.step(f"1 step {number}", [command], "as it should be", f"$ {command}\r\nok\r\n")
    s.recovered(0.1)
    s.witness(s.t_s - 2, (s.t_s, s.t_s), refused)
    s.end("passed", held=True, error=None, message=None)


def no_grafana(s: Script) -> None:
    s.begin(
        "scenarios/test_5_2_grafana_dashboard_empty.py::test_wrong_data_source",
        "Grafana's data source is set up wrongly",
        "5.2",
        "5.2 cause 1",
    )
    s.end("unproven", held=False, error=None, message="unproven here: no Grafana image")


def records(book: Runbook | None = None) -> list[Record]:
    """The whole journal, as its reader gives it."""
    s = Script(book or load(ROOT / "runbook.md"))
    s.write(
        "RunStarted",
        run_id=RUN_ID,
        argv=["./run", "drills"],
        seed=4711,
        platform="compose",
        runbook=str(s.book.path),
        runbook_digest=s.book.digest,
        versions={"python": "3.11.7", "docker": "20.10.24", "compose": "2.26.1"},
        host={"system": "Linux 6.1", "cpus": 2, "memory_mib": 24576},
    )
    for kind, official in (
        ("postgres", "postgres:17"),
        ("nginx", "nginx:1.28"),
        ("python", "python:3.13-slim"),
        ("toxiproxy", "ghcr.io/shopify/toxiproxy:2.12.0"),
    ):
        own = f"drillbook/{kind}:{official.rpartition(':')[2]}"
        s.write("ImageChosen", 0.2, kind=kind, reference=own, official=official, stand_in=True)
    services = {"db": "healthy", "backend": "healthy", "nginx": "healthy", "payments": "healthy"}
    s.write("StackReady", 6.1, took_s=6.1, project="drillbook-1c2d", services=services)
    for drill in (
        general_steps,
        latency,
        database_crashed,
        network_cut,
        index_missing,
        container_crashing,
        no_grafana,
    ):
        drill(s)
    s.write("RunEnded", 1.2, exit_status=1, interrupted=False)
    return s.records


def all_read(book: Runbook) -> Locks:
    """A lock that has every line of a runbook in its present words."""
    platforms = ("compose", "kubernetes")
    lines = [LockedLine(line.name, one, line.text) for line in book.lines() for one in platforms]
    return Locks(Lock(Path("runbook.lock"), tuple(lines)))


def write(folder: Path, written: list[Record]) -> Path:
    """Write events as a run's journal; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in written)
    (folder / "journal.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


if __name__ == "__main__":
    from reports.render import write_all

    runbook = load(ROOT / "runbook.md")
    where = write(Path(sys.argv[1]), records(runbook))
    summary = write_all(where, runbook, all_read(runbook))
    sys.stdout.write(summary.closing(width=100) + "\n")
