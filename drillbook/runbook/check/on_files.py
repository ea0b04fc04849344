"""Commands against the other files beside the runbook: manifests, targets, paths, variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from drillbook.runbook import shell
from drillbook.runbook.check.context import Context, did_you_mean
from drillbook.runbook.check.typed import Typed, is_open, words_of
from drillbook.runbook.commands import EXECUTABLES
from drillbook.runbook.model import Command, Problem

_KINDS = {
    "deploy": "deployment", "deployments": "deployment", "deployment": "deployment",
    "sts": "statefulset", "statefulset": "statefulset", "statefulsets": "statefulset",
    "ds": "daemonset", "daemonset": "daemonset", "daemonsets": "daemonset",
    "svc": "service", "service": "service", "services": "service",
    "cm": "configmap", "configmap": "configmap", "configmaps": "configmap",
    "cronjob": "cronjob", "cronjobs": "cronjob", "cj": "cronjob",
    "ing": "ingress", "ingress": "ingress", "pvc": "persistentvolumeclaim",
    "hpa": "horizontalpodautoscaler", "secret": "secret", "secrets": "secret",
}  # fmt: skip
_PATH_IN_WORDS = re.compile(r"(?:[\w.-]+/)+[\w.-]+\.[A-Za-z][A-Za-z0-9]{0,5}")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[a-z]{2,6}/")
_EXPANSION = re.compile(r"\$\{?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)\b")
_NAMED = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=\S*)?")
_SPEAKS_OF_VARIABLES = re.compile(r"(?i)\b(environment|env|variables?|exports?)\b")
_SET_BY_THE_SHELL = words_of(
    "HOME PATH USER PWD SHELL TERM EDITOR HOSTNAME KUBECONFIG LOGNAME LANG TMPDIR RANDOM OLDPWD UID"
    " PIPESTATUS SECONDS PGPASSWORD PGUSER PGHOST PGDATABASE DOCKER_HOST DOCKER_BUILDKIT"
    " COMPOSE_FILE COMPOSE_PROFILES COMPOSE_PROJECT_NAME AWS_PROFILE AWS_REGION"
)
_FILE_OPTIONS = {
    "docker compose": ("-f", "--file", "--env-file"),
    "docker-compose": ("-f", "--file", "--env-file"),
    "docker build": ("-f", "--file"),
    "kubectl apply": ("-f", "--filename"),
    "kubectl delete": ("-f", "--filename"),
    "kubectl create": ("-f", "--filename"),
    "kubectl replace": ("-f", "--filename"),
    "psql": ("-f", "--file"),
    "ansible-playbook": ("-i",),
}
_RUN_A_FILE = frozenset(
    {"bash", "sh", "python", "python3", "source", ".", "node", "ansible-playbook"}
)


def check(context: Context) -> Iterator[Problem]:
    """What commands name and nothing beside the runbook has."""
    for command, typed in context.typed:
        if typed.inside:
            continue
        yield from _on_manifests(context, command, typed)
        yield from _on_targets(context, command, typed)
        yield from _on_scripts(context, command, typed)
        yield from _on_paths(context, command, typed)
    yield from _paths_in_sentences(context)
    yield from _on_variables(context)


# --- Kubernetes ----------------------------------------------------------------------------------
def _on_manifests(context: Context, command: Command, typed: Typed) -> Iterator[Problem]:
    if not typed.program.startswith("kubectl") or not context.beside.resources:
        return
    known = {(one.kind, one.name) for one in context.beside.resources}
    kinds = {kind for kind, _ in known}
    for kind, name in _resources(typed):
        if kind in kinds and not is_open(name) and (kind, name) not in known:
            reason = f"no {kind} {name!r} in the manifests"
            write = did_you_mean(name, {n for k, n in known if k == kind})
            yield Problem("unknown-resource", command.line, reason, write)
    namespace, namespaces = typed.option("-n", "--namespace"), context.beside.namespaces
    usual = {"default", "kube-system"}
    if namespace and namespaces and not is_open(namespace) and namespace not in namespaces | usual:
        reason = f"no namespace {namespace!r} in the manifests"
        write = did_you_mean(namespace, namespaces)
        yield Problem("unknown-resource", command.line, reason, write)


def _resources(typed: Typed) -> Iterator[tuple[str, str]]:
    operands = typed.operands
    for one in operands:
        kind, slash, name = one.partition("/")
        if slash and kind in _KINDS and name:
            yield _KINDS[kind], name
    if operands and operands[0] in _KINDS:
        for name in operands[1:]:
            if "/" not in name and "=" not in name:
                yield _KINDS[operands[0]], name


# --- make, npm, poetry ---------------------------------------------------------------------------
def _on_targets(context: Context, command: Command, typed: Typed) -> Iterator[Problem]:
    targets = context.beside.make_targets if typed.program == "make" else None
    if targets is None:
        return
    for one in typed.operands:
        if not is_open(one) and "=" not in one and one not in targets:
            reason = f"no Makefile has the target {one!r}"
            yield Problem("unknown-target", command.line, reason, did_you_mean(one, targets))


def _on_scripts(context: Context, command: Command, typed: Typed) -> Iterator[Problem]:
    operands = typed.operands
    if typed.program in ("npm", "pnpm", "yarn") and operands[:1] == ["run"]:
        scripts, names = context.beside.package_scripts, operands[1:2]
    elif typed.program in ("poetry", "uv", "pdm", "hatch") and operands[:1] == ["run"]:
        scripts, names = context.beside.project_scripts, operands[1:2]
    else:
        return
    for one in names:
        known = scripts is None or one in scripts or one.replace("_", "-") in scripts
        if not known and not is_open(one) and one not in EXECUTABLES and "." not in one:
            reason = f"no package beside the runbook has the script {one!r}"
            write = did_you_mean(one, scripts or set())
            yield Problem("unknown-script", command.line, reason, write)


# --- paths ---------------------------------------------------------------------------------------
def _on_paths(context: Context, command: Command, typed: Typed) -> Iterator[Problem]:
    paths = []
    if typed.program.startswith(("./", "../")) or (
        "/" in typed.program and re.search(r"\.(sh|py|rb|pl)$", typed.program)
    ):
        paths.append(typed.program)
    elif typed.program in _RUN_A_FILE and typed.option("-c", "-m", "-e") is None:
        paths += [one for one in typed.operands[:1] if re.search(r"[\w-]\.\w{1,4}$", one)]
    for program, options in _FILE_OPTIONS.items():
        if typed.program == program or typed.program.startswith(f"{program} "):
            paths += typed.all(*options)
    for one in paths:
        yield from _missing(context, one, command.line)


def _paths_in_sentences(context: Context) -> Iterator[Problem]:
    if not context.is_runbook:
        return
    for code in context.codes:
        if _PATH_IN_WORDS.fullmatch(code.text) and not _HOST.match(code.text):
            yield from _missing(context, code.text, code.line)


def _missing(context: Context, path: str, line: int) -> Iterator[Problem]:
    if is_open(path) or path.startswith(("/", "~", "http:", "https:")) or path in ("-", "..."):
        return
    if context.beside.has(path) or any((one / path).exists() for one in _above(context.path)):
        return
    names = {str(one.relative_to(context.beside.folder)) for one in context.beside.files}
    same = sorted(one for one in names if one.rpartition("/")[2] == path.rpartition("/")[2])
    write = f"Write `{same[0]}`." if same else did_you_mean(path, names)
    if not write.startswith("Write"):
        write = "Correct the path, or leave it out."
    yield Problem("missing-path", line, f"there is no file {path!r} beside the runbook", write)


def _above(path: Path) -> Iterator[Path]:
    """The folders above a file, up to the root of its repository."""
    for folder in path.resolve().parents:
        yield folder
        if (folder / ".git").exists():
            return


# --- variables -----------------------------------------------------------------------------------
def _on_variables(context: Context) -> Iterator[Problem]:
    used: dict[tuple[str, int], None] = {}
    own = set(_SET_BY_THE_SHELL)
    for command in context.document.commands:
        own |= _assigned(command.text)
        for match in _EXPANSION.finditer(command.text):
            used[match[1], command.line] = None
    for code in context.codes:
        named = _NAMED.fullmatch(code.text)
        if named and context.is_runbook and _SPEAKS_OF_VARIABLES.search(code.words):
            used[named[1], code.line] = None
    wanted = {name for name, _ in used} - own
    if not wanted:
        return
    known = context.beside.variables
    for name, line in used:
        if name not in own and name not in known and len(name) > 1:
            reason = f"nothing beside the runbook names the variable {name}"
            close = did_you_mean(name, context.beside.compose.variables)
            write = close if close.startswith("Write") else "Correct the name, or set it in a step."
            yield Problem("unknown-variable", line, reason, write)


def _assigned(text: str) -> set[str]:
    names = {
        one.partition("=")[0] for simple in shell.simple_commands(text) for one in simple.assigned
    }
    names |= set(re.findall(r"(?:^|[\s;(])([A-Z][A-Z0-9_]*)=", text))
    names |= set(re.findall(r"\b(?:read(?: -\w+)*|for) ([A-Z][A-Z0-9_]*)", text))
    return names
