"""What lies beside a runbook: Compose files, manifests, Makefiles, scripts, packages, variables.

"Beside" is the nearest folder above it that holds a Compose file or is a repository's root, with
all that is below. Each kind of fact is looked up once, when the first command needs it.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from drillbook.runbook.check.compose import Compose, is_compose_file
from drillbook.runbook.check.settings import Settings

MOST_FILES = 20_000
MOST_BYTES = 64 * 1024 * 1024
_SKIPPED = frozenset(
    {".git", ".hg", ".venv", "venv", "node_modules", ".tox", "__pycache__", ".terraform", "dist"}
)
_VARIABLE_WORD = re.compile(rb"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b")
_TARGET = re.compile(r"^([A-Za-z0-9_./%$(){} -]+?)\s*:(?![=:]=?)", re.MULTILINE)
_UNREAD = frozenset(
    {".md", ".png", ".jpg", ".pdf", ".zip", ".gz", ".woff", ".ico", ".svg", ".lock"}
)


@dataclass(frozen=True)
class Resource:
    """A Kubernetes object in a manifest."""

    kind: str
    name: str


@dataclass(frozen=True)
class Alert:
    """An alert rule with where it says to read on."""

    file: Path
    line: int
    name: str
    runbook_url: str


class Beside:
    """The files below a folder, and what they say."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings

    @cached_property
    def files(self) -> list[Path]:
        """All of them but what is excluded, not more than `MOST_FILES`."""
        found: list[Path] = []
        for above, folders, names in os.walk(self.folder):
            here = Path(above)
            folders[:] = sorted(
                one
                for one in folders
                if one not in _SKIPPED and not self.settings.excludes(here / one)
            )
            found.extend(here / name for name in sorted(names))
            if len(found) > MOST_FILES:
                break
        return [file for file in found[:MOST_FILES] if not self.settings.excludes(file)]

    @cached_property
    def _tails(self) -> set[str]:
        """Each file's and folder's path, from every folder above it."""
        tails: set[str] = set()
        for file in self.files:
            parts = file.relative_to(self.folder).parts
            for end in range(1, len(parts) + 1):
                tails.update("/".join(parts[start:end]) for start in range(end))
        return tails

    def has(self, path: str) -> bool:
        """Whether a relative path leads to something, from here or any folder below."""
        plain = os.path.normpath(path)
        return plain in self._tails or (self.folder / path).exists()

    @cached_property
    def compose(self) -> Compose:
        """What the Compose files say together."""
        compose = Compose()
        for file in self.files:
            if is_compose_file(file):
                compose.add(file)
        return compose

    @cached_property
    def make_targets(self) -> set[str] | None:
        """The targets of all Makefiles; None where there is none, or one includes others."""
        makefiles = [
            one for one in self.files if one.name in ("Makefile", "makefile", "GNUmakefile")
        ]
        targets: set[str] = set()
        for file in makefiles:
            text = _read(file)
            if re.search(r"^-?include\b", text, re.MULTILINE) or "%:" in text:
                return None
            for match in _TARGET.finditer(text):
                targets.update(match[1].split())
        return targets if makefiles else None

    @cached_property
    def package_scripts(self) -> set[str] | None:
        """The scripts of all ``package.json``; None where there is none."""
        files = [one for one in self.files if one.name == "package.json"]
        scripts: set[str] = set()
        for file in files:
            try:
                data = json.loads(_read(file))
            except ValueError:
                continue
            table = data.get("scripts") if isinstance(data, dict) else None
            scripts |= set(table) if isinstance(table, dict) else set()
        return scripts if files else None

    @cached_property
    def project_scripts(self) -> set[str] | None:
        """The scripts and dependencies of all ``pyproject.toml``; None where there is none."""
        files = [one for one in self.files if one.name == "pyproject.toml"]
        names: set[str] = set()
        for file in files:
            try:
                data = tomllib.loads(_read(file))
            except tomllib.TOMLDecodeError:
                continue
            names |= set(_names_of_project(data))
        return names if files else None

    @cached_property
    def variables(self) -> set[str]:
        """Every word that could be an environment variable, in any file but Markdown."""
        found: set[bytes] = set()
        left = MOST_BYTES
        for file in self.files:
            if file.suffix.lower() in _UNREAD or left <= 0:
                continue
            try:
                with file.open("rb") as opened:
                    content = opened.read(1 << 20)
            except OSError:
                continue
            left -= len(content)
            found.update(_VARIABLE_WORD.findall(content))
        return {one.decode() for one in found} | self.compose.variables

    @cached_property
    def _documents(self) -> list[tuple[Path, str, Any]]:
        """The YAML documents that may be manifests or alert rules."""
        found: list[tuple[Path, str, Any]] = []
        for file in self.files:
            if file.suffix not in (".yml", ".yaml") or is_compose_file(file):
                continue
            text = _read(file)
            if not re.search(r"^(?:kind|apiVersion|groups):|^\s*- alert:", text, re.MULTILINE):
                continue
            try:
                found.extend((file, text, one) for one in yaml.safe_load_all(text))
            except (yaml.YAMLError, RecursionError, ValueError):
                continue
        return found

    @cached_property
    def resources(self) -> set[Resource]:
        """The objects in manifests."""
        found = set()
        for _, _, data in self._documents:
            items = data.get("items") if isinstance(data, dict) else None
            for one in [data, *(items if isinstance(items, list) else [])]:
                if isinstance(one, dict) and isinstance(one.get("metadata"), dict):
                    name = str(one["metadata"].get("name", ""))
                    found.add(Resource(str(one.get("kind", "")).lower(), name))
        return found

    @cached_property
    def namespaces(self) -> set[str]:
        """The namespaces that manifests make or are in."""
        found = {one.name for one in self.resources if one.kind == "namespace"}
        for _, _, data in self._documents:
            metadata = data.get("metadata") if isinstance(data, dict) else None
            named = [data, metadata] if isinstance(metadata, dict) else []
            found |= {str(one["namespace"]) for one in named if "namespace" in one}
        return found

    @cached_property
    def alerts(self) -> list[Alert]:
        """The alert rules, with their runbook's address."""
        found: list[Alert] = []
        for file, text, data in self._documents:
            spec = data.get("spec") if isinstance(data, dict) else None
            groups = (
                data.get("groups") or (spec or {}).get("groups") if isinstance(data, dict) else []
            )
            for group in groups if isinstance(groups, list) else []:
                rules = group.get("rules") if isinstance(group, dict) else []
                found.extend(_alerts(file, text, rules if isinstance(rules, list) else []))
        return found


