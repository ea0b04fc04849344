"""The commands that are typed although no scenario names them: those that only look, at this stack.

``--runbook`` takes anybody's file. Where a line has another command than its drill, what the line
has is typed only if it is one of these, in a form that can change nothing, about what this run
started::

    docker ps | logs | inspect | stats            docker compose ps | logs | stats
    kubectl get | describe | logs                 a GET by curl

``refusal`` says why any other is not typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from drillbook.drill.shell_words import Refused, words
from drillbook.platforms.protocols import Reach

__all__ = ["refusal"]

THE_LIST = "docker ps, logs, inspect, stats; kubectl get, describe, logs; a GET by curl"

Check = Callable[[str, Reach], bool]


def refusal(command: str, reach: Reach) -> str | None:
    """Why a command is not typed; None where it only looks, and only at what is of this stack."""
    try:
        _require_look(words(command), reach)
    except Refused as refused:
        return str(refused)
    return None


def _require_look(command: Sequence[str], reach: Reach) -> None:
    name, *rest = command
    if name not in _TOOLS:
        raise Refused(f"`{name}` is none of the commands that only look ({THE_LIST})")
    _TOOLS[name](rest, reach)


# --- what a word may be --------------------------------------------------------------------------
def _anything(_word: str, _reach: Reach) -> bool:
    return True


def _service(word: str, reach: Reach) -> bool:
    return word in reach.services


def _instance(word: str, reach: Reach) -> bool:
    ids = [one for one in reach.instances if re.fullmatch("[0-9a-f]{64}", one)]
    short = re.fullmatch("[0-9a-f]{12,64}", word) is not None
    return word in reach.instances or (short and any(one.startswith(word) for one in ids))


def _project(word: str, reach: Reach) -> bool:
    return word == reach.project


def _file(word: str, reach: Reach) -> bool:
    return word.removeprefix("./") in reach.files


def _number(word: str, _reach: Reach) -> bool:
    return word.isdecimal() or word == "all"


def _resource(word: str, _reach: Reach) -> bool:
    """A kind or a name, as kubectl takes it; secrets are not for a report."""
    kinds = re.split(r"[,/.]", word)
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_./,-]*", word) is not None
    return plain and not any(one.lower() in ("secret", "secrets") for one in kinds)


def _kubectl_output(word: str, _reach: Reach) -> bool:
    """A format that is said in the command, and read from no file."""
    return (
        word in ("wide", "yaml", "json", "name")
        or re.match(r"(jsonpath|jsonpath-as-json|custom-columns|go-template)=", word) is not None
    )


def _kind_of_inspect(word: str, _reach: Reach) -> bool:
    return word == "container"


def _method(word: str, _reach: Reach) -> bool:
    return word in ("GET", "HEAD")


def _header(word: str, _reach: Reach) -> bool:
    return not word.startswith("@")


def _write_out(word: str, _reach: Reach) -> bool:
    return not word.startswith("@") and "output{" not in word


def _nowhere(word: str, _reach: Reach) -> bool:
    return word == "/dev/null"


def _url(word: str, reach: Reach) -> bool:
    """An address of the stack on loopback; one that curl would not make several of."""
    if set(word) & set("{}[]\\@") or not re.match(r"https?://", word):
        return False
    try:
        parts = urlsplit(word)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except ValueError:
        return False
    return parts.hostname in ("localhost", "127.0.0.1") and port in reach.ports


# --- the forms -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Form:
    """How one command may look: its options, and what may stand beside them."""

    flags: frozenset[str]
    valued: Mapping[str, Check] = field(default_factory=dict)
    operand: Check | None = None
    what: str = "argument"
    """What an operand that is not let through is none of."""
    least: int = 0
    most: int | None = None

    def require(self, given: Sequence[str], reach: Reach) -> None:
        """Raise Refused unless all that is given is allowed."""
        operands = list(self._operands(given, reach))
        for operand in operands:
            if self.operand is None or not self.operand(operand, reach):
                raise Refused(f"`{operand}` is no {self.what} of this stack")
        if len(operands) < self.least or (self.most is not None and len(operands) > self.most):
            wanted = f"{self.least} or more" if self.most is None else f"{self.most}"
            raise Refused(
                f"to look, it has to name {wanted} {self.what}, and names {len(operands)}"
            )

    def _operands(self, given: Sequence[str], reach: Reach) -> list[str]:
        operands: list[str] = []
        waiting = list(reversed(given))
        while waiting:
            word = waiting.pop()
            if not word.startswith("-") or word == "-":
                operands.append(word)
                continue
            option, value = self._option(word)
            if option in self.valued and option not in self.flags:
                if value is None and not waiting:
                    raise Refused(f"`{word}` has no value")
                value = waiting.pop() if value is None else value
                if not self.valued[option](value, reach):
                    raise Refused(f"`{option} {value}` is not about this stack alone")
            elif option not in self.flags or value is not None:
                raise Refused(f"`{word}` may do more than look")
        return operands

    def _option(self, word: str) -> tuple[str, str | None]:
        """An option and the value that is joined to it; letters of several flags are one flag."""
        if word.startswith("--"):
            option, joined, value = word.partition("=")
            return option, value if joined else None
        short, rest = word[:2], word[2:]
        if not rest:
            return short, None
        if short in self.valued and short not in self.flags:
            return short, rest.removeprefix("=")
        if all(f"-{letter}" in self.flags for letter in word[1:]):
            return short, None
        return word, None


def _flags(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _valued(check: Check, *options: str) -> dict[str, Check]:
    return dict.fromkeys(options, check)


_SINCE = _valued(_anything, "--since", "--until") | _valued(_number, "--tail", "-n")

_DOCKER: Mapping[str, _Form] = {
    "ps": _Form(
        _flags("-a --all -q --quiet -l --latest -s --size --no-trunc"),
        _valued(_anything, "--format", "-f", "--filter") | _valued(_number, "-n", "--last"),
    ),
    "logs": _Form(
        _flags("-f --follow -t --timestamps --details"), _SINCE, _instance, "container", 1, 1
    ),
    "inspect": _Form(
        _flags("-s --size"),
        _valued(_anything, "-f", "--format") | _valued(_kind_of_inspect, "--type"),
        _instance,
        "container",
        1,
    ),
    "stats": _Form(
        _flags("-a --all --no-stream --no-trunc"),
        _valued(_anything, "--format"),
        _instance,
        "container",
    ),
}
_COMPOSE: Mapping[str, _Form] = {
    "ps": _Form(
        _flags("-a --all -q --quiet --services --no-trunc --orphans"),
        _valued(_anything, "--format", "--filter", "--status"),
        _service,
        "service",
    ),
    "logs": _Form(
        _flags("-f --follow -t --timestamps --no-color --no-log-prefix"),
        _SINCE | _valued(_number, "--index"),
        _service,
        "service",
    ),
    "stats": _Form(
        _flags("-a --all --no-stream --no-trunc"),
        _valued(_anything, "--format"),
        _service,
        "service",
        0,
        1,
    ),
}
# Options that stand before the word that says what is done.
_COMPOSE_FIRST = _valued(_file, "-f", "--file") | _valued(_project, "-p", "--project-name")
_NAMESPACE = _valued(_project, "-n", "--namespace")
_SELECTED = _NAMESPACE | _valued(_anything, "-l", "--selector")
_KUBECTL: Mapping[str, _Form] = {
    "get": _Form(
        _flags("-w --watch --show-labels --no-headers"),
        _SELECTED
        | _valued(_kubectl_output, "-o", "--output")
        | _valued(_anything, "--field-selector", "--sort-by"),
        _resource,
        "kind or name that may be shown",
        1,
    ),
    "describe": _Form(frozenset(), _SELECTED, _resource, "kind or name that may be shown", 1),
    "logs": _Form(
        _flags("-f --follow -p --previous --timestamps --all-containers --prefix"),
        _SELECTED
        | _valued(_anything, "--since", "--since-time", "-c", "--container")
        | _valued(_number, "--tail", "--limit-bytes"),
        _resource,
        "pod",
    ),
}
_CURL = _Form(
    _flags(
        "-f --fail -s --silent -S --show-error -v --verbose -i --include -I --head -k --insecure"
        " -4 --ipv4 --compressed --no-progress-meter"
    ),
    _valued(_anything, "-m", "--max-time", "--connect-timeout", "-A", "--user-agent")
    | _valued(_method, "-X", "--request")
    | _valued(_header, "-H", "--header")
    | _valued(_write_out, "-w", "--write-out")
    | _valued(_nowhere, "-o", "--output"),
    _url,
    "address",
    1,
    1,
)


# --- the tools -----------------------------------------------------------------------------------
def _docker(given: Sequence[str], reach: Reach) -> None:
    _require_platform("docker", "compose", reach)
    if given[:1] == ["compose"]:
        _compose(given[1:], reach)
        return
    _require_verb("docker", given, _DOCKER).require(given[1:], reach)


def _compose(given: Sequence[str], reach: Reach) -> None:
    _require_platform("docker compose", "compose", reach)
    before, after = _split("docker compose", given, _COMPOSE_FIRST)
    _Form(frozenset(), _COMPOSE_FIRST).require(before, reach)
    _require_verb("docker compose", after, _COMPOSE).require(after[1:], reach)


def _kubectl(given: Sequence[str], reach: Reach) -> None:
    _require_platform("kubectl", "kubernetes", reach)
    before, after = _split("kubectl", given, _NAMESPACE)
    _Form(frozenset(), _NAMESPACE).require(before, reach)
    _require_verb("kubectl", after, _KUBECTL).require(after[1:], reach)


def _curl(given: Sequence[str], reach: Reach) -> None:
    _CURL.require(given, reach)


_TOOLS: Mapping[str, Callable[[Sequence[str], Reach], None]] = {
    "docker": _docker,
    "docker-compose": _compose,
    "kubectl": _kubectl,
    "curl": _curl,
}


def _split(
    tool: str, given: Sequence[str], options: Mapping[str, Check]
) -> tuple[Sequence[str], Sequence[str]]:
    """What stands before the word that says what is done, and from that word on."""
    at = 0
    while at < len(given) and given[at].startswith("-"):
        option = given[at].partition("=")[0]
        if option not in options:
            raise Refused(f"`{tool} {given[at]}` may be about another stack, or do more than look")
        at += 1 if "=" in given[at] else 2
    return given[:at], given[at:]


def _require_platform(tool: str, platform: str, reach: Reach) -> None:
    if reach.platform != platform:
        raise Refused(f"`{tool}` would look elsewhere: this stack runs on {reach.platform}")


def _require_verb(tool: str, given: Sequence[str], forms: Mapping[str, _Form]) -> _Form:
    verb = given[0] if given else ""
    if verb.startswith("-"):
        raise Refused(f"`{tool} {verb}` may be about another engine, or do more than look")
    if verb not in forms:
        said = f"{tool} {verb}".strip()
        raise Refused(f"`{said}` is none of the commands that only look ({THE_LIST})")
    return forms[verb]
