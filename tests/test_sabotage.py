"""Each phase of a drill sabotaged on the real stack: each must fail, with its own error.

A harness that cannot fail proves nothing. What is wrong here is real: a link that is cut, an order
that is deleted, a process that is left running. Only the deadlines are shorter than in a drill.
"""

# ruff: noqa: PT012 - a drill is several statements; which of them raises is in the error's name
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import pytest
from psycopg import sql

from drillbook.drill import Drill, compose
from drillbook.drill.deadlines import Deadlines
from drillbook.drill.errors import (
    CommandNotInRunbook,
    FaultDidNotTake,
    FixDidNotHeal,
    NotSteady,
    ResidueLeft,
    SelfHealed,
    StepShowedOtherwise,
    SymptomAbsent,
    WriteLost,
)
from drillbook.drill.steady import steady
from drillbook.faults import Holds, fault, network, workloads
from drillbook.journal import Journal, read
from drillbook.looking import Action, until
from drillbook.platforms import StackError
from drillbook.platforms.compose.service import Service
from drillbook.residue import differences, fingerprint
from drillbook.run import Run
from drillbook.runbook import Runbook, load
from drillbook.symptoms import http, logs
from drillbook.symptoms import workloads as see
from drillbook.traffic import Witness
from fixtures.shop import Shop

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[1]
REFUSED = "connection refused|Connect call failed"
SHORT_S = 1.5
BACK_S = 30.0
PS = "docker compose ps -a db"
SHORT = Deadlines(takes_s=SHORT_S, still_holds_s=SHORT_S, residue_s=SHORT_S)


@pytest.fixture(scope="module")
def book() -> Runbook:
    return load(ROOT / "runbook.md")


@pytest.fixture
def sabotaged(
    run: Run, stack: Shop, witness: Witness, book: Runbook, tmp_path: Path
) -> Iterator[Drill]:
    """A drill of 3.1 with a journal of its own; the stack is as it was for the next one."""
    journal = Journal(tmp_path / "journal.jsonl", list(run.journal.secrets)).open()
    until(steady(stack, witness), BACK_S)
    before = fingerprint(stack)
    run.dirty = True  # until it is seen that the stack is well
    yield Drill(stack, witness, journal, book, "3.1", (1,), "Sabotage", deadlines=SHORT)
    journal.close()

    def as_it_was() -> str:
        changed = differences(before, fingerprint(stack))
        assert not changed, "\n".join(changed)
        return steady(stack, witness)()

    until(as_it_was, BACK_S, every_s=0.1)
    run.dirty = False


def nothing() -> str:
    """Do nothing at all."""
    return "nothing was done"


def outcome(drill: Drill) -> tuple[object, object, object]:
    [ended] = [one for one in read(drill.record.journal.path) if one["event"] == "DrillEnded"]
    return ended["outcome"], ended["error"], ended["held"]


def undisturbed(stack: Shop) -> bool:
    return stack.links.toxics() == {}


# --- before, and the fault ---------------------------------------------------------------------
def test_a_stack_that_is_not_well(sabotaged: Drill, stack: Shop) -> None:
    sabotaged.deadlines = Deadlines(steady_s=SHORT_S)
    stack.links.cut("payments")
    try:
        with (
            pytest.raises(NotSteady, match=r"(?s)links are disturbed.*payments.*waited +\d+\.\d s"),
            sabotaged.closing(),
        ):
            sabotaged.begin()
    finally:
        stack.links.mend("payments")


@fault("the container of {service} is killed (SIGKILL)")
def not_killed(service: Service) -> Iterator[Holds]:
    """Say so, and do nothing."""
    yield see.in_state(service, "exited")


def test_a_fault_that_does_nothing(sabotaged: Drill, stack: Shop) -> None:
    with (
        pytest.raises(FaultDidNotTake, match=r"(?s)phase +fault.*last seen +db is running"),
        sabotaged.closing(),
    ):
        sabotaged.begin()
        sabotaged.inject(not_killed(stack.db))


