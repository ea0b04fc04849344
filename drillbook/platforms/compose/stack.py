"""The stack under test and its services: Testcontainers' Compose, and the Docker SDK to look at it.

A stack belongs to one run and is disposable. Its Compose project name says so, its containers
carry the label of the process that started them, and a reaper takes it down when that process
is gone, however it went (``drillbook.reaper``).
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
import httpx
import psycopg
from docker.errors import NotFound
from docker.models.containers import Container
from testcontainers.compose import DockerCompose

from drillbook import reaper
from drillbook.looking import CouldNotLook
from drillbook.platforms.compose.links import Links
from drillbook.runbook import Platform
from drillbook.terminal import Terminal

ROOT = Path(__file__).resolve().parents[3]
SERVICE = ROOT / "service"
CHAOS = ROOT / "fixtures" / "chaos"
COMPOSE_FILE = "docker-compose.prod.yml"
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
NUMBER_LABEL = "com.docker.compose.container-number"
COMPOSE_DEADLINE_S = 300.0
API_DEADLINE_S = 20
AILING_LINES = 15
USER, DATABASE = "user", "mydatabase"

Environment = dict[str, str]


class StackError(Exception):
    """The stack could not be brought up, reached or changed; the message says why."""


class NotThere(StackError, CouldNotLook):
    """What was asked about does not exist, or does not answer, so nothing is known of it."""


class PortTaken(StackError):
    """A port that the stack publishes on loopback is in use."""


class NotOurs(StackError):
    """Something was about to be done to a container that this run did not start."""


@dataclass(frozen=True)
class Service:
    """One service of the stack, by the name the Compose file gives it."""

    stack: Stack
    name: str

    def __str__(self) -> str:
        return self.name

    def containers(self, *, sparse: bool = False) -> list[Container]:
        """All its containers, running or not, oldest first. May be empty.

        ``sparse`` asks the engine once for all, and tells of each no more than a listing does.
        """
        found = self.stack.docker.containers.list(
            all=True,
            sparse=sparse,
            ignore_removed=True,
            filters={
                "label": [f"{PROJECT_LABEL}={self.stack.project}", f"{SERVICE_LABEL}={self.name}"]
            },
        )
        return sorted(found, key=lambda one: str(one.attrs["Created"]))

    def container(self) -> Container:
        """Its oldest container, running or not. Raises NotThere where there is none."""
        known = self.stack.oldest.get(self.name)
        if known is not None:  # it stays the oldest for as long as it exists
            try:
                return self.stack.docker.containers.get(known)
            except NotFound:
                self.stack.oldest.pop(self.name, None)
        found = self.containers()
        if not found:
            raise NotThere(f"{self.name} has no container in project {self.stack.project}")
        self.stack.oldest[self.name] = str(found[0].id)
        return found[0]

    @property
    def container_name(self) -> str:
        """The name a person would type for ``<container_name>``."""
        return str(self.container().name)

    @property
    def image(self) -> str:
        """The name of the image that its container was made of."""
        return str(self.container().attrs["Config"]["Image"])

    def state(self) -> dict[str, Any]:
        """Docker's State of the container: Status, Health, ExitCode, OOMKilled, Restarting …"""
        state: dict[str, Any] = self.container().attrs["State"]
        return state

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


