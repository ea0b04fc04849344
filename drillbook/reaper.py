"""Taking down what a run left, however the run ended.

Two nets. A *watch* is a detached process that holds the read end of a pipe to the run: when the
run dies, by SIGKILL too, the pipe closes; the watch ends what the run had started and would go on
without it (a `docker compose up`, say), and removes the run's Compose project. And ``sweep``,
which every run calls first, removes the projects whose owner no longer lives, for the case that
the watch was killed as well (a machine that lost power, a CI job's process group).

Only containers, networks and volumes that carry the label of a Compose project of ours are touched.
"""

from __future__ import annotations

import functools
import os
import platform
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from docker.errors import APIError, DockerException, NotFound

from drillbook.looking import NeverSeen, until
from drillbook.machine import docker_client, docker_config, environment

PREFIX = "drillbook-"
OWNER_LABEL = "drillbook.owner"
PROJECT_LABEL = "com.docker.compose.project"
GONE_S = 30.0
SETTLED_S = 120.0  # the engine itself may be busy, or starting anew
QUIET_LOOKS = 3
LOOK_EVERY_S = 1.0


class NotRemoved(Exception):
    """Something of ours could not be removed; the message says what, and why."""


def owner(pid: int | None = None) -> str:
    """Name a process so that a later one with the same number is not mistaken for it.

    Where it lives is part of the name: in a container, process numbers are the container's own,
    and two of them can share one engine.
    """
    number = os.getpid() if pid is None else pid
    return f"{number}.{_started(number)}.{_here()}"


def alive(name: str) -> bool:
    """Whether the process that ``owner`` named still lives; also where that cannot be told."""
    pid, _, rest = name.partition(".")
    started, _, where = rest.partition(".")
    if not pid.isdigit():
        return False
    if where and where != _here():
        return True  # none of our processes: nothing to be known about it from here
    return _started(int(pid)) == started != ""


def _here() -> str:
    """Where process numbers mean what they mean here: the machine, or the container."""
    namespace = Path("/proc/self/ns/pid")
    number = namespace.readlink().name if namespace.is_symlink() else ""
    return f"{platform.node()}-{''.join(filter(str.isdigit, number))}"


def _started(pid: int) -> str:
    """When a process started, in words that differ for its successors; empty when it is gone."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return "" if fields[0] == "Z" else fields[19]
    shown = subprocess.run(  # macOS and the like have no /proc
        ["ps", "-o", "lstart=", "-p", str(pid)],
        env=environment.plain(),
        capture_output=True,
        text=True,
        check=False,
    )
    return "-".join(shown.stdout.split())


@dataclass
class Watch:
    """The run's end of the pipe to its watch."""

    process: subprocess.Popen[bytes]
    pipe: int

    def dismiss(self) -> None:
        """Tell the watch that there is nothing left to take down."""
        try:
            os.write(self.pipe, b"done")
        except BrokenPipeError:
            pass  # somebody killed it; it has nothing to take down either way
        finally:
            os.close(self.pipe)
        self.process.wait(timeout=10)


