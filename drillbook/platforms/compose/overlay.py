"""The chaos overlay: toxiproxy under the name of each linked service, and who owns what.

It is generated from the system's one table of links, so that the Compose overlay, toxiproxy's
configuration and the names that follow their services cannot disagree. Services keep their own
configuration; nothing but these two files knows of the proxy.

Every service and network carries the label of the run's process. Networks come first: should the
run be killed before there is a container, they say whose it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from drillbook.machine.images import TOXIPROXY
from drillbook.reaper import OWNER_LABEL
from drillbook.system import Link, System

PROXY = "toxiproxy"
API_PORT = 8474
# Docker publishes a container's ports by the network whose name comes first. This one is never
# left, so that the API's port stays while the names on the others come and go.
CONTROL, UPSTREAM = "control", "upstream"
FILES = ("docker-compose.chaos.yml", "toxiproxy.json")


class _Override(dict[str, Any]):
    """A mapping that replaces the one below it, where Compose would merge the two."""


def _represent(dumper: yaml.SafeDumper, value: _Override) -> yaml.Node:
    return dumper.represent_mapping("!override", value)


class _Dumper(yaml.SafeDumper):
    """Writes an `!override` where one is."""


_Dumper.add_representer(_Override, _represent)


@dataclass(frozen=True)
class BuildNetwork:
    """What an image build needs of the machine's network: authorities to trust, and proxies."""

    bundle: str = ""
    """The path of the host's certificate authorities; empty where builds need none."""
    proxies: Mapping[str, str] = field(default_factory=dict)
    """By their names in lower case. Docker keeps these neither in the image nor in its cache."""


def write(
    system: System,
    links: Sequence[Link],
    folder: Path,
    owner: str,
    network: BuildNetwork = BuildNetwork(),
) -> Path:
    """Write the overlay into a folder, with these links proxied; returns the Compose file.

    ``owner`` names the run's process, as ``drillbook.reaper.owner`` does.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    compose, proxies = (folder / name for name in FILES)
    services = services_of(system)
    overlay = owned(services, owner)
    if links:
        proxies.write_text(json.dumps(toxiproxy(links), indent=2))
        proxies.chmod(0o644)  # read in a container by another user
        proxy_links(overlay, services, links, proxies, owner)
        for name, port in system.direct.items():
            overlay["services"][name]["ports"] = [f"127.0.0.1::{port}"]
    connect_builds(overlay, services, network)
    compose.write_text(yaml.dump(overlay, Dumper=_Dumper, sort_keys=False))
    return compose


def toxiproxy(links: Sequence[Link]) -> list[dict[str, object]]:
    """Toxiproxy's own configuration: a proxy a link."""
    return [
        {
            "name": one.service,
            "listen": f"0.0.0.0:{one.port}",
            "upstream": f"{one.service}.{UPSTREAM}:{one.port}",
            "enabled": True,
        }
        for one in links
    ]


def services_of(system: System) -> dict[str, Mapping[str, Any]]:
    """Every service of the system's Compose files, as written: nothing interpolated."""
    merged: dict[str, Mapping[str, Any]] = {}
    for name in system.compose_files:
        written_here = yaml.safe_load((system.folder / name).read_text())["services"]
        for service, written in written_here.items():
            merged[service] = {**merged.get(service, {}), **(written or {})}
    return merged


def owned(services: Iterable[str], owner: str) -> dict[str, Any]:
    """An overlay that says whose the services are, and does nothing else."""
    return {"services": {name: {"labels": {OWNER_LABEL: owner}} for name in services}}


def proxy_links(
    overlay: dict[str, Any],
    services: Mapping[str, Mapping[str, Any]],
    links: Sequence[Link],
    proxies: Path,
    owner: str,
) -> None:
    """Put toxiproxy under the name of each linked service, and the service behind it."""
    labels = {OWNER_LABEL: owner}
    linked = {one.service: one for one in links}
    for name, link in linked.items():
        kept: dict[str, Any] = {one: {} for one in _networks(services[name]) if one != link.network}
        alias = {UPSTREAM: {"aliases": [f"{name}.{UPSTREAM}"]}}
        overlay["services"][name]["networks"] = _Override({**kept, **alias})
    for name, written in services.items():
        if linked.keys() & set(written.get("depends_on") or ()):
            waits = {PROXY: {"condition": "service_healthy"}}
            overlay["services"][name]["depends_on"] = waits
    overlay["services"][PROXY] = {**_proxy(links, proxies), "labels": labels}
    overlay["networks"] = {CONTROL: {"labels": labels}, UPSTREAM: {"labels": labels}}


def connect_builds(
    overlay: dict[str, Any], services: Mapping[str, Mapping[str, Any]], network: BuildNetwork
) -> None:
    """Give every build the host's authorities, as a secret that no layer keeps, and its proxies."""
    for name, written in services.items():
        if not written.get("build"):
            continue
        build: dict[str, Any] = {}
        if network.bundle:
            build["secrets"] = ["ca_bundle"]
            overlay["secrets"] = {"ca_bundle": {"file": network.bundle}}
        if network.proxies:
            build["args"] = dict(network.proxies)
        if build:
            overlay["services"][name]["build"] = build


def _networks(service: Mapping[str, Any]) -> list[str]:
    return list(service.get("networks") or ["default"])


def _proxy(links: Sequence[Link], proxies: Path) -> dict[str, Any]:
    names: dict[str, list[str]] = {}
    for one in links:
        names.setdefault(one.network, []).append(one.service)
    aliases = {network: {"aliases": services} for network, services in names.items()}
    return {
        "image": f"${{{TOXIPROXY.variable}:-{TOXIPROXY.official}}}",
        "command": ["-host=0.0.0.0", "-config=/etc/toxiproxy.json"],
        "volumes": [f"{proxies}:/etc/toxiproxy.json:ro"],
        "ports": [f"127.0.0.1::{API_PORT}"],
        "networks": {CONTROL: {}, **aliases, UPSTREAM: {}},
        "healthcheck": {
            "test": ["CMD", "/toxiproxy-cli", "list"],
            "interval": "1s",
            "timeout": "2s",
            "retries": 10,
        },
    }
