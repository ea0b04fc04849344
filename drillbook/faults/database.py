"""Breaking the database from within: its schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from drillbook.faults import Holds, fault
from drillbook.looking import Action, Look
from drillbook.symptoms import database as see
from drillbook.symptoms.database import Relational


@contextmanager
def slow_query_log(stack: Relational, *, over_ms: int) -> Iterator[Action]:
    """Turn on PostgreSQL's log of slow queries, and off again: a change to undo like any other.

    Yields the action that turns it on, which is a step of the runbook (3.2 step 2).
    """

    def act() -> str:
        _alter(stack, sql.SQL("SET log_min_duration_statement = {}").format(sql.Literal(over_ms)))
        return f"queries over {over_ms} ms are logged"

    try:
        yield Action(f"log queries that take over {over_ms} ms", act)
    finally:
        _alter(stack, sql.SQL("RESET log_min_duration_statement"))


def _alter(stack: Relational, change: sql.Composable) -> None:
    with stack.database() as line:
        line.execute(sql.SQL("ALTER SYSTEM ") + change)
        line.execute("SELECT pg_reload_conf()")


@fault("the index {index} is missing")
def without_index(stack: Relational, index: str) -> Iterator[Holds]:
    """Drop an index, as a migration that forgot it would have left it."""
    definition = see.indexes(stack)[index]
    with stack.database() as line:
        line.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))

    def look() -> str:
        there = see.indexes(stack)
        assert index not in there, f"{index} is there: {there[index]}"
        return f"{index} is not among {', '.join(sorted(there))}"

    try:
        yield Look(f"{index} is missing", look)
    finally:
        if index not in see.indexes(stack):
            create_index(stack, definition)()


def create_index(stack: Relational, definition: str) -> Action:
    """Create an index by its SQL definition, and have the planner look at the table anew."""

    def act() -> str:
        with stack.database() as line:
            line.execute(sql.SQL(definition))
            line.execute("ANALYZE")
        return definition

    return Action(definition, act)
