"""What the database says of itself, over a line that no proxy lies on."""

from __future__ import annotations

import re
from typing import Any, LiteralString, Protocol, runtime_checkable

import psycopg

from drillbook.looking import CouldNotLook, Look
from drillbook.platforms import Stack, Workload, require


@runtime_checkable
class Relational(Protocol):
    """A stack with a PostgreSQL database that the suite reaches past every proxy and fault."""

    def database(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A direct line to it. Raises drillbook.platforms.NotThere."""


def of(stack: Stack) -> Relational:
    """The stack as one with a database. Raises Unavailable where it has none."""
    return require(stack, Relational)


def rows(stack: Relational, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    """Run a query on the direct line. Raises NotThere where there is no line."""
    with stack.database() as line:
        return line.execute(query, values or None).fetchall()


def indexes(stack: Relational) -> dict[str, str]:
    """Every index of the application's tables, by name, with its definition."""
    found = rows(stack, "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    return {str(name): str(definition) for name, definition in found}


def indexes_and_settings(stack: Relational) -> tuple[dict[str, str], dict[str, str]]:
    """The indexes, and what somebody changed with ALTER SYSTEM, over one connection."""
    with stack.database() as line:
        found = line.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        ).fetchall()
        settings = line.execute(
            "SELECT name, setting FROM pg_file_settings "
            "WHERE sourcefile LIKE '%postgresql.auto.conf'"
        ).fetchall()
    return {str(a): str(b) for a, b in found}, {str(a): str(b) for a, b in settings}


def connections(stack: Relational, *, at_least: int) -> Look:
    """So many connections of the application are busy at once."""

    def look() -> str:
        [(active, total)] = rows(
            stack,
            "SELECT count(*) FILTER (WHERE state <> 'idle'), count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        told = f"{active} of {total} connections are active"
        assert active >= at_least, told
        return told

    return Look(f"at least {at_least} active database connections", look)


def connections_below(stack: Relational, *, bound: int) -> Look:
    """The application keeps fewer connections than a bound: it pools them."""

    def look() -> str:
        [(total,)] = rows(
            stack,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
        )
        told = f"{total} connections in all"
        assert total < bound, told
        return told

    return Look(f"fewer than {bound} database connections", look)


def explain(stack: Relational, query: LiteralString, *, shows: str) -> Look:
    """``EXPLAIN ANALYZE`` of a query shows a plan that matches a pattern."""

    def look() -> str:
        plan = "\n".join(str(line) for (line,) in rows(stack, "EXPLAIN ANALYZE " + query))
        assert re.search(shows, plan), plan
        return plan

    return Look(f"EXPLAIN ANALYZE shows /{shows}/", look)


# PostgreSQL answers a request for TLS with one byte: a round trip that needs no password.
_ASK = """
import socket, sys, time
began = time.monotonic()
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as line:
    line.sendall(bytes.fromhex("0000000804d2162f"))
    line.recv(1)
print((time.monotonic() - began) * 1000)
"""


def round_trip_ms(service: Workload, host: str) -> float:
    """How long one question to the database takes, asked from a service's container, in ms.

    Raises CouldNotLook where there is no answer.
    """
    port = next(one.port for one in service.stack.system.links if one.service == host)
    status, output = service.run("python", "-c", _ASK, host, str(port))
    if status != 0:
        raise CouldNotLook(f"no answer from {host}: {output.strip().splitlines()[-1:]}")
    return float(output)


def near(service: Workload, host: str, *, below_ms: float) -> Look:
    """The database answers a service within so many ms."""

    def look() -> str:
        took_ms = round_trip_ms(service, host)
        assert took_ms < below_ms, f"{service.name} to {host} and back: {took_ms:.0f} ms"
        return f"{service.name} to {host} and back: {took_ms:.1f} ms"

    return Look(f"{service.name} to {host} and back takes less than {below_ms:.0f} ms", look)


def far(service: Workload, host: str, *, above_ms: float) -> Look:
    """The database answers a service only after so many ms."""

    def look() -> str:
        took_ms = round_trip_ms(service, host)
        assert took_ms > above_ms, f"{service.name} to {host} and back: {took_ms:.1f} ms"
        return f"{service.name} to {host} and back: {took_ms:.0f} ms"

    return Look(f"{service.name} to {host} and back takes more than {above_ms:.0f} ms", look)
