"""What the load is put on: the project's own stack, as it runs in production, or a given address.

The stack is the drills' own without the chaos overlay: the production Compose file alone, with
nothing between its services, on ports of its own.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from drillbook.machine import environment
from drillbook.platforms import StackError
from drillbook.platforms.compose.stack import free_ports
from fixtures.folders import ROOT
from fixtures.shop import SYSTEM, Shop

# Each check starts a process in its container: not so often that it shows in figures.
SETTINGS = {"HEALTHCHECK_INTERVAL": "4s"}


class TargetError(StackError):
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


def production(
    images: Mapping[str, str], *, tree: Path = ROOT, tag: str = "current", any_ports: bool = False
) -> Shop:
    """The stack of one version of ``service/``, as production would run it, not yet started.

    ``any_ports`` takes whatever ports are free, though HTTP_PORT and the like say otherwise: for
    a second stack beside the first.
    """
    system = replace(SYSTEM, folder=tree / "service", settings=SETTINGS)
    stack = Shop({**images, "POSTGRES_PASSWORD": "of-no-use-elsewhere"}, system, chaos=False)
    wanted = {} if any_ports else environment.ports()
    entrances = SYSTEM.entrances.values()
    for entrance, port in zip(entrances, free_ports(len(entrances)), strict=True):
        stack.environment[entrance.variable] = wanted.get(entrance.variable) or str(port)
    stack.environment["BACKEND_TAG"] = f"{stack.project}-{tag}"
    return stack


def sql(stack: Shop, statement: str) -> str:
    """What the database answers, unadorned. Raises StackError."""
    psql = ("psql", "-U", "user", "-d", "mydatabase", "-tAc", statement)
    return stack.compose("exec", "-T", "db", *psql).stdout.strip()
