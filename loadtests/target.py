"""What the load is put on: the project's own stack, as it runs in production, or a given address.

The stack is the production Compose file alone, with nothing between its services, on ports of its
own. It belongs to this process: ``drillbook.reaper`` takes it down when the process is gone.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from drillbook import reaper
from loadtests import ports

ROOT = Path(__file__).resolve().parent.parent
PORTS = ("HTTP_PORT", "HTTPS_PORT", "BACKEND_PORT")
COMPOSE_DEADLINE_S = 600.0


class TargetError(Exception):
    """There is nothing to put load on, or nothing that load may be put on; and why."""


def checked(host: str, *, may_harm: bool) -> str:
    """An address given by a person, fit to be loaded. Raises TargetError.

    Load is an attack on whoever did not ask for it: without ``may_harm`` only this machine's own
    addresses are taken.
    """
    parts = urlsplit(host if "://" in host else f"http://{host}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TargetError(f"{host!r} is no http:// or https:// address")
    if parts.path.strip("/") or parts.query:
        raise TargetError(f"{host!r}: give the address alone, without a path")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, proto=socket.IPPROTO_TCP)
    except (OSError, ValueError) as error:
        raise TargetError(f"{host!r}: {error}") from error
    addresses = sorted({str(one[4][0]) for one in found})
    strange = [one for one in addresses if not ipaddress.ip_address(one).is_loopback]
    if strange and not may_harm:
        raise TargetError(
            f"{parts.hostname} is {', '.join(strange)}, which is not this machine: load could "
            "harm it. If it is yours to load, say so with --i-may-load-this-host."
        )
    return f"{parts.scheme}://{parts.netloc}"


@dataclass
class ProductionStack:
    """The stack of one version of ``service/``, as production would run it."""

    environment: Mapping[str, str]
    """Images and whatever else the Compose file asks for."""
    tree: Path = ROOT
    tag: str = "current"
    project: str = field(default_factory=lambda: f"drillbook-{os.getpid()}-{secrets.token_hex(2)}")
    ports: dict[str, int] = field(default_factory=dict)
    any_ports: bool = False
    """Whatever ports are free, though HTTP_PORT and the like say otherwise: for a second stack."""
    _reaper: reaper.Watch | None = None

    @property
    def url(self) -> str:
        """Where customers come in. Only after ``up``."""
        return f"http://127.0.0.1:{self.ports['HTTP_PORT']}"

    @property
    def backend_url(self) -> str:
        """The backend itself, past nginx. Only after ``up``."""
        return f"http://127.0.0.1:{self.ports['BACKEND_PORT']}"

    def up(self) -> None:
        """Build and start it, and wait until it is healthy. Raises TargetError."""
        free = ports.free(len(PORTS))
        wanted = {} if self.any_ports else os.environ
        self.ports = {
            name: int(wanted.get(name, port)) for name, port in zip(PORTS, free, strict=True)
        }
        self._reaper = reaper.watch(self.project)
        self.compose("up", "--detach", "--build", "--wait", "--quiet-pull")

    def down(self) -> None:
        """Remove it, its data included. Raises TargetError."""
        try:
            self.compose("down", "--volumes", "--remove-orphans", "--timeout", "3")
            reaper.remove_images(self.project)
        finally:
            if self._reaper is not None:
                self._reaper.dismiss()
                self._reaper = None

    def sql(self, statement: str) -> str:
        """What the database answers, unadorned. Raises TargetError."""
        psql = ("psql", "-U", "user", "-d", "mydatabase", "-tAc", statement)
        return self.compose("exec", "-T", "db", *psql).strip()

    def compose(self, *arguments: str) -> str:
        """Run ``docker compose`` on it; its output. Raises TargetError with what it said."""
        try:
            done = subprocess.run(
                ["docker", "compose", *arguments],
                cwd=self.tree / "service",
                env=self._environment(),
                capture_output=True,
                text=True,
                check=True,
                timeout=COMPOSE_DEADLINE_S,
            )
        except subprocess.CalledProcessError as error:
            said = "\n".join((error.stderr or error.stdout).strip().splitlines()[-15:])
            raise TargetError(f"docker compose {arguments[0]} failed:\n{said}") from error
        except subprocess.TimeoutExpired as error:
            raise TargetError(
                f"docker compose {arguments[0]} did not end in {COMPOSE_DEADLINE_S:.0f} s"
            ) from error
        return done.stdout

    def _environment(self) -> dict[str, str]:
        files = [str(self.tree / "service" / "docker-compose.prod.yml")]
        if os.environ.get("SSL_CERT_FILE"):
            files.append(str(ROOT / "fixtures" / "chaos" / "ca-bundle.yml"))
        return {
            **os.environ,
            "POSTGRES_PASSWORD": "of-no-use-elsewhere",
            **self.environment,
            **{name: str(port) for name, port in self.ports.items()},
            "BACKEND_TAG": f"{self.project}-{self.tag}",
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": os.pathsep.join(files),
            # each check starts a process in its container: not so often that it shows in figures
            "HEALTHCHECK_INTERVAL": "4s",
        }
