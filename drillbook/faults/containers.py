"""Breaking containers. Only those that the run started: see ``Stack.require_ours``."""

from __future__ import annotations

from collections.abc import Iterator

from drillbook.faults import Holds, fault
from drillbook.looking import Action, until
from drillbook.platforms.compose.stack import Service
from drillbook.symptoms import containers as see

BACK_S = 30.0


@fault("the container of {service} is killed (SIGKILL)")
def killed(service: Service) -> Iterator[Holds]:
    """Kill a service's container at once, as a crash or the OOM killer would."""
    container = service.stack.require_ours(service.container())
    container.kill()
    try:
        yield see.in_state(service, "exited")
    finally:
        if see_is_down(service):
            service.container().start()
            until(see.healthy(service), BACK_S)


def see_is_down(service: Service) -> bool:
    """Whether the service's container is not running now."""
    return str(service.state()["Status"]) != "running"


def restart(service: Service) -> Action:
    """Restart a service's container, as `docker compose restart` does."""

    def act() -> str:
        service.stack.require_ours(service.container()).restart(timeout=10)
        return f"{service} was restarted"

    return Action(f"restart the container of {service}", act)
