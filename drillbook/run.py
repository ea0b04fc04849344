"""One run of the suite: its identity, where it writes, and the stack that lives as long as it."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import docker
import pytest
import requests

from drillbook import journal as events
from drillbook import reaper
from drillbook.journal import Journal
from drillbook.machine import images
from drillbook.machine import ready as machine
from drillbook.platforms import PortTaken, StackError
from drillbook.platforms.compose.stack import Stack, port_taken
from drillbook.runbook import Platform, Runbook
from drillbook.system import Monitoring, System
from drillbook.traffic import Witness

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "reports" / "runs"
DEFAULT_RUNBOOK = ROOT / "runbook.md"
ENTRY = re.compile(r"\d+(\.\d+)*")
VERSIONS_OF = ("pytest", "testcontainers", "toxiproxy-python", "httpx", "docker")
CANNOT_START = (machine.MachineNotReady, images.ImageError, reaper.NotRemoved)
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
PLATFORM: Platform = "compose"


class RunError(Exception):
    """The run cannot begin or go on: nothing that a drill could say would mean anything."""


def refuse_taken_ports(ports: Mapping[str, int], environment: Mapping[str, str]) -> None:
    """Raise PortTaken where a port is taken that what watches the stack is going to publish.

    Asked before the first drill, not when one comes to be watched.
    """
    for variable, default in ports.items():
        port = int(environment.get(variable) or default)
        if port_taken(port):
            raise PortTaken(
                f"port {port} on 127.0.0.1 is taken, and what watches the stack publishes there. "
                f"Free it (`ss -ltnp 'sport = :{port}'` names who holds it), or set {variable}."
            )


@dataclass
class Run:
    """A run. ``start`` and ``stop`` bracket the life of its stack."""

    system: System
    runbook: Runbook
    seed: int
    directory: Path
    journal: Journal
    write: Callable[[str], None]
    keep: bool = False
    stack: Stack | None = None
    witness: Witness | None = None
    watched: bool = False
    monitoring: Monitoring | None = None
    dirty: bool = False
    _resources: ExitStack = field(default_factory=ExitStack)

    @property
    def own_runbook(self) -> Path:
        """The runbook that the system's drills were written against, whichever is drilled."""
        return self.system.runbook or DEFAULT_RUNBOOK

    def say(self, text: str) -> None:
        """Show a line of progress."""
        self.write(f"{text}\n")

    def start(self) -> None:
        """Make the machine able, choose images, bring the stack up, let its users in.

        Raises RunError with what is missing, taken or refused, and what to do about it.
        """
        try:
            self._open_journal()
            engine = machine.make_ready(self.say)
            os.environ.setdefault("DOCKER_HOST", engine.endpoint)
            for name in reaper.sweep():
                self.say(f"Removed {name}, left by a run that was killed")
            if self.watched:
                refuse_taken_ports(self.system.monitoring_ports, os.environ)
            chosen = images.choose(self.system.images, self.say)
            for one in chosen:
                self.journal.write(
                    events.ImageChosen(one.kind, one.reference, one.official, one.stand_in)
                )
            self.say(f"Stack: building and starting {', '.join(self.system.services)} …")
            self._bring_up(chosen)
        except (*CANNOT_START, StackError) as error:
            raise RunError(str(error)) from error
        except OSError as error:
            if error.errno not in CANNOT_WRITE:
                raise
            raise RunError(f"the run cannot write to {self.directory}: {error}") from error

    def renew(self) -> None:
        """Give the next drill a new stack: the one before may have left anything in this one."""
        assert self.stack is not None
        self.say("Stack: starting anew, since a drill failed on this one …")
        self._end_witness()
        try:
            self.stack.down()
            self.stack.up()
        except StackError as error:
            raise RunError(str(error)) from error
        self._begin_witness()
        self.dirty = False

    def stop(self) -> None:
        """Take the stack down, or leave it up and say how it is reached. Raises StackError."""
        try:
            self._end_witness()
            if self.stack is None:
                return
            if self.keep:
                self.stack.keep()
                self.say(self._how_to_reach(self.stack))
            else:
                self.say("Stack: taking it down …")
                self.stack.down()
        finally:
            self._resources.close()

    def watch(self) -> Monitoring:
        """Have the stack watched from now on, and return what watches it, ready.

        Raises RunError where it cannot be started.
        """
        assert self.stack is not None
        try:
            if self.monitoring is None:
                if self.system.monitoring is None:
                    raise RunError(f"nothing watches {self.system.name}: its system.py names none")
                files = self.directory / "monitoring"
                self.monitoring = self.system.monitoring(self.stack, files, self.say)
                took_s = self.monitoring.start()
                for one in self.monitoring.chosen:
                    self.journal.write(
                        events.ImageChosen(one.kind, one.reference, one.official, one.stand_in)
                    )
                names = [one.name for one in self.monitoring.services]
                self.journal.write(events.MonitoringReady(took_s, names))
            else:
                self.monitoring.wait_until_ready()
        except (images.ImageError, StackError) as error:
            raise RunError(str(error)) from error
        return self.monitoring

    def require_engine(self) -> None:
        """Raise RunError where the Docker engine itself is gone."""
        if self.stack is None:
            return
        try:
            self.stack.docker.ping()
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise RunError(f"the Docker engine no longer answers: {error}") from error

    # --- within ------------------------------------------------------------------------------
    def _open_journal(self) -> None:
        try:
            self.journal.open()
        except OSError as error:
            raise RunError(f"the run cannot write to {self.directory}: {error}") from error
        self.journal.write(
            events.RunStarted(
                self.directory.name,
                sys.argv[1:],
                self.seed,
                PLATFORM,
                str(self.runbook.path),
                self.runbook.digest,
                {name: metadata.version(name) for name in VERSIONS_OF},
                {
                    "system": platform.platform(),
                    "cpus": os.cpu_count(),
                    "python": platform.python_version(),
                },
                str(self.own_runbook),
            )
        )

    def _bring_up(self, chosen: list[images.Image]) -> None:
        system = self.system
        secret = {name: secrets.token_urlsafe(12) for name in system.secrets}
        self.journal.secrets.extend(secret.values())
        environment = {
            **images.environment(chosen),
            **{name: os.environ[name] for name in system.variables if os.environ.get(name)},
            **secret,
            **self._resources.enter_context(system.environment()),
        }
        make = system.stacks.get(PLATFORM)
        stack: Stack = make(environment) if make else Stack(environment, system)
        stack.files = self.directory / "chaos"
        self.stack = stack
        took_s = stack.up()
        services = {one.name: str(one.container().attrs["Image"]) for one in stack.services}
        self.journal.write(events.StackReady(took_s, stack.project, services))
        self._begin_witness()

    def _begin_witness(self) -> None:
        assert self.stack is not None
        url = self.stack.address("users")
        self.witness = Witness(url, self.system.customer, seed=self.seed)
        self.witness.start()

    def _end_witness(self) -> None:
        if self.witness is not None:
            self.witness.stop()
            self.witness = None

    @staticmethod
    def _how_to_reach(stack: Stack) -> str:
        compose = f"docker compose -p {stack.project}"
        reached = ", ".join(f"{stack.address(name)} ({name})" for name in stack.system.entrances)
        return (
            f"Kept: {reached}\n"
            f"  {compose} ps\n"
            f"  {compose} logs -f {stack.system.services[0]}\n"
            f"  {compose} exec {stack.system.services[0]} bash\n"
            f"./run clean takes it down."
        )


RUN = pytest.StashKey[Run]()
