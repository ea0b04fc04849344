"""A system on Docker Compose: Testcontainers brings it up, the Docker SDK looks at it.

A stack belongs to one run and is disposable. Its Compose project name says so, its containers
carry the label of the process that started them, and a reaper takes it down when that process
is gone, however it went (``drillbook.reaper``).
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import docker
import httpx
from docker.models.containers import Container

from drillbook import reaper
from drillbook.looking import NeverSeen, until
from drillbook.machine import docker_client, environment
from drillbook.platforms.compose import fingerprint, overlay
from drillbook.platforms.compose.command import Compose
from drillbook.platforms.compose.links import Links
from drillbook.platforms.compose.service import (
    NUMBER_LABEL,
    PROJECT_LABEL,
    SERVICE_LABEL,
    Service,
    listed_state,
)
from drillbook.platforms.protocols import (
    NotOurs,
    PortTaken,
    Reach,
    StackError,
    State,
    Workload,
)
from drillbook.runbook import Platform
from drillbook.system import System
from drillbook.terminal import Terminal

COMPOSE_DEADLINE_S = 300.0
API_DEADLINE_S = 20
AILING_LINES = 15
STARTS_S = 60.0
BESIDE = "beside"

Environment = dict[str, str]


@dataclass(repr=False)
class Stack:
    """The running stack. ``up`` and ``down`` bracket its life; both can be called again."""

    environment: Environment
    system: System
    project: str = field(default_factory=lambda: f"drillbook-{os.getpid()}-{secrets.token_hex(2)}")
    profiles: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    chaos: bool = True
    """Whether its links are proxied; without, it is the system as production runs it."""
    workdir: Path | None = None
    """Where a person at this stack's terminal types, if not in the system's folder."""
    files: Path | None = None
    """Where its own files are kept as evidence; by default in a folder that goes with it."""
    marked_at: float = 0.0
    oldest: dict[str, str] = field(default_factory=dict)
    _reaper: reaper.Watch | None = None
    _links: Links | None = None
    _overlay: Path | None = None
    _temporary: tempfile.TemporaryDirectory[str] | None = None

    @property
    def platform(self) -> Platform:
        """Docker Compose."""
        return "compose"

    # --- its services ------------------------------------------------------------------------
    def service(self, name: str) -> Service:
        """Any service by its Compose name."""
        return Service(self, name)

    @property
    def services(self) -> Sequence[Service]:
        """Those whose health is part of the steady state."""
        return [Service(self, name) for name in self.system.services]

    def containers(self) -> list[Container]:
        """Every container of this stack, running or not."""
        label = f"{PROJECT_LABEL}={self.project}"
        return self.docker.containers.list(all=True, ignore_removed=True, filters={"label": label})

    def states(self) -> Mapping[str, State]:
        """What one listing says of each service; of several containers, of the oldest."""
        label = f"{PROJECT_LABEL}={self.project}"
        listed = self.docker.containers.list(all=True, sparse=True, filters={"label": label})
        listed.sort(key=lambda one: int(one.attrs["Created"]), reverse=True)
        by_service = {one.attrs["Labels"][SERVICE_LABEL]: one.attrs for one in listed}
        return {name: listed_state(name, attrs) for name, attrs in by_service.items()}

    # --- where it is reached -----------------------------------------------------------------
    def address(self, entrance: str) -> str:
        """The URL on loopback of one of the system's entrances."""
        scheme = self.system.entrances[entrance].scheme
        return f"{scheme}://127.0.0.1:{self.system.port(entrance, self.environment)}"

    @cached_property
    def docker(self) -> docker.DockerClient:
        """The Docker SDK's client for the engine of this run."""
        return docker_client.connected(API_DEADLINE_S)

    @cached_property
    def http(self) -> httpx.Client:
        """A client for looking at the stack; short time-outs, no keep-alive surprises."""
        return httpx.Client(
            timeout=httpx.Timeout(5.0, connect=2.0),
            verify=False,  # noqa: S501 - a stack makes its own certificate at start
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    @property
    def links(self) -> Links:
        """The proxied connections between services. Raises StackError before ``up``."""
        if self._links is None:
            raise StackError("the stack is not up, or has no proxied links")
        return self._links

    def disturbed(self) -> str:
        """What disturbs its links now, and which of their names do not resolve."""
        if self._links is None:
            return ""
        toxics = self._links.toxics()
        if toxics:
            return f"links are disturbed: {toxics}"
        nameless = self._links.missing_names()
        return f"names do not resolve: {', '.join(nameless)}" if nameless else ""

    # --- a person at its terminal --------------------------------------------------------------
    def reach(self) -> Reach:
        """What is of this stack, and so may be looked at: running or not."""
        containers = self.containers()
        services = {str(one.labels[SERVICE_LABEL]) for one in containers}
        names = {name for one in containers for name in (one.name, one.id, one.short_id) if name}
        published = (
            int(binding["HostPort"])
            for one in containers
            for bindings in one.ports.values()
            for binding in bindings or ()
        )
        return Reach(
            self.platform,
            self.project,
            frozenset(services | set(self.system.services)),
            frozenset(names),
            frozenset(self.system.compose_files),
            frozenset(published),
        )

    def placeholder(self, name: str) -> str | None:
        """What a person types for ``<name>``: of ``<backend-container>``, its container's name."""
        service = self.system.placeholders.get(name)
        return self.service(service).instance if service else None

    def terminal(self) -> Terminal:
        """A terminal in the folder where a person types, who knows the password by heart."""
        password = self.environment.get(self.system.password, "")
        return Terminal(self.folder, self.shell_environment(), password)

    @property
    def folder(self) -> Path:
        """Where a person at this stack's terminal types."""
        return self.workdir or self.system.folder

    def shell_environment(self) -> dict[str, str]:
        """The environment in which a person at this stack's terminal types commands."""
        return {**environment.typed(), **self._compose_environment()}

    # --- time and residue ----------------------------------------------------------------------
    def mark(self) -> None:
        """From now on, logs are read from this moment."""
        self.marked_at = time.time()

    def fingerprint(self) -> Mapping[str, object]:
        """Its containers and links: all of the platform that a drill could leave changed."""
        taken = fingerprint.of(self.containers(), self.system.processes_of)
        return {**taken, "links": self._links.toxics() if self._links else {}}

    # --- life --------------------------------------------------------------------------------
    def compose_files(self) -> list[str]:
        """The files that make up this stack, production's first, relative to its folder."""
        files = list(self.system.compose_files)
        if self._overlay is not None:
            files.append(str(self._overlay))
        return [*files, *self.layers]

    def up(self) -> float:
        """Build and start the stack and wait until it is healthy; returns the seconds it took.

        Raises PortTaken or StackError, with what Compose said.
        """
        began = time.monotonic()
        self._refuse_taken_ports()
        self._write_overlay()
        self._reaper = self._reaper or reaper.watch(self.project)
        try:
            self._compose_object(build=True).start()
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            words = _words(error.stderr) or _words(error.stdout)
            raise StackError(
                f"the stack did not come up; Compose said:\n{words}{self._ailing()}"
            ) from error
        if self.chaos and self.system.links:
            port = self.service(overlay.PROXY).published(overlay.API_PORT)
            self._links = Links(self.docker, self.project, port, self.system.links)
            self._links.follow()
        self.mark()
        return time.monotonic() - began

    def down(self) -> None:
        """Remove containers, networks and volumes. Raises StackError with what Compose said."""
        self._close_links()
        try:
            self._compose_object(build=False).stop()
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise StackError(f"the stack did not go down: {_words(error.stderr)}") from error
        reaper.remove_images(self.project)
        self._dismiss_reaper()
        self._overlay = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def keep(self) -> None:
        """Leave the stack running after the run: nobody takes it down but ``./run clean``."""
        self._close_links()
        self._dismiss_reaper()

    def compose(
        self, *arguments: str, deadline_s: float = COMPOSE_DEADLINE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker compose …`` on this stack. Raises StackError when it fails or hangs."""
        command = ["docker", "compose", *arguments]
        try:
            return subprocess.run(
                command,
                cwd=self.system.folder,
                env=self._compose_shell(),
                text=True,
                capture_output=True,
                timeout=deadline_s,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise StackError(f"{' '.join(command)}: {_words(error.stderr)}") from error
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{' '.join(command)} did not end in {deadline_s:.0f} s") from error

    # --- what can be done to it ----------------------------------------------------------------
    def require_ours(self, container: Container) -> Container:
        """Return the container if this run started it. Raises NotOurs otherwise."""
        labels: Mapping[str, str] = container.labels
        if labels.get(PROJECT_LABEL) != self.project:
            raise NotOurs(f"{container.name} is not of project {self.project}; left alone")
        return container

    def kill(self, workload: Workload) -> None:
        """End its container at once; Docker does not restart what was killed from outside."""
        self._container(workload).kill()

    def stop(self, workload: Workload) -> None:
        """Stop its container as `docker compose stop` does."""
        self._container(workload).stop(timeout=10)

    def start(self, workload: Workload) -> None:
        """Start its container as `docker compose start` does."""
        self._container(workload).start()

    def restart(self, workload: Workload) -> None:
        """Restart its container as `docker compose restart` does."""
        self._container(workload).restart(timeout=10)

    def settings(self, names: Collection[str]) -> dict[str, str | None]:
        """The values of variables of the Compose files; None is the files' own."""
        return {name: self.environment.get(name) for name in names}

    def configure(
        self, workload: Workload, values: Mapping[str, str | None], *, wait: bool = True
    ) -> None:
        """Make a service's container anew with these variables (None: the files' own value).

        Raises StackError.
        """
        for name, value in values.items():
            if value is None:
                self.environment.pop(name, None)
            else:
                self.environment[name] = value
        waiting = ["--wait"] if wait else []
        self.compose("up", "--detach", "--no-deps", "--no-build", *waiting, workload.name)

    @contextmanager
    def beside(self, workload: Workload, image: str, port: int) -> Iterator[str]:
        """Run an image beside the container that serves, on a port of its own; gives its URL.

        It has the same environment and networks, and no customer is sent to it. Raises StackError
        where it does not come up.
        """
        serving = self._container(workload).attrs
        networks = list(serving["NetworkSettings"]["Networks"])
        name = f"{self.project}-{BESIDE}"
        labels = {PROJECT_LABEL: self.project, SERVICE_LABEL: BESIDE, NUMBER_LABEL: "1"}
        container = self.docker.containers.create(
            image,
            name=name,
            environment=serving["Config"]["Env"],
            labels=labels | {reaper.OWNER_LABEL: reaper.owner()},
            network=networks[0],
            ports={f"{port}/tcp": ("127.0.0.1", 0)},  # any that is free
            dns_opt=serving["HostConfig"]["DnsOptions"],
            mem_limit=serving["HostConfig"]["Memory"],
            read_only=serving["HostConfig"]["ReadonlyRootfs"],
            tmpfs=serving["HostConfig"]["Tmpfs"] or {},
            init=True,
        )
        try:
            for network in networks[1:]:
                self.docker.networks.get(network).connect(container)
            container.start()
            container.reload()
            published = container.attrs["NetworkSettings"]["Ports"][f"{port}/tcp"][0]["HostPort"]
            url = f"http://127.0.0.1:{published}"
            self._await_answer(url, image)
            yield url
        finally:
            container.remove(force=True)

    # --- within ------------------------------------------------------------------------------
    def _await_answer(self, url: str, image: str) -> None:
        def answers() -> str:
            try:
                answer = self.http.get(url + self.system.health)
            except httpx.HTTPError as error:
                raise AssertionError(repr(error)) from error
            assert answer.is_success, f"HTTP {answer.status_code}"
            return "it answers"

        try:
            until(answers, STARTS_S)
        except NeverSeen as never:
            raise StackError(f"{image} does not come up beside: {never}") from never

    def _container(self, workload: Workload) -> Container:
        return self.require_ours(self.service(workload.name).container())

    def _ailing(self) -> str:
        """The last words of every container that is not as it should be."""
        parts = ""
        for container in self.containers():
            state = container.attrs["State"]
            health = state.get("Health", {}).get("Status", "healthy")
            if state["Status"] != "running" or health != "healthy":
                tail = container.logs(tail=AILING_LINES).decode("utf-8", "replace").rstrip()
                parts += f"\n{container.name} ({state['Status']}, {health}) said last:\n{tail}"
        return parts

    def _compose_shell(self) -> dict[str, str]:
        """For Compose itself, which pulls and builds."""
        return {**environment.downloading(), **self._compose_environment()}

    def _compose_environment(self) -> Environment:
        # a tag of its own, so that two runs on one engine never get each other's build
        tags = {name: self.environment.get(name, self.project) for name in self.system.tags}
        return {
            **self.system.settings,
            **self.environment,
            **tags,
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": os.pathsep.join(self.compose_files()),
            "COMPOSE_PROFILES": ",".join(self.profiles),
            "DRILLBOOK_OWNER": reaper.owner(),
        }

    def _compose_object(self, *, build: bool) -> Compose:
        return Compose(
            context=self.system.folder,
            compose_file_name=self.compose_files(),
            docker_command_path="docker",
            build=build,
            wait=True,
            variables=self._compose_shell(),
        )

    def _write_overlay(self) -> None:
        folder = self.files / self.project if self.files else None
        if folder is None:
            self._temporary = self._temporary or tempfile.TemporaryDirectory(prefix="drillbook-")
            folder = Path(self._temporary.name)
        links = self.system.links if self.chaos else ()
        network = overlay.BuildNetwork(environment.ca_bundle(), environment.build_proxies())
        self._overlay = overlay.write(self.system, links, folder, reaper.owner(), network)

    def _close_links(self) -> None:
        if self._links is not None:
            self._links.close()
            self._links = None

    def _dismiss_reaper(self) -> None:
        if self._reaper is not None:
            self._reaper.dismiss()
            self._reaper = None

    def _refuse_taken_ports(self) -> None:
        if any(service.containers() for service in self.services):
            return  # our own stack already holds them
        for name, entrance in self.system.entrances.items():
            port = self.system.port(name, self.environment)
            if port_taken(port):
                raise PortTaken(
                    f"port {port} on 127.0.0.1 is taken, and the stack publishes there. "
                    f"Free it (`ss -ltnp 'sport = :{port}'` names who holds it; a stack left by "
                    f"an earlier run goes with `./run clean`), or set {entrance.variable} to "
                    "another port; steps that name the port then run against whatever listens "
                    "there."
                )


def free_ports(count: int) -> list[int]:
    """So many ports of 127.0.0.1 that nobody listens on now, each another."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


def port_taken(port: int) -> bool:
    """Whether something listens on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _words(raw: bytes | str | None) -> str:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw or ""
    return "\n".join(text.strip().splitlines()[-25:])
