"""What a drill leaves behind: the stack compared with itself before anything was broken."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from docker.errors import APIError
from docker.models.containers import Container

from drillbook.platforms.compose.stack import NUMBER_LABEL, SERVICE, SERVICE_LABEL, Stack
from drillbook.symptoms import database

Fingerprint = Mapping[str, object]
# A database has a process for each connection, which come and go; the backend's are its own.
PROCESSES_OF = "backend"
# What enters a container, a health check say, goes by these names until it is what it is to be.
ENTERING = ("runc", "crun", "/proc/self/exe")


def fingerprint(stack: Stack) -> Fingerprint:
    """Take down all that a drill could leave changed: containers, links, database, files."""
    taken: dict[str, object] = {}
    with ThreadPoolExecutor(1) as beside:  # the database answers while the engine does
        asked = beside.submit(database.indexes_and_settings, stack)
        for container in stack.containers():
            name = f"{container.labels[SERVICE_LABEL]}.{container.labels[NUMBER_LABEL]}"
            taken.update(_of_container(name, container.attrs))
            if name.startswith(f"{PROCESSES_OF}.") and container.status == "running":
                taken[f"{name} processes"] = _programs(container)
        taken["links"] = stack.links.toxics()
        taken["files"] = _files()
        taken["indexes"], taken["settings"] = asked.result()
    return taken


def _programs(container: Container) -> list[str]:
    """What runs in a container, but for its health check, which comes and goes.

    A process that has ended and is not yet reaped, or has not begun, is listed in brackets.
    """
    try:
        table: Any = container.top()
    except APIError as error:
        return [f"not known: {error.explanation}"]  # it stopped just now; the next look tells
    column = table["Titles"].index("CMD")
    running = [row[column].split()[0] for row in table["Processes"]]
    health = container.attrs["Config"].get("Healthcheck", {}).get("Test", [])
    names = [(one, one.strip("[]")) for one in running]
    return sorted(
        one for one, name in names if name not in health and not name.startswith(ENTERING)
    )


def _of_container(name: str, attrs: Mapping[str, Any]) -> dict[str, object]:
    config, host = attrs["Config"], attrs["HostConfig"]
    environment = "\n".join(sorted(config.get("Env") or []))
    return {
        f"{name} state": attrs["State"]["Status"],
        f"{name} image": attrs["Image"],
        f"{name} environment": hashlib.sha256(environment.encode()).hexdigest()[:16],
        f"{name} command": [config.get("Entrypoint"), config.get("Cmd")],
        f"{name} restart policy": host.get("RestartPolicy"),
        f"{name} limits": [host.get("Memory"), host.get("NanoCpus"), host.get("PidsLimit")],
        f"{name} networks": sorted(attrs["NetworkSettings"].get("Networks") or {}),
    }


def _files() -> dict[str, str]:
    kept = (
        path
        for folder in ("nginx", "db", "payments", "backend/app")
        for path in (SERVICE / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    files = [*kept, *SERVICE.glob("*.yml"), SERVICE / ".env"]
    return {
        str(path.relative_to(SERVICE)): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(files)
        if path.exists()
    }


def differences(before: Fingerprint, after: Fingerprint) -> list[str]:
    """Say in words what differs, a line each."""
    told = []
    for name in sorted({*before, *after}):
        was, now = before.get(name, "not there"), after.get(name, "not there")
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            keys = sorted(k for k in {*was, *now} if was.get(k) != now.get(k))
            told += [f"{name}: {k} was {was.get(k)}, is {now.get(k)}" for k in keys]
        else:
            told.append(f"{name}: was {was}, is {now}")
    return told
