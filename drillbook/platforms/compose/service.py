"""One service of a Compose stack, as Docker has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from drillbook.platforms.protocols import NotThere, State

if TYPE_CHECKING:
    from drillbook.platforms.compose.stack import Stack

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
NUMBER_LABEL = "com.docker.compose.container-number"
# What enters a container, a health check say, goes by these names until it is what it is to be.
ENTERING = ("runc", "crun", "/proc/self/exe")


@dataclass(frozen=True)
class Service:
    """One service of the stack, by the name the Compose file gives it."""

    stack: Stack
    name: str

    def __str__(self) -> str:
        return self.name

    # --- its containers ----------------------------------------------------------------------
    def containers(self, *, sparse: bool = False) -> list[Container]:
        """All its containers, running or not, oldest first. May be empty.

        ``sparse`` asks the engine once for all, and tells of each no more than a listing does.
        """
        project = f"{PROJECT_LABEL}={self.stack.project}"
        listed = self.stack.docker.containers.list(
            all=True,
            sparse=sparse,
            ignore_removed=True,
            filters={"label": [project, f"{SERVICE_LABEL}={self.name}"]},
        )
        return sorted(listed, key=lambda one: str(one.attrs["Created"]))

    def container(self) -> Container:
        """Its oldest container, running or not. Raises NotThere where there is none."""
        known = self.stack.oldest.get(self.name)
        if known is not None:  # it stays the oldest for as long as it exists
            try:
                return self.stack.docker.containers.get(known)
            except NotFound:
                self.stack.oldest.pop(self.name, None)
        containers = self.containers()
        if not containers:
            raise NotThere(f"{self.name} has no container in project {self.stack.project}")
        self.stack.oldest[self.name] = str(containers[0].id)
        return containers[0]

    @property
    def instance(self) -> str:
        """The name a person would type for ``<container_name>``."""
        return str(self.container().name)

    @property
    def identity(self) -> str:
        """What ``docker ps`` shows in the column CONTAINER ID."""
        return str(self.container().short_id)

    # --- what Docker says of it --------------------------------------------------------------
    def state(self) -> State:
        """Its oldest container's state. Raises NotThere."""
        return state_of(self.name, self.container().attrs)

    def environment(self) -> Mapping[str, str]:
        """The variables of its newest container. Raises NotThere."""
        containers = self.containers()
        if not containers:
            raise NotThere(f"{self.name} has no container")
        pairs = (one.partition("=") for one in containers[-1].attrs["Config"]["Env"])
        return {name: value for name, _, value in pairs}

    def log_lines(self, since: float | None = None) -> list[str]:
        """Its log lines (both streams) since a Unix time, by default since ``stack.mark()``."""
        begin = self.stack.marked_at if since is None else since
        lines: list[str] = []
        for container in self.containers(sparse=True):
            raw = container.logs(since=begin, stdout=True, stderr=True)
            assert isinstance(raw, bytes)  # an iterator only where one asks to follow
            lines += raw.decode("utf-8", "replace").splitlines()
        return lines

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command in its container; returns exit status and output."""
        result = self.container().exec_run(list(command))
        assert isinstance(result.output, bytes)  # an iterator only where one asks to stream
        return int(result.exit_code or 0), result.output.decode("utf-8", "replace")

    def published(self, port: int) -> int:
        """The loopback port that reaches ``port`` of its container now. Raises NotThere."""
        bindings = self.container().attrs["NetworkSettings"]["Ports"].get(f"{port}/tcp")
        if not bindings:
            raise NotThere(f"{self.name} does not publish port {port} now")
        return int(bindings[0]["HostPort"])

    def cpu_percent(self) -> float:
        """Between two samples that the engine takes itself, for one answer."""
        stats: Any = self.stack.docker.api.stats(str(self.container().id), stream=False)
        used_ns = (
            stats["cpu_stats"]["cpu_usage"]["total_usage"]
            - stats["precpu_stats"]["cpu_usage"]["total_usage"]
        )
        read, before = (datetime.fromisoformat(stats[name]) for name in ("read", "preread"))
        return float(used_ns / 1e7 / (read - before).total_seconds())


def state_of(service: str, attrs: Mapping[str, Any]) -> State:
    """The state of a container that was inspected."""
    state = attrs["State"]
    return State(
        service,
        state["Status"],
        state.get("Health", {}).get("Status", ""),
        state["ExitCode"],
        int(attrs["RestartCount"]),
        bool(state["OOMKilled"]),
        attrs["Config"]["Image"],
        attrs["Created"],
        state["StartedAt"],
    )


def listed_state(service: str, attrs: Mapping[str, Any]) -> State:
    """The state of a container that was only listed: ``Up 3 seconds (healthy)``."""
    words = str(attrs["Status"])
    health = words.rpartition("(")[2].rstrip(")").removeprefix("health: ")
    known = health if health in ("healthy", "unhealthy", "starting") else ""
    return State(service, attrs["State"], known, image=attrs["Image"])


def programs(container: Container) -> list[str]:
    """What runs in a container, but for its health check, which comes and goes.

    A process that has ended and is not yet reaped, or has not begun, is listed in brackets.
    """
    try:
        table: Any = container.top()
    except APIError as error:
        return [f"not known: {error.explanation}"]  # it stopped just now; the next look tells
    column = table["Titles"].index("CMD")
    running = [row[column].split()[0] for row in table["Processes"]]
    health = container.attrs["Config"].get("Healthcheck", {}).get("Test", [])
    names = [(one, one.strip("[]")) for one in running]
    return sorted(
        one for one, name in names if name not in health and not name.startswith(ENTERING)
    )
