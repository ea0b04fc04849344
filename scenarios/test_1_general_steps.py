"""Runbook entry 1: the general steps, on a stack that is well."""

from __future__ import annotations

from drillbook.drill import Drill, compose, drills
from drillbook.symptoms import workloads as see
from fixtures.shop import Shop


@drills("1")
def test_general_steps(drill: Drill, stack: Shop) -> None:
    """The general steps, on a healthy stack."""
    drill.step(
        1,
        compose(
            "docker compose logs <service_name>",
            shows="Listening at",
            fill={"service_name": "backend"},
        ),
    )

    drill.step(2, compose("docker compose ps -a", shows=r"backend .*\(healthy\)"))

    drill.step(3, compose("docker stats", shows=stack.db.instance, stop_when_shown=True))

    drill.step(
        4,
        compose(
            "docker exec <container_name> ping -c 3 <target_host>",
            shows="3 received, 0% packet loss",
            fill={"container_name": stack.backend.instance, "target_host": "db"},
        ),
    )

    drill.step(5, see.started(stack.backend))

    drill.recovered()