# --- symptoms ----------------------------------------------------------------------------------
def test_a_symptom_that_never_shows(sabotaged: Drill, stack: Shop) -> None:
    with pytest.raises(SymptomAbsent) as caught, sabotaged.closing():
        sabotaged.begin()
        sabotaged.inject(network.cut(stack, "db"))
        sabotaged.symptom(1, logs.mention(stack.backend, "pigs fly"), within_s=SHORT_S)
    message = str(caught.value)
    assert "runbook.md:" in message
    assert "3.1 symptom 1" in message
    assert "expected   backend's log mentions /pigs fly/" in message
    assert "lines, none matches; the last:" in message
    assert re.search(r"waited     \d+\.\d s, \d+ looks", message)
    assert str(sabotaged.record.journal.path) in message
    assert undisturbed(stack)
    assert outcome(sabotaged) == ("failed", "SymptomAbsent", False)


def test_a_symptom_that_shows_without_a_fault(sabotaged: Drill, stack: Shop) -> None:
    """A detector that always fires is found out at the end: the symptom does not go."""
    healthy = http.answers(f"{stack.backend_url}/health", stack.http, status=200)
    with pytest.raises(FixDidNotHeal, match=r"3\.1 symptom 1 gone"), sabotaged.closing():
        sabotaged.begin()
        sabotaged.inject(network.cut(stack, "payments"))
        sabotaged.symptom(1, healthy)
        sabotaged.fix(None, network.mend(stack, "payments"))
        sabotaged.recovered(within_s=SHORT_S)


# --- steps -------------------------------------------------------------------------------------
def test_a_command_that_the_runbook_does_not_contain(sabotaged: Drill) -> None:
    with pytest.raises(CommandNotInRunbook) as caught, sabotaged.closing():
        sabotaged.begin()
        sabotaged.step(1, compose(f"{PS} --no-trunc", shows="pigs fly"))
        sabotaged.recovered()
    message = str(caught.value)
    assert f"expected   `{PS} --no-trunc` in this step" in message
    assert f"$ {PS}" in message  # typed as the runbook has it, for the record
    assert outcome(sabotaged) == ("failed", "CommandNotInRunbook", True)


def test_a_command_that_shows_something_else(sabotaged: Drill) -> None:
    with (
        pytest.raises(StepShowedOtherwise, match=r"(?s)to show /Exited.*Up .*healthy"),
        sabotaged.closing(),
    ):
        sabotaged.begin()
        sabotaged.step(1, compose(PS, shows=r"Exited \(137\)"))
        sabotaged.recovered()


# --- the fix -----------------------------------------------------------------------------------
def test_a_fault_that_heals_itself(sabotaged: Drill, stack: Shop) -> None:
    with (
        pytest.raises(SelfHealed, match=r"(?s)the fault still in force.*undisturbed"),
        sabotaged.closing(),
    ):
        sabotaged.begin()
        sabotaged.inject(network.cut(stack, "db"))
        sabotaged.symptom(1, logs.mention(stack.backend, REFUSED))
        stack.links.mend("db")
        sabotaged.fix(None, network.mend(stack, "db"))


def test_a_fix_that_does_nothing(sabotaged: Drill, stack: Shop) -> None:
    with pytest.raises(FixDidNotHeal) as caught, sabotaged.closing():
        sabotaged.begin()
        sabotaged.inject(network.cut(stack, "db"))
        sabotaged.symptom(1, logs.mention(stack.backend, REFUSED))
        sabotaged.fix(5, Action("do nothing", nothing))
        sabotaged.recovered(within_s=SHORT_S)
    assert "3.1 step 5" in str(caught.value)
    assert undisturbed(stack)
    assert outcome(sabotaged) == ("failed", "FixDidNotHeal", False)


def test_a_fix_of_something_else(sabotaged: Drill, stack: Shop) -> None:
    """It does something, and not to what is broken: the database is restarted, its link cut."""
    with pytest.raises(FixDidNotHeal, match=r"links are disturbed|HTTP 503"), sabotaged.closing():
        sabotaged.begin()
        sabotaged.inject(network.cut(stack, "db"))
        sabotaged.fix(5, workloads.restart(stack.db))
        sabotaged.recovered(within_s=SHORT_S)


