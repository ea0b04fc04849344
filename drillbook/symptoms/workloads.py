"""What the platform says of a workload: its state, health, configuration, use of the machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from drillbook.detectors import containers as detectors
from drillbook.detectors.containers import Listed
from drillbook.looking import Look
from drillbook.platforms import Stack, Workload


def in_state(service: Workload, *statuses: str) -> Look:
    """The workload's status is one of those given (`exited`, `restarting`, `running` …)."""

    def look() -> str:
        state = service.state()
        assert state.status in statuses, state
        return str(state)

    return Look(f"{service.name} is {' or '.join(statuses)}", look)


def running(service: Workload) -> Look:
    """The workload runs."""
    return in_state(service, "running")


def healthy(service: Workload) -> Look:
    """The workload runs, and its health check passes."""

    def look() -> str:
        state = service.state()
        assert state.running, state
        assert state.health == "healthy", state
        return str(state)

    return Look(f"{service.name} is healthy", look)


def unhealthy(service: Workload) -> Look:
    """The workload's health check fails (Docker counts a stopped container as unhealthy)."""

    def look() -> str:
        state = service.state()
        assert state.health == "unhealthy", state
        return str(state)

    return Look(f"{service.name}'s health check fails", look)


def out_of_memory(service: Workload) -> Look:
    """The workload was ended because it wanted more memory than it may have."""

    def look() -> str:
        state = service.state()
        assert state.out_of_memory, state
        return str(state)

    return Look(f"{service.name} was ended for want of memory", look)


def all_running(stack: Stack) -> Look:
    """Every service of the steady state runs. One question for all of them."""

    def look() -> str:
        states = stack.states()
        for service in stack.system.services:
            assert service in states, f"{service} is not there"
            assert states[service].running, states[service]
        return "every service runs"

    return Look("every service runs", look)


def all_healthy(stack: Stack) -> Look:
    """Every service runs, and its health check, where it has one, passes. One question for all."""

    def look() -> str:
        states = stack.states()
        for service in stack.system.services:
            assert service in states, f"{service} is not there"
            assert states[service].well, states[service]
        return "every service is healthy"

    return Look("every service is healthy", look)


def not_running(service: Workload) -> Look:
    """The platform lists the service as exited or restarting, or does not list it."""
    stack = service.stack

    def listing() -> dict[str, Listed]:
        return {name: Listed(one.status, str(one)) for name, one in stack.states().items()}

    return detectors.not_running(service.name).look(listing)


def restarts(service: Workload, *, at_least: int) -> Look:
    """The platform has restarted the workload at least so many times."""

    def look() -> str:
        state = service.state()
        words = f"{state}, restarted {state.restarts} times"
        assert state.restarts >= at_least, words
        return words

    return Look(f"{service.name} is restarted again and again", look)


def cpu_shares(services: Sequence[Workload]) -> dict[str, float]:
    """CPU that each service uses over the same second or two, in percent of one core."""
    with ThreadPoolExecutor(len(services)) as pool:  # each answer takes its time
        percents = pool.map(lambda one: one.cpu_percent(), services)
        return dict(zip((one.name for one in services), percents, strict=True))


def busiest(service: Workload) -> Look:
    """The service uses more CPU than all other services of the stack together.

    Compared with the others and not with a bound, since a busy machine leaves each of them less.
    """

    def look() -> str:
        shares = cpu_shares(service.stack.services)
        words = ", ".join(f"{name} {percent:.0f} %" for name, percent in shares.items())
        own = shares.pop(service.name)
        assert own > sum(shares.values()), f"CPU of a core: {words}"
        return f"CPU of a core: {words}"

    return Look(f"{service.name} uses more CPU than all others together", look)


def started(service: Workload) -> Look:
    """When a service was last started, and from which image: what changed, and when."""

    def look() -> str:
        state = service.state()
        assert state.started >= state.created, f"{service.name} has not started: {state}"
        made, began = state.created[:19], state.started[:19]
        return f"{service.name} runs {state.image}, created {made}, started {began}"

    return Look(f"when {service.name} was made and started, and from what", look)


def runs(service: Workload, image: str) -> Look:
    """A service was made of an image."""

    def look() -> str:
        now = service.state().image
        assert now == image, f"{service.name} runs {now}"
        return f"{service.name} runs {now}"

    return Look(f"{service.name} runs {image}", look)


def environment(service: Workload, variable: str, pattern: str) -> Look:
    """A variable that the service was given matches a pattern."""

    def look() -> str:
        value = service.environment().get(variable)
        assert value is not None, f"{service.name} has no {variable}"
        assert re.search(pattern, value), f"{variable}={value}"
        return f"{variable}={value}"

    return Look(f"{variable} of {service.name} is /{pattern}/", look)