@dataclass(repr=False)
class Stack:
    """The running stack. ``up`` and ``down`` bracket its life; both can be called again."""

    environment: Environment
    project: str = field(default_factory=lambda: f"drillbook-{os.getpid()}-{secrets.token_hex(2)}")
    profiles: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    folder: Path = SERVICE
    """Where a person at this stack's terminal types."""
    marked_at: float = 0.0
    oldest: dict[str, str] = field(default_factory=dict)
    _reaper: reaper.Watch | None = None
    _outer: dict[str, str | None] = field(default_factory=dict)
    _links: Links | None = None

    @property
    def platform(self) -> Platform:
        """Docker Compose."""
        return "compose"

    # --- its services ------------------------------------------------------------------------
    @property
    def db(self) -> Service:
        """PostgreSQL."""
        return Service(self, "db")

    @property
    def backend(self) -> Service:
        """The FastAPI application."""
        return Service(self, "backend")

    @property
    def nginx(self) -> Service:
        """The reverse proxy users come through."""
        return Service(self, "nginx")

    @property
    def payments(self) -> Service:
        """The external dependency that placing an order calls."""
        return Service(self, "payments")

    def containers(self) -> list[Container]:
        """Every container of this stack, running or not."""
        return self.docker.containers.list(
            all=True,
            ignore_removed=True,
            filters={"label": f"{PROJECT_LABEL}={self.project}"},
        )

    def service(self, name: str) -> Service:
        """Any service by its Compose name."""
        return Service(self, name)

    @property
    def services(self) -> tuple[Service, ...]:
        """Those whose health is part of the steady state."""
        return (self.db, self.payments, self.backend, self.nginx)

    # --- where it is reached -----------------------------------------------------------------
    @property
    def url(self) -> str:
        """Where users come in: nginx, HTTP."""
        return f"http://127.0.0.1:{self.environment.get('HTTP_PORT', '80')}"

    @property
    def backend_url(self) -> str:
        """The backend itself, as the runbook reaches it on port 8000."""
        return f"http://127.0.0.1:{self.environment.get('BACKEND_PORT', '8000')}"

    @cached_property
    def docker(self) -> docker.DockerClient:
        """The Docker SDK's client for the engine of this run."""
        return docker.from_env(timeout=API_DEADLINE_S)

    @cached_property
    def http(self) -> httpx.Client:
        """A client for looking at the stack; short time-outs, no keep-alive surprises."""
        return httpx.Client(
            timeout=httpx.Timeout(5.0, connect=2.0),
            verify=False,  # noqa: S501 - the stack makes its own certificate at start
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def database(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A direct line to the database that no proxy and no fault lies on. Raises NotThere."""
        port = self.db.published(5432)
        try:
            return psycopg.connect(
                host="127.0.0.1",
                port=port,
                user=USER,
                dbname=DATABASE,
                password=self.environment["POSTGRES_PASSWORD"],
                connect_timeout=3,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise NotThere(f"no direct line to the database: {error}") from error

    @property
    def links(self) -> Links:
        """The proxied connections between services. Raises StackError before ``up``."""
        if self._links is None:
            raise StackError("the stack is not up")
        return self._links

    # --- time --------------------------------------------------------------------------------
    def mark(self) -> None:
        """From now on, logs are read from this moment."""
        self.marked_at = time.time()

    # --- life --------------------------------------------------------------------------------
    def compose_files(self) -> list[str]:
        """The files that make up this stack, production's first, relative to ``service/``."""
        files = [COMPOSE_FILE, str(CHAOS / "docker-compose.chaos.yml")]
        if os.environ.get("SSL_CERT_FILE"):
            files.append(str(CHAOS / "ca-bundle.yml"))
        return [*files, *self.layers]

    def up(self) -> float:
        """Build and start the stack and wait until it is healthy; returns the seconds it took.

        Raises PortTaken or StackError, with what Compose said.
        """
        began = time.monotonic()
        self._enter_environment()
        self._refuse_taken_ports()
        self._reaper = self._reaper or reaper.watch(self.project)
        try:
            self._compose_object(build=True).start()
        except subprocess.CalledProcessError as error:
            said = _words(error.stderr) or _words(error.stdout)
            raise StackError(
                f"the stack did not come up; Compose said:\n{said}{self._ailing()}"
            ) from error
        toxiproxy = self.service("toxiproxy")
        self._links = Links(self.docker, self.project, toxiproxy.published(8474))
        self._links.follow()
        self.mark()
        return time.monotonic() - began

    def down(self) -> None:
        """Remove containers, networks and volumes. Raises StackError with what Compose said."""
        if self._links is not None:
            self._links.close()
            self._links = None
        try:
            self._compose_object(build=False).stop()
        except subprocess.CalledProcessError as error:
            raise StackError(f"the stack did not go down: {_words(error.stderr)}") from error
        finally:
            self._leave_environment()
        reaper.remove_images(self.project)
        if self._reaper is not None:
            self._reaper.dismiss()
            self._reaper = None

    def keep(self) -> None:
        """Leave the stack running after the run: nobody takes it down but ``./run clean``."""
        if self._links is not None:
            self._links.close()
        if self._reaper is not None:
            self._reaper.dismiss()
            self._reaper = None
        self._leave_environment()

    def compose(
        self, *arguments: str, deadline_s: float = COMPOSE_DEADLINE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker compose …`` on this stack. Raises StackError when it fails or hangs."""
        command = ["docker", "compose", *arguments]
        try:
            return subprocess.run(
                command,
                cwd=SERVICE,
                env=self.shell_environment(),
                text=True,
                capture_output=True,
                timeout=deadline_s,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise StackError(f"{' '.join(command)}: {_words(error.stderr)}") from error
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{' '.join(command)} did not end in {deadline_s:.0f} s") from error

    def placeholder(self, name: str) -> str | None:
        """What a person types for ``<name>``: ``<backend-container>`` is its container's name."""
        service = name.removesuffix("-container")
        known = {one.name: one for one in self.services}
        return known[service].container_name if service != name and service in known else None

    def terminal(self) -> Terminal:
        """A terminal in the folder where a person types, who knows the database's password."""
        password = self.environment["POSTGRES_PASSWORD"]
        return Terminal(self.folder, self.shell_environment(), password)

    def shell_environment(self) -> dict[str, str]:
        """The environment in which a person at this stack's terminal types commands."""
        return {**os.environ, **self._compose_environment()}

    def require_ours(self, container: Container) -> Container:
        """Return the container if this run started it. Raises NotOurs otherwise."""
        labels: Mapping[str, str] = container.labels
        if labels.get(PROJECT_LABEL) != self.project:
            raise NotOurs(f"{container.name} is not of project {self.project}; left alone")
        return container

    # --- within ------------------------------------------------------------------------------
    def _ailing(self) -> str:
        """The last words of every container that is not as it should be."""
        told = ""
        for container in self.containers():
            state = container.attrs["State"]
            health = state.get("Health", {}).get("Status", "healthy")
            if state["Status"] != "running" or health != "healthy":
                tail = container.logs(tail=AILING_LINES).decode("utf-8", "replace").rstrip()
                told += f"\n{container.name} ({state['Status']}, {health}) said last:\n{tail}"
        return told

    def _compose_environment(self) -> Environment:
        return {
            **self.environment,
            "COMPOSE_PROJECT_NAME": self.project,
            # a tag of its own, so that two runs on one engine never get each other's build
            "BACKEND_TAG": self.environment.get("BACKEND_TAG", self.project),
            "COMPOSE_FILE": os.pathsep.join(self.compose_files()),
            "COMPOSE_PROFILES": ",".join(self.profiles),
            "DRILLBOOK_CHAOS": str(CHAOS),
            "DRILLBOOK_OWNER": reaper.owner(),
            "HEALTHCHECK_INTERVAL": self.environment.get("HEALTHCHECK_INTERVAL", "1s"),
        }

    def _compose_object(self, *, build: bool) -> DockerCompose:
        return DockerCompose(
            context=SERVICE, compose_file_name=self.compose_files(), build=build, wait=True
        )

    def _enter_environment(self) -> None:
        # Testcontainers' Compose inherits this process' environment and takes no other.
        for name, value in self._compose_environment().items():
            self._outer.setdefault(name, os.environ.get(name))
            os.environ[name] = value

    def _leave_environment(self) -> None:
        for name, value in self._outer.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._outer.clear()

    def _refuse_taken_ports(self) -> None:
        if any(service.containers() for service in self.services):
            return  # our own stack already holds them
        for variable, default in (("BACKEND_PORT", 8000), ("HTTP_PORT", 80), ("HTTPS_PORT", 443)):
            port = int(self.environment.get(variable, default))
            if port_taken(port):
                raise PortTaken(
                    f"port {port} on 127.0.0.1 is taken, and the stack publishes there. "
                    f"Free it (`ss -ltnp 'sport = :{port}'` names who holds it; a stack left by "
                    f"an earlier run goes with `./run clean`), or set {variable} to another port; "
                    "steps that name the port then run against whatever listens there."
                )


def port_taken(port: int) -> bool:
    """Whether something listens on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _words(raw: bytes | str | None) -> str:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw or ""
    return "\n".join(text.strip().splitlines()[-25:])
