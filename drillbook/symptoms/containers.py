"""What the Docker engine says of a service's container: its state, health, use of the machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from drillbook.looking import Look
from drillbook.platforms.compose.stack import (
    PROJECT_LABEL,
    SERVICE_LABEL,
    Service,
    Stack,
)


def _told(service: Service, state: dict[str, Any]) -> str:
    health = state.get("Health", {}).get("Status")
    exited = f", exit code {state['ExitCode']}" if state["Status"] != "running" else ""
    return f"{service} is {state['Status']}{exited}{f', {health}' if health else ''}"


def in_state(service: Service, *statuses: str) -> Look:
    """The container's status is one of those given (`exited`, `restarting`, `running` …)."""

    def look() -> str:
        state = service.state()
        told = _told(service, state)
        assert state["Status"] in statuses, told
        return told

    return Look(f"{service} is {' or '.join(statuses)}", look)


def running(service: Service) -> Look:
    """The container runs."""
    return in_state(service, "running")


def healthy(service: Service) -> Look:
    """The container runs, and its health check passes."""

    def look() -> str:
        state = service.state()
        told = _told(service, state)
        assert state["Status"] == "running", told
        assert state.get("Health", {}).get("Status") == "healthy", told
        return told

    return Look(f"{service} is healthy", look)


def unhealthy(service: Service) -> Look:
    """The container's health check fails (Docker counts a stopped container as unhealthy)."""

    def look() -> str:
        state = service.state()
        told = _told(service, state)
        assert state.get("Health", {}).get("Status") == "unhealthy", told
        return told

    return Look(f"{service}'s health check fails", look)


def _listed(stack: Stack) -> dict[str, tuple[str, str]]:
    """What one listing (`docker ps -a`) says of each service: its state, and in words."""
    found = stack.docker.containers.list(
        all=True, sparse=True, filters={"label": f"{PROJECT_LABEL}={stack.project}"}
    )
    # of several containers of a service the oldest speaks, as for the looks at one service
    found.sort(key=lambda one: int(one.attrs["Created"]), reverse=True)
    entries = [one.attrs for one in found]
    return {one["Labels"][SERVICE_LABEL]: (one["State"], one["Status"]) for one in entries}


def all_running(stack: Stack) -> Look:
    """Every service's container runs. One question to the engine for all of them."""

    def look() -> str:
        states = _listed(stack)
        for service in stack.services:
            state, words = states.get(service.name, ("", "not there"))
            assert state == "running", f"{service} is {state or words}"
        return "every container runs"

    return Look("every container runs", look)


def all_healthy(stack: Stack) -> Look:
    """Every service's container runs and its health check passes, asked in one question."""

    def look() -> str:
        states = _listed(stack)
        for service in stack.services:
            state, words = states.get(service.name, ("", "not there"))
            assert state == "running", f"{service} is {state or words}"
            assert words.endswith("(healthy)"), f"{service} is {words}"
        return "every container is healthy"

    return Look("every container is healthy", look)


def restarts(service: Service, *, at_least: int) -> Look:
    """The engine has restarted the container at least so many times."""

    def look() -> str:
        container = service.container()
        count = int(container.attrs["RestartCount"])
        told = f"{_told(service, container.attrs['State'])}, restarted {count} times"
        assert count >= at_least, told
        return told

    return Look(f"{service} is restarted again and again", look)


def cpu_shares(services: Sequence[Service]) -> dict[str, float]:
    """CPU that each service uses over the same second or two, in percent of one core."""
    with ThreadPoolExecutor(len(services)) as pool:  # the engine takes its time for each answer
        return dict(
            zip((one.name for one in services), pool.map(_cpu_percent, services), strict=True)
        )


def _cpu_percent(service: Service) -> float:
    """Between two samples that the engine takes itself, for one answer."""
    told: Any = service.stack.docker.api.stats(str(service.container().id), stream=False)
    used_ns = (
        told["cpu_stats"]["cpu_usage"]["total_usage"]
        - told["precpu_stats"]["cpu_usage"]["total_usage"]
    )
    passed = datetime.fromisoformat(told["read"]) - datetime.fromisoformat(told["preread"])
    return float(used_ns / 1e7 / passed.total_seconds())


def busiest(service: Service) -> Look:
    """The service uses more CPU than all other services of the stack together.

    Compared with the others and not with a bound, since a busy machine leaves each of them less.
    """

    def look() -> str:
        shares = cpu_shares(service.stack.services)
        told = ", ".join(f"{name} {percent:.0f} %" for name, percent in shares.items())
        own = shares.pop(service.name)
        assert own > sum(shares.values()), f"CPU of a core: {told}"
        return f"CPU of a core: {told}"

    return Look(f"{service} uses more CPU than all others together", look)


def listed(service: Service, *command: str, shows: str) -> Look:
    """The engine's own listing (`docker ps -a`, say) has the container's line match a pattern."""

    def look() -> str:
        name = service.container_name
        listing = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        lines = [line for line in listing.stdout.splitlines() if line.endswith(name)]
        assert lines, f"`{' '.join(command)}` does not list {name}"
        assert re.search(shows, lines[0]), lines[0]
        return lines[0]

    return Look(f"`{' '.join(command)}` lists {service} as /{shows}/", look)


def started(service: Service) -> Look:
    """When a service was last started, and from which image: what changed, and when."""

    def look() -> str:
        container = service.container()
        state, created = container.attrs["State"], container.attrs["Created"]
        image = container.attrs["Config"]["Image"]
        assert state["StartedAt"] >= created, f"{service} has not started since {created}"
        return f"{service} runs {image}, created {created[:19]}, started {state['StartedAt'][:19]}"

    return Look(f"when {service} was made and started, and from what", look)


def runs(service: Service, image: str) -> Look:
    """A service's container was made of an image."""

    def look() -> str:
        found = service.image
        assert found == image, f"{service} runs {found}"
        return f"{service} runs {found}"

    return Look(f"{service} runs {image}", look)


def environment(service: Service, variable: str, pattern: str) -> Look:
    """A variable of the container's environment, as the engine has it, matches a pattern."""

    def look() -> str:
        found = service.containers()
        assert found, f"{service} has no container"
        pairs = (one.partition("=") for one in found[-1].attrs["Config"]["Env"])
        value = next((value for name, _, value in pairs if name == variable), None)
        assert value is not None, f"{service} has no {variable}"
        assert re.search(pattern, value), f"{variable}={value}"
        return f"{variable}={value}"

    return Look(f"{variable} of {service} is /{pattern}/", look)