def folder_of(path: Path) -> Path:
    """The folder beside whose files a runbook is checked."""
    start = path.resolve().parent
    for folder in [start, *start.parents]:
        try:
            if any(is_compose_file(one) for one in folder.iterdir()):
                return folder
        except OSError:
            break
        if (folder / ".git").exists():
            return folder
    return start


def _alerts(file: Path, text: str, rules: list[Any]) -> Iterator[Alert]:
    for rule in rules:
        if not isinstance(rule, dict) or "alert" not in rule:
            continue
        annotations = rule.get("annotations")
        url = annotations.get("runbook_url") if isinstance(annotations, dict) else None
        name = str(rule["alert"])
        yield Alert(file, _line_of(text, name, str(url or "")), name, str(url or ""))


def _line_of(text: str, alert: str, url: str) -> int:
    """The line of an alert's address or, where it has none, of the alert."""
    start = re.search(rf"alert:\s*[\"']?{re.escape(alert)}[\"']?\s*$", text, re.MULTILINE)
    at = start.start() if start else 0
    if url:
        found = text.find("runbook_url", at)
        at = found if found >= 0 else at
    return text.count("\n", 0, at) + 1


def _names_of_project(data: Mapping[str, Any]) -> Iterator[str]:
    project = data.get("project") if isinstance(data.get("project"), dict) else {}
    tool = data.get("tool") if isinstance(data.get("tool"), dict) else {}
    assert isinstance(project, dict)
    assert isinstance(tool, dict)
    poetry = tool.get("poetry") if isinstance(tool.get("poetry"), dict) else {}
    assert isinstance(poetry, dict)
    for table in (project.get("scripts"), poetry.get("scripts"), poetry.get("dependencies")):
        yield from map(str, table) if isinstance(table, dict) else ()
    text = json.dumps([project, poetry, data.get("dependency-groups")], default=str)
    yield from re.findall(r"\"([A-Za-z][\w.-]*)", text)


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(1 << 20)
    except OSError:
        return ""
