"""Breaking configuration: a service is made anew with environment variables that are wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

from drillbook.faults import Holds, fault
from drillbook.looking import Action, Look
from drillbook.platforms.compose.stack import Service
from drillbook.symptoms import containers


def _configured(service: Service, variable: str, value: str) -> Look:
    return containers.environment(service, variable, f"^{re.escape(value)}$")


def apply(service: Service, *, wait: bool) -> None:
    """Make a service's container anew from the stack's environment. Raises StackError."""
    waiting = ["--wait"] if wait else []
    service.stack.compose("up", "--detach", "--no-deps", "--no-build", *waiting, service.name)


@fault("{service} is started with {variable}={value}")
def environment(
    service: Service,
    variable: str,
    value: str,
    *,
    starts: bool = True,
    also: dict[str, str] | None = None,
) -> Iterator[Holds]:
    """Start a service with a wrong environment variable, as an edited Compose file would.

    ``starts``: it comes up with it and is waited for. ``also`` are further variables of the
    Compose file, which are not part of the claim.
    """
    stack = service.stack
    wrong = {variable: value, **(also or {})}
    before = {name: stack.environment.get(name) for name in wrong}
    stack.environment.update(wrong)
    apply(service, wait=starts)
    try:
        yield _configured(service, variable, value)
    finally:
        if any(stack.environment.get(name) == given for name, given in wrong.items()):
            _restore(service, before)
            apply(service, wait=True)


def _restore(service: Service, values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            service.stack.environment.pop(name, None)
        else:
            service.stack.environment[name] = value


def correct(service: Service, **values: str | None) -> Action:
    """Set variables right (None: back to the Compose file's own value), and start anew."""

    def act() -> str:
        _restore(service, values)
        apply(service, wait=True)
        return f"{service} was started with the right {', '.join(values)}"

    return Action(f"set {', '.join(values)} right and start {service} anew", act)
