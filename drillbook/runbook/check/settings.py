"""What a team sets in its ``pyproject.toml``, below ``[tool.drillbook.check]``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from drillbook.runbook.check.findings import SEVERITIES, Severity, named
from drillbook.runbook.labels import SYNONYMS, Labels

FILE = "pyproject.toml"


class SettingsError(Exception):
    """The settings are not to be understood; the message names the file and the key."""


@dataclass(frozen=True)
class Settings:
    """How to check."""

    folder: Path = field(default_factory=Path)
    """What the patterns below start from: where the settings are."""
    files: tuple[str, ...] = ()
    """What is checked where the command line names nothing."""
    exclude: tuple[str, ...] = ()
    """What is not checked, and does not count as lying beside a runbook."""
    ignore: frozenset[str] = frozenset()
    """Ids of rules that are off everywhere."""
    per_file_ignores: Mapping[str, frozenset[str]] = field(default_factory=dict)
    severity: Mapping[str, Severity] = field(default_factory=dict)
    """Another severity, by a rule's id."""
    labels: Labels = field(default_factory=Labels)
    stale_days: int = 180
    fail_on: Severity = "warning"
    ask_tools: bool = True
    """Whether installed tools are asked for their options (``docker logs --help``)."""

    def ignored(self, path: Path) -> frozenset[str]:
        """The ids of the rules that are off for a file."""
        found = set(self.ignore)
        for pattern, rules in self.per_file_ignores.items():
            if self.matches(path, pattern):
                found |= rules
        return frozenset(found)

    def excludes(self, path: Path) -> bool:
        """Whether a file or folder is left out."""
        return any(self.matches(path, pattern) for pattern in self.exclude)

    def matches(self, path: Path, pattern: str) -> bool:
        """Whether a path, seen from the settings' folder, or one of its folders fits a pattern."""
        try:
            relative = path.resolve().relative_to(self.folder.resolve())
        except ValueError:
            return False
        return any(
            fnmatch(str(one), pattern.rstrip("/")) for one in [relative, *relative.parents][:-1]
        )


def find(start: Path) -> Settings:
    """The settings of the nearest ``pyproject.toml`` that has any, from a folder upwards.

    Raises SettingsError.
    """
    for folder in [start.resolve(), *start.resolve().parents]:
        file = folder / FILE
        if file.is_file():
            settings = read(file)
            if settings is not None:
                return settings
    return Settings(start.resolve())


def read(file: Path) -> Settings | None:
    """The settings in a file; None where it has none. Raises SettingsError."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error
    table = data.get("tool", {}).get("drillbook", {}).get("check")
    if table is None:
        return None
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: tool.drillbook.check is no table")
    return _Reader(file, table).settings()


class _Reader:
    def __init__(self, file: Path, table: Mapping[str, Any]) -> None:
        self.file, self.table = file, dict(table)

    def settings(self) -> Settings:
        defaults = Settings()
        settings = Settings(
            self.file.parent,
            files=self._words("files"),
            exclude=self._words("exclude"),
            ignore=self._ids("ignore", self._words("ignore")),
            per_file_ignores={
                pattern: self._ids("per-file-ignores", rules)
                for pattern, rules in self._take("per-file-ignores", dict, {}).items()
            },
            severity={
                self._id("severity", rule): self._severity("severity", word)
                for rule, word in self._take("severity", dict, {}).items()
            },
            labels=self._labels(),
            stale_days=self._take("stale-days", int, defaults.stale_days),
            fail_on=self._severity("fail-on", self._take("fail-on", str, defaults.fail_on)),
            ask_tools=self._take("ask-tools", bool, defaults.ask_tools),
        )
        if self.table:
            raise self._error(next(iter(self.table)), "is no setting")
        return settings

    def _take(self, key: str, kind: type, default: Any) -> Any:
        value = self.table.pop(key, default)
        if not isinstance(value, kind):
            raise self._error(key, f"must be {kind.__name__}, not {type(value).__name__}")
        return value

    def _words(self, key: str) -> tuple[str, ...]:
        return self._strings(key, self._take(key, list, []))

    def _strings(self, key: str, values: Any) -> tuple[str, ...]:
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise self._error(key, "must be a list of strings")
        return tuple(values)

    def _ids(self, key: str, words: Any) -> frozenset[str]:
        return frozenset(self._id(key, one) for one in self._strings(key, list(words)))

    def _id(self, key: str, word: str) -> str:
        rule = named(word)
        if rule is None:
            raise self._error(key, f"names {word!r}, which is no rule")
        return rule.id

    def _severity(self, key: str, word: Any) -> Severity:
        for severity in SEVERITIES:
            if severity == word:
                return severity
        raise self._error(key, f"must be one of {', '.join(SEVERITIES)}, not {word!r}")

    def _labels(self) -> Labels:
        more: dict[str, tuple[str, ...]] = {}
        for part, words in self._take("labels", dict, {}).items():
            if part not in SYNONYMS:
                raise self._error("labels", f"{part!r} is no part; {', '.join(SYNONYMS)} are")
            more[part] = self._strings("labels", words)
        return Labels(more) if more else Labels()

    def _error(self, key: str, why: str) -> SettingsError:
        return SettingsError(f"{self.file}: tool.drillbook.check: {key} {why}")
