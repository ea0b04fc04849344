"""One run of the suite: its identity, where it writes, and the stack that lives as long as it."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path

import docker
import pytest
import requests

from drillbook import journal as events
from drillbook import reaper
from drillbook.journal import Journal
from drillbook.lanes import Lane, Merger
from drillbook.machine import environment, images, readable
from drillbook.machine import ready as machine
from drillbook.machine.refused import Refused
from drillbook.platforms import PortTaken, StackError
from drillbook.platforms.compose.stack import Stack, free_ports, port_taken
from drillbook.runbook import Platform, Runbook
from drillbook.system import Monitoring, System
from drillbook.traffic import Witness

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "reports" / "runs"
DEFAULT_RUNBOOK = ROOT / "runbook.md"
ENTRY = re.compile(r"\d+(\.\d+)*")
VERSIONS_OF = ("pytest", "testcontainers", "toxiproxy-python", "httpx", "docker")
CANNOT_START = (machine.MachineNotReady, images.ImageError, reaper.NotRemoved, Refused)
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
    lane: Lane | None = None
    """Which of several that run side by side; None where it is the only one."""
    lanes: int = 0
    """How many it starts, and drills nothing itself."""
    merger: Merger | None = None
    cannot_go_on: bool = False
    _resources: ExitStack = field(default_factory=ExitStack)

    @property
    def own_runbook(self) -> Path:
        """The runbook that the system's drills were written against, whichever is drilled."""
        return self.system.runbook or DEFAULT_RUNBOOK

    def say(self, text: str) -> None:
        """Show a line of progress; a lane leaves that to whoever reads its journal."""
        if self.lane is None:
            self.write(f"{text}\n")
        else:
            self.journal.write(events.Progress(f"[{self.lane.number + 1}] {text}"))

    def start(self) -> None:
        """Make the machine able, choose images, bring the stack up, let its users in.

        Raises RunError with what is missing, taken or refused, and what to do about it.
        """
        try:
            self._open_journal()
            with self.lane.alone() if self.lane else nullcontext():
                chosen = self._prepare()
            self.say(f"Stack: building and starting {', '.join(self.system.services)} …")
            self._bring_up(chosen)
        except (*CANNOT_START, StackError) as error:
            raise RunError(str(error)) from error
        except OSError as error:
            if error.errno not in CANNOT_WRITE:
                raise
            raise RunError(f"the run cannot write to {self.directory}: {error}") from error

    def lead(self) -> None:
        """Open the journal of a run whose lanes drill, and gather their events into it."""
        if self.merger is None:
            self._open_journal()
            self.merger = Merger(self.journal, self.directory)
            self.merger.start()

    def turn(self, *, exclusive: bool) -> AbstractContextManager[None]:
        """Hold off other lanes' exclusive drills for the length of one that is."""
        return self.lane.alone() if self.lane is not None and exclusive else nullcontext()

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
    def _prepare(self) -> list[images.Image]:
        """Make the machine able, remove what killed runs left, choose images."""
        folders = (*readable.FOLDERS, str(self.system.folder))
        for name in readable.make_readable(folders=folders):
            self.say(f"Files: {name} is made readable for containers, whose users are others")
        machine.make_ready(self.say)
        for name in reaper.sweep():
            self.say(f"Removed {name}, left by a run that was killed")
        if self.watched:
            refuse_taken_ports(self.system.monitoring_ports, self.ports)
        chosen = images.choose(self.system.images, self.say)
        for one in chosen:
            image = events.ImageChosen(one.kind, one.reference, one.official, one.stand_in)
            self.journal.write(image)
        return chosen

    @cached_property
    def ports(self) -> dict[str, str]:
        """The ports that this run publishes, where they are not the documented ones."""
        if self.lane is None or self.lane.documented_ports:
            return environment.ports()
        names = list(self.system.variables)
        return {name: str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}

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
        variables = {
            **images.environment(chosen),
            **self.ports,
            **secret,
            **self._resources.enter_context(system.environment()),
        }
        make = system.stacks.get(PLATFORM)
        stack: Stack = make(variables) if make else Stack(variables, system)
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