def watch(project: str) -> Watch:
    """Start a watch over a Compose project. Raises OSError where no process can be started."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "drillbook.reaper", project, str(reading)],
        cwd=Path(__file__).resolve().parent.parent,
        env=environment.python(),
        pass_fds=[reading],
        start_new_session=True,  # a Ctrl-C or a killed process group must not reach it
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(reading)
    return Watch(process, writing)


def remove(project: str) -> list[str]:
    """Remove a project's containers, networks and volumes; returns their names.

    Looks again until there is nothing more: a `docker compose up` that was under way may have
    added to them. Raises ValueError for a project that is none of ours, and NotRemoved.
    """
    if not project.startswith(PREFIX):
        raise ValueError(f"{project} was not started by a run of drills; left alone")
    removed: list[str] = []

    def nothing_left() -> str:
        try:
            found = _remove_once(project)
        except APIError as error:
            raise AssertionError(str(error.explanation or error)) from error
        removed.extend(found)
        assert not found, f"there was still {', '.join(found)}"
        return "nothing is left"

    try:
        until(nothing_left, GONE_S, every_s=0.1)
    except NeverSeen as never:
        raise NotRemoved(f"{project} could not be removed: {never.last}") from None
    return removed


def _remove_once(project: str) -> list[str]:
    client = docker_client.connected(30)
    chosen: dict[str, str | list[str] | bool] = {"label": f"{PROJECT_LABEL}={project}"}
    removed: list[str] = []
    for container in client.containers.list(all=True, ignore_removed=True, filters=chosen):
        _gone(functools.partial(container.remove, force=True, v=True))
        removed.append(str(container.name))
    for network in client.networks.list(filters=chosen):
        _gone(network.remove)
        removed.append(str(network.name))
    for volume in client.volumes.list(filters=chosen):
        _gone(volume.remove)
        removed.append(str(volume.name))
    return [*removed, *remove_images(project)]


def remove_images(project: str) -> list[str]:
    """Remove the images that a project built under its own tags; returns their names."""
    client = docker_client.connected(30)
    found = client.images.list(filters={"reference": [f"*:{project}*", f"*/*:{project}*"]})
    names = sorted((tag for one in found for tag in one.tags if project in tag), reverse=True)
    for name in names:  # one that was built on another comes first
        _gone(functools.partial(client.images.remove, name))
    return names


def _gone(remove_one: Callable[[], object]) -> None:
    try:
        remove_one()
    except NotFound:
        return  # someone removed it first, which is what was wanted
    except APIError as error:
        if "already in progress" not in str(error):
            raise


def projects() -> dict[str, str]:
    """Every project of ours on this engine, with its owner (empty where that is not known)."""
    client = docker_client.connected(30)
    labelled = [
        *(one.labels for one in client.containers.list(all=True, ignore_removed=True)),
        *(one.attrs.get("Labels") or {} for one in client.networks.list()),
        *(one.attrs.get("Labels") or {} for one in client.volumes.list()),
    ]
    found: dict[str, str] = {}
    for labels in labelled:
        name = labels.get(PROJECT_LABEL, "")
        if name.startswith(PREFIX):
            found[name] = found.get(name) or labels.get(OWNER_LABEL, "")
    return found


def sweep(*, all_of_them: bool = False) -> list[str]:
    """Remove projects whose owner is gone (or all of ours); returns the names of what went.

    Raises NotRemoved.
    """
    removed: list[str] = []
    for project, owned_by in projects().items():
        pid = project.removeprefix(PREFIX).partition("-")[0]
        lives = alive(owned_by) if owned_by else pid.isdigit() and _started(int(pid)) != ""
        if all_of_them or not lives:
            end_processes(project)
            removed += remove(project)
    return removed


def end_processes(project: str) -> list[int]:
    """Kill what a run started for its project and would go on without it; returns their numbers.

    They are known by the environment that a run gives to what it starts. Only where there is a
    /proc to read that from.
    """
    name, owned = f"COMPOSE_PROJECT_NAME={project}".encode(), b"DRILLBOOK_OWNER="
    ended: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid():
            continue  # a watch was started by the run as well
        try:
            given = (folder / "environ").read_bytes().split(b"\0")
            if name in given and any(one.startswith(owned) for one in given):
                os.kill(pid, signal.SIGKILL)
                ended.append(pid)
        except OSError:
            continue  # it ended by itself just now, or belongs to somebody else
    return ended


def take_down(project: str) -> None:
    """Remove a project whose run was killed, until nothing more of it comes into being.

    An engine that is busy, or not there for a moment, is waited for. Raises NeverSeen.
    """
    quiet = 0

    def settled() -> str:
        nonlocal quiet
        try:
            end_processes(project)
            found = remove(project)
        except (NotRemoved, DockerException, requests.RequestException) as error:
            quiet = 0
            raise AssertionError(str(error)) from error
        quiet = 0 if found else quiet + 1
        assert quiet >= QUIET_LOOKS, f"removed {', '.join(found) or 'nothing'}"
        return "nothing is left"

    until(settled, SETTLED_S, every_s=LOOK_EVERY_S)


def _main(project: str, pipe: int) -> None:
    select.select([pipe], [], [])
    if os.read(pipe, 16) != b"done":
        take_down(project)
        docker_config.sweep()


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
