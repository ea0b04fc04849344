"""Runbook entry 3.1: the application cannot reach its database."""

from __future__ import annotations

from drillbook.drill import Drill, compose, drills
from drillbook.faults import network, workloads
from drillbook.symptoms import http, logs
from drillbook.symptoms import workloads as see
from drillbook.terminal import Typed
from fixtures.shop import Shop

# What the backend's log says, by how the database is out of reach.
UNREACHABLE = (
    "connection refused|name resolution|Name or service not known|No address associated"
    "|ConnectionDoesNotExist|connection was closed"
)
NO_SUCH_HOST = (
    "Name or service not known|Temporary failure in name resolution|No address associated"
)
DATABASE_URL = r"^postgresql\+asyncpg://user:.+@db:5432/mydatabase$"


@drills("3.1", cause=1)
def test_database_container_crashed(drill: Drill, stack: Shop) -> None:
    """The database container crashed."""
    drill.inject(workloads.killed(stack.db))

    drill.symptom(1, logs.mention(stack.backend, UNREACHABLE))
    drill.symptom(2, see.unhealthy(stack.db))
    drill.alert("DatabaseDown")

    drill.step(1, compose("docker compose ps -a db", shows=r"Exited \(137\)"))
    drill.step(1, compose("docker compose logs db", shows="ready to accept connections"))
    drill.step(2, see.environment(stack.backend, "DATABASE_URL", DATABASE_URL))
    drill.step(
        3,
        compose(
            "docker exec -it <backend-container> bash",
            session=[
                Typed("ping db", shows=NO_SUCH_HOST),
                Typed("psql -h db -U user -d mydatabase", shows="could not translate host name"),
            ],
        ),
    )
    drill.note(
        "symptom",
        1,
        "With its container dead, Docker no longer resolves the name db: the log speaks of name "
        "resolution, and refuses nothing.",
    )
    drill.step(4, logs.mention(stack.db, "database system is ready", since=logs.WHOLE))

    drill.fix(5, workloads.restart(stack.db))
    drill.recovered()


@drills("3.1", cause=3)
def test_network_to_database_cut(drill: Drill, stack: Shop) -> None:
    """The network between application and database is cut."""
    drill.inject(network.cut(stack, "db"))

    drill.symptom(1, logs.mention(stack.backend, "connection refused|Connect call failed"))
    drill.alert("DatabaseUnreachable")

    drill.step(1, compose("docker compose ps -a db", shows=r"Up .*\(healthy\)"))
    drill.note(
        "symptom",
        2,
        "Where the network is cut, the database's own health check passes: it runs inside the "
        "container. The backend's /health is the one that fails.",
    )
    drill.step(2, http.answers(f"{stack.backend_url}/health", stack.http, status=503))
    drill.step(2, see.environment(stack.backend, "DATABASE_URL", DATABASE_URL))
    drill.step(
        3,
        compose(
            "docker exec -it <backend-container> bash",
            session=[
                Typed("ping db", shows=r"bytes from .* time=", stop_when_shown=True),
                Typed("psql -h db -U user -d mydatabase", shows="Connection refused"),
            ],
        ),
    )

    drill.note(
        "step",
        3,
        "An answer to ping proves only that the host is there; a port that refuses connections "
        "shows with psql alone.",
    )

    drill.fix(None, network.mend(stack, "db"))
    drill.recovered()
