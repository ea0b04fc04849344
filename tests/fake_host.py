"""A computer that is made up: what it answers is given, what is done to it is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch

from drillbook.machine.host import Daemon, Done, Host

OK = Done(0, "")
BOOKWORM = 'ID=debian\nVERSION_CODENAME="bookworm"\n'
SOURCES = """Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


class FakeDaemon:
    """A process that ended with this status, or runs where that is None."""

    def __init__(self, status: int | None) -> None:
        self.status = status

    def poll(self) -> int | None:
        return self.status


@dataclass
class FakeHost(Host):
    """Answers commands by the longest prefix it knows; one it does not know is not found."""

    answers: dict[str, Done | Callable[[], Done]] = field(default_factory=dict)
    programs: set[str] = field(default_factory=set)
    contents: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    is_root: bool = True
    runs_on: str = "Linux"
    daemon_status: int | None = None
    commands: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    clock_s: float = 0.0

    @property
    def system(self) -> str:
        return self.runs_on

    @property
    def root(self) -> bool:
        return self.is_root

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def variable(self, name: str) -> str:
        return self.variables.get(name, "")

    def run(
        self,
        *command: str,
        deadline_s: float = 0,
        environment: Mapping[str, str] | None = None,
        folder: str | None = None,
    ) -> Done:
        line = " ".join(command)
        self.commands.append(line)
        known = [prefix for prefix in self.answers if prefix in line]
        if not known:
            return Done(127, f"{command[0]}: not found")
        answer = self.answers[max(known, key=len)]
        return answer() if callable(answer) else answer

    def start(self, command: Sequence[str], log: str) -> Daemon:
        self.started.append(" ".join(command))
        return FakeDaemon(self.daemon_status)

    def read(self, path: str) -> str | None:
        return self.contents.get(path)

    def exists(self, path: str) -> bool:
        return path in self.contents or any(name.startswith(f"{path}/") for name in self.contents)

    def files(self, folder: str, pattern: str) -> list[str]:
        return sorted(path for path in self.contents if fnmatch(path, f"{folder}/{pattern}"))

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        self.contents[path] = text

    def install_file(self, source: str, path: str) -> None:
        self.contents[path] = f"copy of {source}"

    def remove(self, path: str) -> None:
        self.contents.pop(path, None)

    def now_s(self) -> float:
        return self.clock_s

    def pause(self, seconds: float) -> None:
        self.clock_s += seconds

    @contextlib.contextmanager
    def folder(self) -> Iterator[str]:
        yield "/tmp/made-up"  # noqa: S108  # never touched

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        yield

    def ran(self, words: str) -> bool:
        """Whether a command with these words was run."""
        return any(words in line for line in self.commands)


def debian(**given: object) -> FakeHost:
    """A bare Debian 12 machine: root, apt, no Docker."""
    host = FakeHost(programs={"apt-get"})
    host.contents["/etc/os-release"] = BOOKWORM
    host.contents["/etc/apt/sources.list.d/debian.sources"] = SOURCES
    host.answers["apt-get"] = OK
    host.answers["dpkg -x"] = OK
    for name, value in given.items():
        setattr(host, name, value)
    return host
