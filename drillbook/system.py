"""A system under test: all that the engine has to know of it, said in one place.

A team that drills a system of its own writes a ``system.py`` that ends with ``SYSTEM = System(…)``,
a ``runbook.md`` and a folder ``scenarios`` beside it; ``./run drills --system FOLDER`` drills it.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import httpx

    from drillbook.machine.images import Image, Kind
    from drillbook.platforms.protocols import Stack
    from drillbook.symptoms.alerts import Alertmanager
    from drillbook.symptoms.metrics import Prometheus

Say = Callable[[str], None]
Residue = Callable[["Stack"], Mapping[str, object]]
"""What a drill could leave changed, by name: a contributor to the stack's fingerprint."""


class NoSystem(Exception):
    """A folder holds no system; the message says what is missing."""


@dataclass(frozen=True)
class Entrance:
    """A port on loopback where the system is reached, and the variable that moves it."""

    variable: str
    port: int
    scheme: str = "http"


@dataclass(frozen=True)
class Link:
    """A connection between services that can be cut and slowed.

    Callers look ``service`` up on ``network`` and connect to ``port``; the chaos overlay puts
    toxiproxy there under the service's own name. ``follows`` is whether the name ceases to resolve
    while the service does not run, as it does without a proxy in the way; a caller that looks it
    up once, at its start, would not notice its return.
    """

    service: str
    port: int
    network: str
    follows: bool = True


@dataclass(frozen=True)
class Call:
    """One request of a customer. ``key`` names a write whose acknowledgement is a promise."""

    kind: str
    method: str
    path: str
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None


class NotAcknowledged(AssertionError):
    """What came back from a write is no promise that it is kept."""


class Customer(Protocol):
    """The users of a system: what they ask for, and what they were promised."""

    writes: bool
    """Whether they write at all. Without a write nothing can be lost."""

    def read(self, chance: random.Random) -> Call:
        """A request that changes nothing, chosen by ``chance``."""

    def write(self, key: str, chance: random.Random) -> Call:
        """A request that writes something under a key of its own."""

    def read_well(self, answer: httpx.Response) -> None:
        """Check what a read was answered. Raises AssertionError with what is wrong with it."""

    def acknowledged(self, answer: httpx.Response) -> str | None:
        """What the system calls the thing written, None where it promised nothing.

        Raises NotAcknowledged where the answer claims success and is none.
        """

    def kept(self, stack: Stack, keys: Iterable[str]) -> set[str]:
        """Which of the written keys the system still has, asked on a line without faults."""


class Monitoring(Protocol):
    """What watches a stack: started once, beside it, for the drills that ask."""

    @property
    def alertmanager(self) -> Alertmanager:
        """Whom to ask which alerts fire."""

    @property
    def prometheus(self) -> Prometheus:
        """Whom to ask for metrics."""

    @property
    def chosen(self) -> Sequence[Image]:
        """The images that it runs on."""

    @property
    def services(self) -> Sequence[Any]:
        """Its parts that run."""

    def start(self) -> float:
        """Start it and wait until it watches; returns the seconds it took. Raises StackError."""

    def wait_until_ready(self) -> None:
        """Wait until it watches again. Raises StackError."""


class MonitoringKind(Protocol):
    """How a system is watched: its parts, made for one stack."""

    def __call__(self, stack: Any, folder: Path, say: Say) -> Monitoring:
        """Make what watches this stack; its files go into ``folder``."""


def _nothing() -> AbstractContextManager[Mapping[str, str]]:
    return nullcontext({})


@dataclass(frozen=True)
class System:
    """What runs, how it is reached, who uses it. Only the first five have no default."""

    name: str
    folder: Path
    """Where its Compose files are, and where a person types the runbook's commands."""
    compose_files: tuple[str, ...]
    services: tuple[str, ...]
    """Those whose health is the steady state; running is enough where there is no check."""
    customer: Customer
    entrances: Mapping[str, Entrance] = field(default_factory=dict)
    """Where it is reached, by name; ``users`` is where customers come in."""
    health: str = "/"
    """The path at the users' entrance that answers 200 while the system is well."""
    links: tuple[Link, ...] = ()
    direct: Mapping[str, int] = field(default_factory=dict)
    """Ports that the suite reaches past every proxy, by service: a database's, say."""
    images: tuple[Kind, ...] = ()
    recipes: Path | None = None
    """The folder of stand-ins for images that no registry gives."""
    secrets: tuple[str, ...] = ()
    """Variables of the Compose files that each run sets to a random word; never shown."""
    password: str = ""
    """The one of the secrets that is typed where a command asks for a password."""
    tags: tuple[str, ...] = ()
    """Variables that tag images built here: each run gets a tag of its own."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables that drills set unless a person does: shorter intervals, say."""
    environment: Callable[[], AbstractContextManager[Mapping[str, str]]] = _nothing
    """More variables, of what has to run beside the system while it is up: a front end, say."""
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """Names in the runbook for the instance of a service: ``backend-container`` -> ``backend``."""
    processes_of: tuple[str, ...] = ()
    """Services whose processes must be the same after a drill as before."""
    residue: tuple[Residue, ...] = ()
    """Whatever else a drill could leave changed."""
    stacks: Mapping[str, Callable[[dict[str, str]], Any]] = field(default_factory=dict)
    """Its stack on each platform, made of the run's variables; the platform's own by default."""
    monitoring: MonitoringKind | None = None
    monitoring_ports: Mapping[str, int] = field(default_factory=dict)
    runbook: Path | None = None
    scenarios: Path | None = None

    def port(self, entrance: str, environment: Mapping[str, str]) -> int:
        """The loopback port of an entrance, as a run's variables have it."""
        where = self.entrances[entrance]
        return int(environment.get(where.variable) or where.port)

    @property
    def variables(self) -> Collection[str]:
        """The variables by which a person moves the ports that a run publishes."""
        moved = [one.variable for one in self.entrances.values()]
        return [*moved, *self.monitoring_ports]


def imported(module: str) -> System:
    """The system that an importable module describes. Raises NoSystem."""
    if not module:
        raise NoSystem("no system is named: give its folder with --system")
    try:
        system = getattr(importlib.import_module(module), "SYSTEM", None)
    except ImportError as error:
        raise NoSystem(f"drillbook_system = {module}: {error}") from error
    if not isinstance(system, System):
        raise NoSystem(f"{module} has no SYSTEM = drillbook.system.System(…)")
    return system


def load(folder: Path) -> System:
    """The system that a folder's ``system.py`` describes. Raises NoSystem."""
    file = folder / "system.py"
    if not file.is_file():
        raise NoSystem(f"{folder} has no system.py")
    name = f"drillbook_system_{folder.resolve().name}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, file
    assert spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a stranger's file raises is said in one line
        raise NoSystem(f"{file}: {type(error).__name__}: {error}") from error
    system = getattr(module, "SYSTEM", None)
    if not isinstance(system, System):
        raise NoSystem(f"{file} has no SYSTEM = drillbook.system.System(…)")
    return system
