"""Makes a machine able to run the stack: a Docker engine with Compose v2 and Buildx.

A machine that is able is left as it is. One that is not is changed only where we are root on
Debian or Ubuntu; anywhere else a single message says what is missing and how to get it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from drillbook.machine.host import Apt, Daemon, Host, PackageError, os_release

Say = Callable[[str], None]

OLDEST_ENGINE = (20, 10)
OLDEST_COMPOSE = (2, 24)  # the overlay replaces networks with `!override`
ENGINE_LOG = "/var/log/drillbook-dockerd.log"
ENGINE_DEADLINE_S = 60.0
ASK_DEADLINE_S = 15.0
ENGINE_SETTINGS = "/etc/docker/daemon.json"
# As every engine since 23 does by itself; Debian 12 has 20.10, whose `docker build` would not.
WITH_BUILDKIT = '{"features": {"buildkit": true}}\n'
PLUGINS = "/usr/local/lib/docker/cli-plugins"
# The last Debian release whose plugins run on the one before it; see Apt.unpack.
PLUGIN_RELEASE = "trixie"
PID_FILES = {
    "/var/run/docker.pid": "dockerd",
    "/var/run/docker/containerd/containerd.pid": "containerd",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_BROWSERS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


class MachineNotReady(Exception):
    """The machine lacks something: one message, what it is and how to get it."""


@dataclass(frozen=True)
class Engine:
    """The Docker engine that the stack will run on."""

    version: str
    compose_version: str
    started_by_us: bool


def make_ready(say: Say, host: Host | None = None) -> Engine:
    """Give a Docker engine with Compose v2 and Buildx, made where that can be done.

    Raises MachineNotReady with what is missing and how to get it.
    """
    return _Machine(host or Host(), say).make_ready()


def chromium(say: Say, host: Host | None = None) -> str:
    """The path of a Chromium or Chrome, installed where we are root on Debian.

    Raises MachineNotReady where there is none and none can be installed.
    """
    host = host or Host()
    found = _browser(host)
    if found:
        return found
    apt = Apt(host)
    # Ubuntu's package is a stub that asks for a snap, which needs an init system.
    if not apt.usable or os_release(host).get("ID") != "debian":
        raise MachineNotReady(
            "No Chromium or Chrome is on this machine, and some drills look at a browser's "
            "console. Install one (Debian: apt-get install chromium; macOS: brew install "
            "--cask google-chrome), or name it in CHROMIUM=/path/to/chrome."
        )
    say("Browser: installing Debian's chromium, for the drills that look at its console …")
    with _explained("Debian's chromium"), host.alone():
        apt.install("chromium")
    found = _browser(host)
    if not found:
        raise MachineNotReady("Debian's chromium is installed, but no chromium is on PATH.")
    return found


def _browser(host: Host) -> str | None:
    named = host.variable("CHROMIUM")
    if named:
        if not host.exists(named):
            raise MachineNotReady(f"CHROMIUM={named}: there is no such file.")
        return named
    on_path = (host.which(name) for name in BROWSERS)
    in_place = (path for path in MAC_BROWSERS if host.exists(path))
    return next((path for path in on_path if path), None) or next(in_place, None)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except PackageError as error:
        raise MachineNotReady(f"{what} could not be installed: {error}") from error


class _Machine:
    def __init__(self, host: Host, say: Say) -> None:
        self.host = host
        self.say = say
        self.apt = Apt(host)

    def make_ready(self) -> Engine:
        version, why = self._engine_version()
        compose = self._compose_version() if version else ""
        started = False
        if not version or self._lacks_plugins(compose):
            with self.host.alone():
                started = self._complete(why)
            version, why = self._engine_version()
            compose = self._compose_version()
        if not version:
            raise MachineNotReady(f"The Docker engine went away at once: {why}")
        if _numbers(version) < OLDEST_ENGINE:
            raise MachineNotReady(
                f"The Docker engine is {version}; the drills need 20.10 or newer. Update it."
            )
        return Engine(version, compose, started)

    # --- asking ------------------------------------------------------------------------------
    def _engine_version(self) -> tuple[str, str]:
        """The engine's version, or nothing and what the client said instead."""
        asked = self.host.run(
            "docker", "version", "--format", "{{.Server.Version}}", deadline_s=ASK_DEADLINE_S
        )
        return (asked.output.strip(), "") if asked.ok else ("", asked.tail(3))

    def _compose_version(self) -> str:
        asked = self.host.run("docker", "compose", "version", "--short", deadline_s=ASK_DEADLINE_S)
        return asked.output.strip() if asked.ok else ""

    def _buildx(self) -> bool:
        return self.host.run("docker", "buildx", "version", deadline_s=ASK_DEADLINE_S).ok

    def _lacks_plugins(self, compose: str) -> bool:
        return _numbers(compose) < OLDEST_COMPOSE or not self._buildx()

    # --- completing --------------------------------------------------------------------------
    def _complete(self, why: str) -> bool:
        """Add what is missing; whether that was the engine itself."""
        version, _ = self._engine_version()  # another run may have done it while we waited
        if not version:
            self._refuse_what_is_not_ours(why)
        lacks_plugins = self._lacks_plugins(self._compose_version())  # these need no engine
        with ThreadPoolExecutor(max_workers=2) as both:
            plugins = both.submit(self._add_plugins) if lacks_plugins else None
            started = not version and self._bring_engine()
            if plugins:
                plugins.result()
        return started

    def _bring_engine(self) -> bool:
        """Install an engine where there is none, and start it; whether it had to be started."""
        if not self.host.which("dockerd"):
            self.say("Docker: no engine on this machine; installing docker.io (about 15 s) …")
            if not self.host.exists(ENGINE_SETTINGS):
                self.host.write(ENGINE_SETTINGS, WITH_BUILDKIT)
            with _explained("The Docker engine (docker.io)"):
                self.apt.install("docker.io")
        if self._engine_version()[0]:  # the package started it, or only the client was missing
            return False
        self._start_engine()
        return True

    def _refuse_what_is_not_ours(self, why: str) -> None:
        """Raise where a missing engine is for a person to start."""
        host = self.host
        if host.variable("DOCKER_HOST"):
            raise MachineNotReady(
                f"No Docker engine answers at {host.variable('DOCKER_HOST')}: {why}\n"
                "Start it there, or name another engine in DOCKER_HOST or DOCKER_CONTEXT."
            )
        if host.system != "Linux":
            raise MachineNotReady(
                f"No Docker engine answers: {why}\n"
                "Start Docker Desktop (or OrbStack, Colima, Rancher Desktop); on Windows, run "
                "the drills inside WSL 2."
            )
        if not host.root:
            raise MachineNotReady(f"No Docker engine answers: {why}\n{_advice(why)}")
        if not host.which("dockerd") and not self.apt.usable:
            raise MachineNotReady(
                "There is no Docker engine here, and only Debian's and Ubuntu's packages are "
                "known to this program. Install Docker with its Compose and Buildx plugins."
            )

    def _start_engine(self) -> None:
        self.say("Docker: an engine is installed but none runs; starting it …")
        if self.host.exists("/run/systemd/system"):
            started = self.host.run("systemctl", "start", "docker")
            if not started.ok:
                raise MachineNotReady(
                    f"systemctl start docker failed:\n{started.tail()}\nSee: journalctl -u docker"
                )
            self._await_engine(None)
            return
        self._clear_leftovers()
        self._await_engine(self.host.start(["dockerd"], ENGINE_LOG))

    def _clear_leftovers(self) -> None:
        """Remove what a killed engine left, whose process number another process now has."""
        for path, name in PID_FILES.items():
            text = self.host.read(path)
            if text is None:
                continue
            running = (self.host.read(f"/proc/{text.strip()}/comm") or "").strip()
            if running != name:
                self.say(f"Docker: removing {path}, left by an engine that was killed")
                self.host.remove(path)

    def _await_engine(self, daemon: Daemon | None) -> None:
        until_s = self.host.now_s() + ENGINE_DEADLINE_S
        while True:
            version, why = self._engine_version()
            if version:
                self.say(f"Docker: engine {version} answers")
                return
            ended = daemon.poll() if daemon else None
            if ended is not None or self.host.now_s() > until_s:
                how = f"ended with status {ended}" if ended is not None else f"is silent: {why}"
                log = (self.host.read(ENGINE_LOG) or "").splitlines()[-8:] if daemon else []
                raise MachineNotReady(
                    "\n".join([f"The Docker engine was started but {how}", *log])
                    + (f"\nIts whole log: {ENGINE_LOG}" if daemon else "")
                )
            self.host.pause(0.1)

    def _add_plugins(self) -> None:
        """Add Compose and Buildx to the command line: the plugins alone, nothing else on PATH."""
        host, say = self.host, self.say
        if not self.apt.usable:
            raise MachineNotReady(
                "Docker is here, but not its plugins Compose 2.24 or newer and Buildx. Install "
                "the packages docker-compose-plugin and docker-buildx-plugin from Docker's own "
                "repository, or update Docker Desktop."
            )
        say("Docker: fetching the Compose and Buildx plugins of the command line (about 10 s) …")
        ubuntu = os_release(host).get("ID") == "ubuntu"
        with _explained("Docker's Compose and Buildx plugins"), host.folder() as folder:
            if ubuntu:
                self.apt.install("docker-compose-v2", "docker-buildx")
                return
            self.apt.unpack(PLUGIN_RELEASE, folder, "docker-compose", "docker-buildx")
            for plugin in ("docker-compose", "docker-buildx"):
                source = f"{folder}/usr/libexec/docker/cli-plugins/{plugin}"
                host.install_file(source, f"{PLUGINS}/{plugin}")


def _advice(why: str) -> str:
    """What a person who is not root can do about an engine that does not answer."""
    if "permission denied" in why.lower():
        return (
            "This user may not talk to it. Join the docker group (sudo usermod -aG docker "
            "$USER, then log in anew), or use rootless Docker."
        )
    if "not found" in why:
        return "Install Docker with its Compose plugin: https://docs.docker.com/engine/install/"
    return "Start it: sudo systemctl start docker"


def _numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version, for comparing: (2, 26) of v2.26.1-4."""
    found = re.search(r"(\d+)\.(\d+)", version)
    return tuple(int(number) for number in found.groups()) if found else (0, 0)
