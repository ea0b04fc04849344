"""Forms of commands that no longer work, or never did what a runbook wants of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache

from drillbook.runbook.check import outside
from drillbook.runbook.check.context import Context, did_you_mean
from drillbook.runbook.check.typed import Typed
from drillbook.runbook.model import Command, Problem

HELP_S = 10.0
_STOPPED = re.compile(
    r"(?i)\b(exit(s|ed)?|crash(es|ed|ing)?|stopp(s|ed)|died|dead|not running|is down|restarting)\b"
)
_LEFT = re.compile(r"(?i)ctrl[-+ ]?c|\^C|interrupt|leave it|stop it|press q|in another terminal")
# How each tool is asked for its options. No other program is ever started.
_ASKED = {
    "docker": ("--help",),
    "kubectl": ("--help",),
    "helm": ("--help",),
    "curl": ("--help", "all"),
    "psql": ("--help",),
    "pg_dump": ("--help",),
    "pg_restore": ("--help",),
    "pg_isready": ("--help",),
    "journalctl": ("--help",),
    "systemctl": ("--help",),
    "jq": ("--help",),
}
_OPTION = re.compile(r"(?<![\w-])--[a-zA-Z][\w-]*")
_NEGATED = re.compile(r"--\[no-\]([a-z][\w-]*)")
_GONE = {
    "kubectl rolling-update": "Write `kubectl rollout restart`.",
    "docker-machine": "Docker Machine is no longer made.",
    "kubectl get componentstatuses": "Write `kubectl get --raw /readyz?verbose`.",
    "kubectl get cs": "Write `kubectl get --raw /readyz?verbose`.",
    "apt-key": "Put the key into /etc/apt/keyrings.",
}


def check(context: Context) -> Iterator[Problem]:
    """Dead forms, endless commands, options that a tool does not have."""
    for command, typed in context.typed:
        words = context.around(command)
        yield from _old_compose(command, typed)
        yield from _removed(command, typed)
        yield from _without_stopped(context, command, typed, words)
        yield from _endless(command, typed, words)
        if context.settings.ask_tools and not typed.inside:
            yield from _unknown_options(command, typed)


def _old_compose(command: Command, typed: Typed) -> Iterator[Problem]:
    if typed.program.split()[0] == "docker-compose":
        reason = "`docker-compose` is version 1 of Compose, which is gone"
        instead = typed.program.replace("docker-compose", "docker compose")
        yield Problem("compose-v1", command.line, reason, f"Write `{instead}`.")


def _removed(command: Command, typed: Typed) -> Iterator[Problem]:
    name = " ".join([typed.program, *typed.operands[:1]])
    for gone, write in _GONE.items():
        if gone in (name, typed.program):
            yield Problem("removed-command", command.line, f"there is no `{gone}` any more", write)


def _without_stopped(
    context: Context, command: Command, typed: Typed, words: str
) -> Iterator[Problem]:
    name = typed.program.replace("docker-compose", "docker compose")
    if name not in ("docker ps", "docker container ls", "docker compose ps"):
        return
    if typed.short("a") or typed.option("--all", "--filter", "-f", "--status") is not None:
        return
    entry = context.entry_at(command.line)
    claims = " ".join(line.text for line in (entry.lines if entry else ()) if line.kind != "step")
    if _STOPPED.search(words) or _STOPPED.search(claims):
        reason = f"`{name}` leaves out containers that have stopped, and this is about one"
        yield Problem("ps-without-all", command.line, reason, f"Write `{name} -a`.")


def _endless(command: Command, typed: Typed, words: str) -> Iterator[Problem]:
    write = _ends_with(typed)
    if write and not _LEFT.search(words) and "timeout" not in command.text:
        if command.block and re.search(r"\|\s*(head|grep -m|sed .*q)|&\s*$", command.text):
            return
        reason = f"`{typed.program}` does not end by itself here"
        yield Problem("never-ends", command.line, reason, f"{write} Or say how it is left: Ctrl-C.")


def _ends_with(typed: Typed) -> str:
    """How to make an endless command end; empty for one that does."""
    name = typed.program.replace("docker-compose", "docker compose")
    follows = typed.option("-f", "--follow") is not None or (
        typed.short("f") and name in ("docker logs", "docker compose logs", "tail", "journalctl")
    )
    if (
        name in ("kubectl logs", "docker logs", "docker compose logs", "journalctl", "tail")
        and follows
    ):
        return "Write it without `-f`."
    if name == "kubectl get" and typed.option("-w", "--watch") is not None:
        return "Write `kubectl wait`, or leave out `-w`."
    if name in ("docker stats", "docker compose stats") and typed.option("--no-stream") is None:
        return f"Write `{typed.program} --no-stream`."
    if name == "ping" and typed.option("-c", "-w") is None:
        return "Write `ping -c 3`."
    if name in ("watch", "docker events", "docker compose events"):
        return "Write the command once."
    return ""


def _unknown_options(command: Command, typed: Typed) -> Iterator[Problem]:
    program = typed.program.split()[0]
    wanted = [name for name, _ in typed.options if re.fullmatch(r"--[a-zA-Z][\w-]*", name)]
    if program not in _ASKED or not wanted:
        return
    deeper = [one for one in typed.operands[:2] if re.fullmatch(r"[a-z-]+", one)]
    known = _options(typed.program, " ".join(deeper if program == "kubectl" else []))
    for name in wanted:
        if known and name not in known:
            reason = f"`{typed.program}` has no option {name}, says its own help"
            yield Problem("unknown-option", command.line, reason, did_you_mean(name, known))


@lru_cache(maxsize=512)
def _options(program: str, operands: str) -> frozenset[str]:
    """The long options in the help of a command and of those it is part of; empty without it.

    ``operands`` may be a subcommand's own: ``kubectl create secret generic``.
    """
    words = program.split()
    if shutil.which(words[0]) is None:
        return frozenset()
    ask = _ASKED[words[0]]
    helps = [_help([*words, *operands.split(), *ask]) or _help([*words, *ask])]
    if not helps[0]:
        return frozenset()
    helps += [_help([*words[:end], *ask]) for end in range(1, len(words))]
    helps += [_help(["kubectl", "options"])] if words[0] == "kubectl" else []
    found = {option for told in helps for option in _OPTION.findall(told)}
    negated = {name for told in helps for name in _NEGATED.findall(told)}
    return frozenset(found | {f"--{no}{name}" for name in negated for no in ("", "no-")})


@lru_cache(maxsize=512)
def _help_of(words: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=HELP_S,
            check=False,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # away from a terminal that would stop it in the background
            env=outside.environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _help(words: list[str]) -> str:
    return _help_of(tuple(words))
