"""The command: ``./run check [FILE or FOLDER...] [options]``."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from drillbook.runbook.check import output
from drillbook.runbook.check import settings as settings_
from drillbook.runbook.check.checking import check_paths
from drillbook.runbook.check.findings import SEVERITIES, Finding, Severity, named
from drillbook.runbook.check.settings import Settings, SettingsError

CLEAN, FOUND, WRONG_USE = 0, 1, 4
DEFAULT_FILES = ("*unbook*.md", "*laybook*.md", "README.md", "docs/**/*.md", "runbooks/**/*.md")
_SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", ".tox"})


def run() -> None:
    """What the installed command does."""
    sys.exit(main())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Leave with the status that all jobs have for wrong use."""
        self.print_usage(sys.stderr)
        self.exit(WRONG_USE, f"check: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check files; returns 0 where nothing was found, 1 where something was, 4 for wrong use."""
    gc.disable()  # a short life with many small objects, none of them in a circle for long
    options = _parser().parse_args(arguments)
    if options.rules:
        sys.stdout.write(output.rules())
        return CLEAN
    try:
        settings = _settings(options)
        paths = _paths(options.files, settings)
    except SettingsError as error:
        sys.stderr.write(f"check: {error}\n")
        return WRONG_USE
    findings = check_paths(paths, settings)
    told = output.statistics(findings) if options.statistics else ""
    shown = output.FORMATS[options.format](findings, paths)
    sys.stdout.write(shown if not told or options.format != "text" else told + _last(shown))
    if told and options.format != "text":
        sys.stderr.write(told)
    return FOUND if _fails(findings, settings.fail_on) else CLEAN


def _last(text: str) -> str:
    return text.rstrip("\n").rpartition("\n")[2] + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="./run check", description="Check runbooks without running anything.", add_help=True
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="files, or folders")
    parser.add_argument("--format", choices=list(output.FORMATS), default="text")
    parser.add_argument("--fail-on", choices=SEVERITIES, help="exit 1 from this severity on")
    parser.add_argument("--ignore", action="append", default=[], metavar="RULE", help="switch off")
    parser.add_argument("--statistics", action="store_true", help="count by rule, and no more")
    parser.add_argument(
        "--no-tools", action="store_true", help="ask no installed tool for its options"
    )
    parser.add_argument("--settings", type=Path, metavar="FILE", help="another pyproject.toml")
    parser.add_argument("--rules", action="store_true", help="list the rules")
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    settings = _read_settings(options.settings)
    ignored = set(settings.ignore)
    for word in ",".join(options.ignore).split(",") if options.ignore else []:
        rule = named(word.strip())
        if rule is None:
            raise SettingsError(f"--ignore {word}: there is no such rule (see --rules)")
        ignored.add(rule.id)
    return replace(
        settings,
        ignore=frozenset(ignored),
        fail_on=options.fail_on or settings.fail_on,
        ask_tools=settings.ask_tools and not options.no_tools,
    )


def _read_settings(file: Path | None) -> Settings:
    if file is None:
        return settings_.find(Path.cwd())
    found = settings_.read(file)
    if found is None:
        raise SettingsError(f"{file} has no [tool.drillbook.check]")
    return found


def _paths(named_: Sequence[Path], settings: Settings) -> list[Path]:
    """The files to check. Raises SettingsError where one is missing, or there is none."""
    found: dict[Path, None] = {}
    for path in named_ or list(_by_default(settings)):
        if path.is_dir():
            found.update(dict.fromkeys(_below(path, settings)))
        elif path.exists() or named_:
            found[path] = None
    missing = [str(path) for path in found if not path.exists()]
    if missing:
        raise SettingsError(f"there is no file {', '.join(missing)}")
    if not found:
        raise SettingsError("no file to check: name one")
    return list(found)


def _by_default(settings: Settings) -> Iterable[Path]:
    patterns = settings.files or DEFAULT_FILES
    found = sorted({one for pattern in patterns for one in settings.folder.glob(pattern)})
    return (_shown(one) for one in found if not settings.excludes(one))


def _below(folder: Path, settings: Settings) -> Iterator[Path]:
    for above, folders, names in os.walk(folder):
        here = Path(above)
        folders[:] = sorted(
            one for one in folders if one not in _SKIPPED and not settings.excludes(here / one)
        )
        for name in sorted(names):
            if name.endswith((".md", ".markdown")) and not settings.excludes(here / name):
                yield here / name


def _shown(path: Path) -> Path:
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path


def _fails(findings: Sequence[Finding], fail_on: Severity) -> bool:
    least = SEVERITIES.index(fail_on)
    return any(SEVERITIES.index(finding.severity) >= least for finding in findings)


if __name__ == "__main__":
    run()
