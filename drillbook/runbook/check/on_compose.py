"""Commands against the Compose files beside the runbook."""

from __future__ import annotations

import re
from collections.abc import Iterator

from drillbook.runbook.check.compose import Compose
from drillbook.runbook.check.context import Context, did_you_mean
from drillbook.runbook.check.typed import Typed, is_open, words_of
from drillbook.runbook.model import Command, Problem

# Of `docker compose`: whose operands are services, and where only the first one is.
_SERVICES = words_of(
    "attach build create events images kill logs pause ps pull push restart rm scale start stats"
    " stop top unpause up wait watch"
)
_FIRST = frozenset({"exec", "run", "port"})
_CONTAINERS = words_of(
    "attach diff inspect kill logs pause port rename restart rm start stats stop top unpause"
    " update wait"
)
_LOCAL_URL = re.compile(r"\b(?:https?://)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0):(\d{2,5})\b")
_SERVICE_URL = re.compile(r"\b\w+://(?:[^@/\s]*@)?([A-Za-z][\w-]*):\d{2,5}\b")
_OWN_NAMES = frozenset({"localhost", "host"})
_GENERATED = re.compile(r"(?:[a-z0-9][\w.-]*?[-_])?(.+?)[-_]\d+")


def check(context: Context) -> Iterator[Problem]:
    """Services, containers, ports, profiles and volumes that no Compose file has."""
    compose = context.beside.compose
    if not compose.files:
        return
    for command, typed in context.typed:
        yield from _on_services(compose, command, typed)
        yield from _on_containers(compose, command, typed)
        yield from _on_profiles(compose, command, typed)
        yield from _on_volumes(compose, command, typed)
        yield from _on_addresses(compose, command, typed)
    for code in context.codes:
        if "://" in code.text and " " not in code.text:
            yield from _on_port(compose, code.text, code.line)


def _on_services(compose: Compose, command: Command, typed: Typed) -> Iterator[Problem]:
    name = typed.program.replace("docker-compose", "docker compose")
    if not name.startswith("docker compose "):
        return
    subcommand = name.rpartition(" ")[2]
    named = [value.partition("=")[0] for value in typed.all("--scale")]
    if subcommand in _SERVICES:
        named += [one.partition("=")[0] for one in typed.operands]
    elif subcommand in _FIRST:
        named += typed.operands[:1]
    elif subcommand == "cp":
        named += [one.partition(":")[0] for one in typed.operands if ":" in one]
    for one in named:
        if not is_open(one) and one not in compose.services:
            reason = f"no service {one!r} in {_files(compose)}"
            write = did_you_mean(one, compose.services)
            yield Problem("unknown-service", command.line, reason, write)


def _on_containers(compose: Compose, command: Command, typed: Typed) -> Iterator[Problem]:
    words = typed.program.split()
    if len(words) < 2 or words[0] != "docker" or words[1] == "compose":
        return
    if words[-1] in _CONTAINERS and words[1] in (_CONTAINERS | {"container"}):
        named = (
            typed.operands if words[-1] not in ("port", "rename", "update") else typed.operands[:1]
        )
    elif words[-1] == "exec":
        named = typed.operands[:1]
    elif words[-1] == "cp":
        named = [one.partition(":")[0] for one in typed.operands if ":" in one]
    else:
        return
    for one in named:
        if is_open(one) or one in compose.containers or re.fullmatch(r"[0-9a-f]{6,64}", one):
            continue
        generated = _GENERATED.fullmatch(one)
        if generated and any(one.endswith(f"{s}{one[-2]}{one[-1]}") for s in compose.services):
            continue
        yield Problem("unknown-container", command.line, *_no_container(compose, one, words[-1]))


def _no_container(compose: Compose, name: str, subcommand: str) -> tuple[str, str]:
    reason = f"no container is named {name!r} by {_files(compose)}"
    if name in compose.services and subcommand in (_SERVICES | _FIRST | {"cp"}):
        named = next((c for c, service in compose.containers.items() if service == name), None)
        if named:
            return reason, f"Write `{named}`, or `docker compose {subcommand} {name}`."
        return reason, f"It is a service: write `docker compose {subcommand} {name}`."
    return reason, did_you_mean(name, set(compose.containers) or compose.services)


def _on_profiles(compose: Compose, command: Command, typed: Typed) -> Iterator[Problem]:
    if not typed.program.startswith(("docker compose", "docker-compose")):
        return
    for one in typed.all("--profile"):
        if not is_open(one) and one not in compose.profiles:
            reason = f"no service has the profile {one!r} in {_files(compose)}"
            write = did_you_mean(one, compose.profiles)
            yield Problem("unknown-profile", command.line, reason, write)


def _on_volumes(compose: Compose, command: Command, typed: Typed) -> Iterator[Problem]:
    if typed.program not in ("docker volume rm", "docker volume inspect"):
        return
    for one in typed.operands:
        known = one in compose.volumes or any(one.endswith(f"_{v}") for v in compose.volumes)
        if not is_open(one) and not known:
            reason = f"no volume {one!r} in {_files(compose)}"
            yield Problem(
                "unknown-volume", command.line, reason, did_you_mean(one, compose.volumes)
            )


def _on_addresses(compose: Compose, command: Command, typed: Typed) -> Iterator[Problem]:
    words = " ".join([*typed.operands, *(value for _, value in typed.options if value)])
    if not typed.inside and typed.program in ("curl", "wget", "nc", "telnet", "http", "hey", "ab"):
        yield from _on_port(compose, words, command.line)
    if not typed.inside:
        return
    known = compose.services | compose.aliases | set(compose.containers) | _OWN_NAMES
    for match in _SERVICE_URL.finditer(words):
        if match[1] not in known and "." not in match[1] and "kubectl" not in typed.inside:
            reason = f"no service {match[1]!r} in {_files(compose)}"
            write = did_you_mean(match[1], compose.services)
            yield Problem("unknown-service", command.line, reason, write)


def _on_port(compose: Compose, words: str, line: int) -> Iterator[Problem]:
    if compose.unknown_ports:
        return
    for match in _LOCAL_URL.finditer(words):
        if int(match[1]) not in compose.published:
            ports = {str(one) for one in compose.published}
            reason = f"no service publishes port {match[1]} in {_files(compose)}"
            write = f"Published: {', '.join(sorted(ports, key=int)) or 'none'}."
            yield Problem("unpublished-port", line, reason, write)


def _files(compose: Compose) -> str:
    names = [file.name for file in compose.files]
    return (
        names[0] if len(names) == 1 else f"{', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
    )
