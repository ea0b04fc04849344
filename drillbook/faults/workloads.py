"""Breaking workloads. Only those that the run started: see ``Kills`` in drillbook.platforms."""

from __future__ import annotations

from collections.abc import Iterator

from drillbook.faults import Holds, fault
from drillbook.looking import Action, until
from drillbook.platforms import Kills, Workload, require
from drillbook.symptoms import workloads as see

BACK_S = 30.0


@fault("{service.name} is killed (SIGKILL)")
def killed(service: Workload) -> Iterator[Holds]:
    """Kill a service at once, as a crash or the OOM killer would; it stays down."""
    platform = require(service.stack, Kills)
    platform.kill(service)
    try:
        yield see.in_state(service, "exited")
    finally:
        if not service.state().running:
            platform.start(service)
            until(see.healthy(service), BACK_S)


@fault("{service.name} is stopped")
def stopped(service: Workload) -> Iterator[Holds]:
    """Stop a service as a person would, and leave it stopped."""
    platform = require(service.stack, Kills)
    platform.stop(service)
    try:
        yield see.in_state(service, "exited")
    finally:
        if not service.state().running:
            platform.start(service)
            until(see.running(service), BACK_S)


def restart(service: Workload) -> Action:
    """Restart a service, as `docker compose restart` does."""

    def act() -> str:
        require(service.stack, Kills).restart(service)
        return f"{service.name} was restarted"

    return Action(f"restart {service.name}", act)
