"""Runbook entry 4.1: a container does not start, or crashes again and again."""

from __future__ import annotations

from drillbook.drill import Command, Drill, compose, drills
from drillbook.faults import configuration
from drillbook.symptoms import logs
from drillbook.symptoms import workloads as see
from fixtures.faults import images
from fixtures.shop import Shop

BROKEN = "not-a-database-url"


@drills("4.1", cause=1, exclusive=True)
def test_startup_error_exits(drill: Drill, stack: Shop) -> None:
    """The application fails while it starts; nothing restarts its container."""
    drill.inject(
        configuration.environment(
            stack.backend, "DATABASE_URL", BROKEN, starts=False, also={"RESTART_POLICY": "no"}
        )
    )

    drill.symptom(1, listed(stack, r"Exited \(\d+\)"))
    drill.alert("BackendDown")

    drill.step(1, first_error(stack))
    drill.step(1, logs.first_error(stack.backend, "DATABASE_URL"))

    with images.built_by_hand(stack, "myapp"):
        drill.step(
            4,
            compose(
                "docker build -f backend/Dockerfile -t myapp . && docker run myapp",
                shows="DATABASE_URL",
                deadline_s=120,
            ),
        )

    drill.fix(2, configuration.correct(stack.backend, DATABASE_URL=None, RESTART_POLICY=None))
    drill.recovered()


@drills("4.1", cause=1)
def test_startup_error_restarts(drill: Drill, stack: Shop) -> None:
    """The application fails while it starts, and is restarted again and again."""
    drill.inject(configuration.environment(stack.backend, "DATABASE_URL", BROKEN, starts=False))

    drill.symptom(1, listed(stack, r"Restarting \(\d+\)"))
    drill.alert("BackendDown")

    drill.step(1, first_error(stack))
    drill.step(1, see.restarts(stack.backend, at_least=2))

    drill.fix(2, configuration.correct(stack.backend, DATABASE_URL=None))
    drill.recovered()


def listed(stack: Shop, status: str) -> Command:
    """The engine lists the backend's container with a status."""
    return compose("docker ps -a", shows=rf"{status}.*{stack.backend.instance}")


def first_error(stack: Shop) -> Command:
    """The log of the container names the variable; it goes by what `docker ps -a` calls its ID."""
    identity = str(stack.backend.container().short_id)
    words = "docker logs <container_id>"
    return compose(words, shows="DATABASE_URL", fill={"container_id": identity})
