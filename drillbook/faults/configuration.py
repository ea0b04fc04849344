"""Breaking configuration: a service is started anew with variables that are wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

from drillbook.faults import Holds, fault
from drillbook.looking import Action, Look
from drillbook.platforms import Configures, Workload, require
from drillbook.symptoms import workloads


def _configured(service: Workload, variable: str, value: str) -> Look:
    return workloads.environment(service, variable, f"^{re.escape(value)}$")


@fault("{service.name} is started with {variable}={value}")
def environment(
    service: Workload,
    variable: str,
    value: str,
    *,
    starts: bool = True,
    also: dict[str, str] | None = None,
) -> Iterator[Holds]:
    """Start a service with a wrong environment variable, as an edited Compose file would.

    ``starts``: it comes up with it and is waited for. ``also`` are further variables of the
    system's files, which are not part of the claim.
    """
    platform = require(service.stack, Configures)
    wrong = {variable: value, **(also or {})}
    before = platform.settings(wrong)
    platform.configure(service, wrong, wait=starts)
    try:
        yield _configured(service, variable, value)
    finally:
        now = platform.settings(wrong)
        if any(now[name] == given for name, given in wrong.items()):
            platform.configure(service, before)


def correct(service: Workload, **values: str | None) -> Action:
    """Set variables right (None: back to the system's own value), and start anew."""

    def act() -> str:
        require(service.stack, Configures).configure(service, values)
        return f"{service.name} was started with the right {', '.join(values)}"

    return Action(f"set {', '.join(values)} right and start {service.name} anew", act)
