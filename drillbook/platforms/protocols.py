"""What a drill asks of the place where a system runs, whichever that is.

``Stack`` and ``Workload`` are what every platform has. What only some can do is a capability of
its own, asked for where it is needed::

    require(stack, Kills).kill(service)

raises Unavailable, with the reason, where the platform cannot, and what needs it stays unproven.
The verbs are those of the runbook's claims and not of Docker: a killed pod heals itself, so what
is asked for is a workload that is down *and stays down*.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from drillbook.looking import CouldNotLook, Unavailable
from drillbook.terminal import Terminal

if TYPE_CHECKING:
    import httpx

    from drillbook.runbook import Platform
    from drillbook.system import System


class StackError(Exception):
    """The stack could not be brought up, reached or changed; the message says why."""


class NotThere(StackError, CouldNotLook):
    """What was asked about does not exist, or does not answer, so nothing is known of it."""


class PortTaken(StackError):
    """A port that the stack publishes on loopback is in use."""


class NotOurs(StackError):
    """Something was about to be done to what this run did not start."""


@dataclass(frozen=True)
class State:
    """What the platform says of a workload: of the instance that is oldest, where it has several.

    ``status`` is ``running``, ``exited``, ``restarting``, ``created`` or the platform's own word;
    ``health`` is ``healthy``, ``unhealthy``, ``starting``, or empty where there is no check.
    """

    workload: str
    status: str
    health: str = ""
    exit_code: int = 0
    restarts: int = 0
    out_of_memory: bool = False
    image: str = ""
    created: str = ""
    """When it was made, and below when it was last started: ISO 8601, UTC."""
    started: str = ""

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self.status == "running"

    @property
    def well(self) -> bool:
        """Whether it runs, and its health check, where it has one, passes."""
        return self.running and self.health in ("", "healthy")

    def __str__(self) -> str:
        exited = "" if self.running else f", exit code {self.exit_code}"
        memory = ", out of memory" if self.out_of_memory else ""
        health = f", {self.health}" if self.health else ""
        return f"{self.workload} is {self.status}{exited}{memory}{health}"


@dataclass(frozen=True)
class Reach:
    """All that a command may name that is typed only because it looks: what is of this stack."""

    platform: Platform
    project: str
    """The Compose project, or the namespace, that holds all of it."""
    services: frozenset[str]
    instances: frozenset[str] = frozenset()
    """Names and ids of its containers or pods."""
    files: frozenset[str] = frozenset()
    """The Compose files that it was made of, as a person in its folder names them."""
    ports: frozenset[int] = frozenset()
    """Those on loopback where it, and what watches it, answers."""


class Workload(Protocol):
    """One service of a system as the platform runs it. Its questions raise NotThere."""

    @property
    def name(self) -> str:
        """The name that the system's own files give it."""

    @property
    def stack(self) -> Stack:
        """The stack that it is a part of."""

    @property
    def instance(self) -> str:
        """What a person calls the one that runs: a container's name, a pod's."""

    @property
    def identity(self) -> str:
        """The short identity that the platform's listing shows for it."""

    def state(self) -> State:
        """What the platform says of it now."""

    def environment(self) -> Mapping[str, str]:
        """The variables that its process was given."""

    def log_lines(self, since: float | None = None) -> list[str]:
        """Its log lines since a Unix time, by default since the stack's mark."""

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command inside it; returns the exit status and what it printed."""

    def cpu_percent(self) -> float:
        """The CPU that it uses over a second or two, in percent of one core."""


class Stack(Protocol):
    """A running system."""

    @property
    def platform(self) -> Platform:
        """The platform it runs on."""

    @property
    def system(self) -> System:
        """What runs."""

    @property
    def services(self) -> Sequence[Workload]:
        """Those whose health is the steady state."""

    @property
    def http(self) -> httpx.Client:
        """A client for looking at it: short time-outs, no proxy."""

    def service(self, name: str) -> Workload:
        """Any workload by the name that the system's files give it."""

    def states(self) -> Mapping[str, State]:
        """What the platform says of every workload that is there, asked in one question."""

    def address(self, entrance: str) -> str:
        """The URL on loopback of one of the system's entrances."""

    def mark(self) -> None:
        """From now on, logs are read from this moment."""

    def reach(self) -> Reach:
        """What is of this stack, and so may be looked at."""

    def placeholder(self, name: str) -> str | None:
        """What a person types for ``<name>``; None where only the scenario knows."""

    def terminal(self) -> Terminal:
        """A terminal in the folder where a person types the runbook's commands."""

    def fingerprint(self) -> Mapping[str, object]:
        """All of the platform that a drill could leave changed."""

    def disturbed(self) -> str:
        """What disturbs its connections now, in words; empty where nothing does."""


@runtime_checkable
class Kills(Protocol):
    """Can take a workload down so that it stays down, and bring it back."""

    def kill(self, workload: Workload) -> None:
        """End it at once, as a crash does; it stays down. Raises StackError."""

    def stop(self, workload: Workload) -> None:
        """End it as a person does; it stays down. Raises StackError."""

    def start(self, workload: Workload) -> None:
        """Start what is down. Raises StackError."""

    def restart(self, workload: Workload) -> None:
        """Stop it and start it again. Raises StackError."""


@runtime_checkable
class Configures(Protocol):
    """Can start a workload anew with other values of its variables."""

    def settings(self, names: Collection[str]) -> dict[str, str | None]:
        """The values now; None is the system's own default."""

    def configure(
        self, workload: Workload, values: Mapping[str, str | None], *, wait: bool = True
    ) -> None:
        """Start it anew with these values (None: the default), and wait until it is well.

        Raises StackError.
        """


class Links(Protocol):
    """The proxied connections between workloads. Every call raises LinkError where it fails."""

    def toxics(self) -> dict[str, list[str]]:
        """What disturbs each link now; ``cut`` where it refuses every connection."""

    def cut(self, link: str) -> None:
        """Refuse every connection over a link, and drop those that are open."""

    def mend(self, link: str) -> None:
        """Undo ``cut``."""

    def disturb(self, link: str, kind: str, stream: str, **attributes: int) -> str:
        """Add a toxic (latency in ms, timeout in ms, bandwidth in KB/s …); returns its name."""

    def calm(self, link: str, toxic: str) -> None:
        """Remove a toxic; nothing to do where it is gone."""

    def missing_names(self) -> list[str]:
        """Names of links that do not resolve now."""


@runtime_checkable
class Connects(Protocol):
    """Has its connections between workloads proxied, so that they can be cut and slowed."""

    @property
    def links(self) -> Links:
        """The proxied connections. Raises StackError before the stack is up."""


@runtime_checkable
class Deploys(Protocol):
    """Can run another image of a workload, and go back."""

    def deploy(self, workload: Workload, image: str) -> None:
        """Run this image, and wait until it is well. Raises StackError."""

    def beside(self, workload: Workload, image: str) -> AbstractContextManager[str]:
        """Run an image beside the one that serves; gives its URL. Raises StackError."""


C = TypeVar("C")


def require(stack: Stack, capability: type[C]) -> C:
    """The stack as one that has a capability. Raises Unavailable where its platform has not."""
    if not isinstance(stack, capability):
        raise Unavailable(
            f"{stack.platform} has no way for it here: {(capability.__doc__ or '').splitlines()[0]}"
        )
    return stack
