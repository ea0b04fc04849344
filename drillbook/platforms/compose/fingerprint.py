"""What a drill could leave changed of a Compose stack: its containers."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from docker.models.containers import Container

from drillbook.platforms.compose.service import NUMBER_LABEL, SERVICE_LABEL, programs


def of(containers: Iterable[Container], processes_of: Collection[str]) -> dict[str, object]:
    """Take down each container: state, image, environment, limits, networks, processes."""
    taken: dict[str, object] = {}
    for container in containers:
        service = container.labels[SERVICE_LABEL]
        name = f"{service}.{container.labels[NUMBER_LABEL]}"
        taken.update(_container(name, container.attrs))
        if service in processes_of and container.status == "running":
            taken[f"{name} processes"] = programs(container)
    return taken


def _container(name: str, attrs: Mapping[str, Any]) -> dict[str, object]:
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
