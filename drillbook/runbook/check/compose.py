"""What Compose files say: services, container names, ports, profiles, volumes, variables.

Where there is a client, `docker compose config` reads them, so that includes, extensions and
anchors count as they do when they are run. Without one they are parsed, and what only a client can
resolve is not known.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from drillbook.runbook.check import outside

CLIENT_S = 20.0
_NAME = re.compile(r"(?:.*[.-])?compose(?:[.-].*)?\.ya?ml|docker-compose.*\.ya?ml")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)(?::?-([^}]*))?[^}]*\}?")


@dataclass
class Compose:
    """What some Compose files say together."""

    files: list[Path] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    containers: dict[str, str] = field(default_factory=dict)
    """The service of each name that a container is given."""
    aliases: set[str] = field(default_factory=set)
    published: set[int] = field(default_factory=set)
    unknown_ports: bool = False
    """Whether a port is published that only a run's variables say."""
    profiles: set[str] = field(default_factory=set)
    volumes: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)

    def add(self, file: Path) -> None:
        """Take in what a file says; one that is no Compose file says nothing."""
        data = _through_client(file) or _parsed(file)
        services = data.get("services")
        if not isinstance(services, Mapping):
            return
        self.files.append(file)
        self.volumes |= set(_names(data.get("volumes")))
        self.variables |= {match[1] for match in _VARIABLE.finditer(_text(file))}
        for name, service in services.items():
            self.services.add(str(name))
            if isinstance(service, Mapping):
                self._service(str(name), service)

    def _service(self, name: str, service: Mapping[str, Any]) -> None:
        container = service.get("container_name")
        if isinstance(container, str):
            self.containers[_with_defaults(container)] = name
        self.profiles |= {str(one) for one in service.get("profiles") or []}
        self.variables |= set(_variables(service.get("environment")))
        networks = service.get("networks")
        for network in networks.values() if isinstance(networks, Mapping) else ():
            if isinstance(network, Mapping):
                self.aliases |= {str(one) for one in network.get("aliases") or []}
        hostname = service.get("hostname")
        self.aliases |= {hostname} if isinstance(hostname, str) else set()
        for port in service.get("ports") or []:
            self._port(port)

    def _port(self, port: Any) -> None:
        published = port.get("published") if isinstance(port, Mapping) else _published(str(port))
        if published is None:
            self.unknown_ports = self.unknown_ports or not isinstance(port, Mapping)
            return
        written = _with_defaults(str(published))
        first, _, last = written.partition("-")
        if first.isdigit():
            until = int(last) if last.isdigit() else int(first)
            self.published |= set(range(int(first), min(until, int(first) + 1000) + 1))
        else:
            self.unknown_ports = True


def is_compose_file(path: Path) -> bool:
    """Whether a file is named as Compose files are."""
    return _NAME.fullmatch(path.name) is not None


def _published(port: str) -> str | None:
    """The host's part of ``127.0.0.1:${PORT:-8000}:80/tcp``."""
    plain = _with_defaults(port).partition("/")[0]
    parts = plain.rsplit(":", 2)
    return parts[-2] if len(parts) > 1 else None


def _with_defaults(text: str) -> str:
    return _VARIABLE.sub(lambda match: match[2] or match[0], text)


@lru_cache(maxsize=256)
def _through_client(file: Path) -> Mapping[str, Any] | None:
    client = shutil.which("docker")
    if client is None:
        return None
    command = [client, "compose", "--file", str(file), "--profile", "*", "config"]
    try:
        done = subprocess.run(
            [*command, "--no-interpolate", "--format", "json"],
            capture_output=True,
            timeout=CLIENT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # away from a terminal that would stop it in the background
            env=outside.environment(),
        )
        data = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return data if isinstance(data, dict) else None


class _Loader(yaml.SafeLoader):
    """YAML with Compose's own tags, ``!override`` and ``!reset``, taken for what they hold."""


def _untagged(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_multi_constructor("!", _untagged)


def _parsed(file: Path) -> Mapping[str, Any]:
    try:
        data = yaml.load(_text(file), Loader=_Loader)  # noqa: S506 - a safe loader with two tags
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


@lru_cache(maxsize=256)
def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")[: 1 << 20]
    except OSError:
        return ""


def _names(value: Any) -> Iterable[str]:
    return map(str, value) if isinstance(value, Mapping) else ()


def _variables(value: Any) -> Iterable[str]:
    if isinstance(value, list):
        return [str(one).partition("=")[0] for one in value]
    return _names(value)