# --- what is lost, and what is left ------------------------------------------------------------
def test_an_acknowledged_order_that_is_deleted(
    sabotaged: Drill, stack: Shop, witness: Witness
) -> None:
    key = ""
    try:
        with pytest.raises(WriteLost) as caught, sabotaged.closing():
            sabotaged.begin()
            sabotaged.inject(network.cut(stack, "db"))
            key = witness.ledger.keys()[0]
            with stack.database() as line:
                line.execute("DELETE FROM orders WHERE idempotency_key::text = %s", [key])
            sabotaged.fix(None, network.mend(stack, "db"))
            sabotaged.recovered()
        assert f"1 are gone, one with the key {key}" in str(caught.value)
    finally:
        witness.ledger.acknowledged.pop(key, None)  # it is not to be missed by the next


@fault("{link} is slowed down, twice")
def untidily_slowed(stack: Shop, link: str) -> Iterator[Holds]:
    """Leave one of its toxics where it is."""
    with network.slow(stack, link, latency_ms=300) as holds:
        yield holds
    stack.links.disturb(link, "latency", "upstream", latency=1)


def test_a_toxic_that_the_undoing_leaves(sabotaged: Drill, stack: Shop) -> None:
    try:
        with (
            pytest.raises(ResidueLeft, match=r"links: payments was None, is .*latency_upstream"),
            sabotaged.closing(),
        ):
            sabotaged.begin()
            sabotaged.inject(untidily_slowed(stack, "payments"))
            sabotaged.fix(None, network.calm(stack, "payments"))
            sabotaged.recovered()
    finally:
        stack.links.calm("payments", "latency_upstream")


def test_a_setting_of_the_database_that_is_left(sabotaged: Drill, stack: Shop) -> None:
    def alter(change: LiteralString) -> None:
        with stack.database() as line:
            line.execute(sql.SQL("ALTER SYSTEM ") + sql.SQL(change))
            line.execute("SELECT pg_reload_conf()")

    try:
        with (
            pytest.raises(ResidueLeft, match=r"(?s)phase +residue.*work_mem was None, is 5MB"),
            sabotaged.closing(),
        ):
            sabotaged.begin()
            alter("SET work_mem = '5MB'")
            sabotaged.recovered()
    finally:
        alter("RESET work_mem")


def test_a_process_that_is_left_in_the_backend(sabotaged: Drill, stack: Shop) -> None:
    with (
        pytest.raises(ResidueLeft, match=r"backend\.1 processes: was .*, is .*sleep"),
        sabotaged.closing(),
    ):
        sabotaged.begin()
        stack.backend.container().exec_run(["sleep", str(4 * SHORT_S)], detach=True)
        sabotaged.recovered()


# --- undoing -----------------------------------------------------------------------------------
def test_a_body_that_dies_leaves_a_healthy_stack(sabotaged: Drill, stack: Shop) -> None:
    with pytest.raises(ZeroDivisionError), sabotaged.closing():
        sabotaged.begin()
        sabotaged.inject(network.cut(stack, "payments"))
        sabotaged.inject(workloads.killed(stack.db))
        sabotaged.symptom(2, see.unhealthy(stack.db))
        _ = 1 / 0
    see.healthy(stack.db)()
    assert undisturbed(stack)


def test_a_fault_may_not_touch_a_container_of_another_run(sabotaged: Drill, stack: Shop) -> None:
    elsewhere = Shop(dict(stack.environment), project="drillbook-0-elsewhere")
    found = stack.db.container()
    try:
        with pytest.raises(StackError, match="is not of project drillbook-0-elsewhere"):
            elsewhere.require_ours(found)
        with (
            pytest.raises(StackError, match="db has no container"),
            sabotaged.closing(),
        ):
            sabotaged.begin()
            sabotaged.inject(workloads.killed(elsewhere.db))
    finally:
        elsewhere.docker.close()
    assert found.id == stack.db.container().id
    see.running(stack.db)()
