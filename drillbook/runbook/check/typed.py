"""A command taken apart: program, subcommand, options, operands; and what runs inside another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drillbook.runbook import shell


def words_of(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


WITH_VALUE: Mapping[str, frozenset[str]] = {
    name: words_of(words)
    for name, words in {
        "docker": "-H --host -c --context --config -l --log-level",
        "docker compose": "-f --file -p --project-name --profile --env-file --project-directory"
        " --ansi --parallel --progress",
        "docker compose logs": "-n --tail --since --until --index",
        "docker compose up": "--scale -t --timeout --wait-timeout --attach --no-attach --pull"
        " --exit-code-from",
        "docker compose exec": "-u --user -w --workdir -e --env --index",
        "docker compose run": "-u --user -w --workdir -e --env -v --volume -p --publish --name"
        " --entrypoint -l --label --pull",
        "docker compose stop": "-t --timeout",
        "docker compose restart": "-t --timeout",
        "docker compose down": "-t --timeout --rmi",
        "docker compose kill": "-s --signal",
        "docker compose ps": "--format --status --filter",
        "docker compose port": "--protocol --index",
        "docker compose cp": "--index",
        "docker exec": "-u --user -w --workdir -e --env --env-file --detach-keys",
        "docker logs": "-n --tail --since --until",
        "docker inspect": "-f --format --type",
        "docker ps": "-f --filter --format -n --last",
        "docker stop": "-t --time -s --signal",
        "docker restart": "-t --time -s --signal",
        "docker kill": "-s --signal",
        "docker stats": "--format",
        "docker run": "-e --env -v --volume -p --publish --name --network -u --user -w --workdir"
        " --entrypoint --rm=false --cpus -m --memory --mount --env-file --restart -l --label -h"
        " --hostname --add-host",
        "docker build": "-f --file -t --tag --build-arg --target --platform --secret",
        "kubectl": "-n --namespace --context --kubeconfig --cluster --user -s --server -o --output"
        " -l --selector -c --container -f --filename --tail --since --timeout --replicas -p --patch"
        " --type --field-selector --from-literal --image --to-revision --for --sort-by --as",
        "sudo": "-u --user -g --group -h --host -p --prompt -C -D -r -t -T",
        "make": "-C -f --file --directory -j -I -o -W",
        "psql": "-h -p -U -d -c -f --host --port --username --dbname --command --file",
        "ping": "-c -i -W -w -s -I -t",
        "ssh": "-i -p -l -o -L -R -D -F -J",
        "xargs": "-I -n -P -d -L",
        "timeout": "-s --signal -k --kill-after",
    }.items()
}
_SUBCOMMANDS: Mapping[str, frozenset[str]] = {
    "docker": words_of("compose container volume network image system builder buildx"),
    "kubectl": words_of("rollout set config auth top cluster-info"),
}


@dataclass
class Typed:
    """A command, taken apart."""

    program: str
    """With its subcommands: ``docker compose logs``."""
    options: list[tuple[str, str | None]] = field(default_factory=list)
    operands: list[str] = field(default_factory=list)
    inside: str = ""
    """What it runs inside of: ``docker exec``; empty on the host."""

    def option(self, *names: str) -> str | None:
        """The value of the first of these options; an empty one where it takes none."""
        return next((value or "" for name, value in self.options if name in names), None)

    def all(self, *names: str) -> list[str]:
        """Every value of these options."""
        return [value for name, value in self.options if name in names and value]

    def short(self, letter: str) -> bool:
        """Whether a short option is given, alone or among others: ``-af``."""
        return any(
            name == f"-{letter}" or (name[:2] != "--" and letter in name[1:])
            for name, _ in self.options
        )


def is_open(word: str) -> bool:
    """Whether a word is for the reader, or the shell, to fill in."""
    return any(mark in word for mark in "<>{}$[]*?`|…") or "..." in word or word.isupper()


def commands_of(text: str) -> Iterator[Typed]:
    """Every command in a statement, and what each runs inside of another."""
    for simple in shell.simple_commands(text):
        yield from _taken_apart(list(simple.words), "")


def _taken_apart(words: list[str], inside: str) -> Iterator[Typed]:
    while words:
        program = words[0].rpartition("/")[2] if words[0].startswith("/") else words[0]
        if program in ("sudo", "xargs", "timeout", "time", "nohup", "env", "exec", "watch", "ssh"):
            yield from _wrapped(program, words, inside)
            return
        typed, rest = _parsed(program, words[1:], inside)
        yield typed
        if program in ("bash", "sh") and typed.option("-c", "-lc", "-ec") is not None:
            for simple in shell.simple_commands(" ".join(typed.operands[:1])):
                yield from _taken_apart(list(simple.words), inside)
        if not rest:
            return
        words, inside = rest, typed.program


def _wrapped(program: str, words: list[str], inside: str) -> Iterator[Typed]:
    values = WITH_VALUE.get(program, frozenset())
    at = 1
    while at < len(words) and (
        words[at].startswith("-") or ("=" in words[at] and program == "env")
    ):
        at += 2 if words[at] in values else 1
    if program == "timeout":
        at += 1
    yield Typed(
        program, [(one, None) for one in words[1:at] if one.startswith("-")], words[at:], inside
    )
    if program == "ssh":
        at, inside = at + 1, "ssh"
    rest = words[at:]
    if len(rest) == 1 and " " in rest[0]:
        for simple in shell.simple_commands(rest[0]):
            yield from _taken_apart(list(simple.words), inside)
    elif rest and not rest[0].startswith("-"):
        yield from _taken_apart(rest, inside)


def _parsed(program: str, words: Sequence[str], inside: str) -> tuple[Typed, list[str]]:
    typed = Typed(program, inside=inside)
    values = _with_value(program)
    nested = _SUBCOMMANDS.get(program, frozenset())
    expecting = program in ("docker", "kubectl", "docker-compose")
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            return typed, list(words[at:])
        if word.startswith("-") and len(word) > 1:
            name, equals, value = word.partition("=")
            if equals:
                typed.options.append((name, value))
            elif name in values and at < len(words):
                typed.options.append((name, words[at]))
                at += 1
            else:
                typed.options.append((name, None))
        elif expecting and not is_open(word):
            typed.program += f" {word}"
            values |= _with_value(typed.program)
            expecting = word in nested or typed.program == "docker compose"
        else:
            typed.operands.append(word)
            expecting = False
            if _runs_the_rest(typed):
                return typed, list(words[at:])
    return typed, []


def _with_value(program: str) -> frozenset[str]:
    return WITH_VALUE.get(program.replace("docker-compose", "docker compose"), frozenset())


def _runs_the_rest(typed: Typed) -> bool:
    """Whether what follows the first operand is a command of its own."""
    name = typed.program.replace("docker-compose", "docker compose")
    return name in (
        "docker exec",
        "docker container exec",
        "docker compose exec",
        "docker compose run",
    )
