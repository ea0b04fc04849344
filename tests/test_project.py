"""What holds the project's own files together."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from drillbook.runbook.commands import EXECUTABLES
from fixtures.shop import DATABASE, SYSTEM

ROOT = Path(__file__).parent.parent
ROOMS = {"drillbook", "fixtures", "scenarios", "reports", "probes", "loadtests", "tests"}


def declared() -> Iterator[str]:
    """The packages that the project, and the system under test, say they need.

    But for those that only the shop's own pipeline installs, from its own lock.
    """
    for file in ("pyproject.toml", "service/backend/pyproject.toml"):
        content = tomllib.loads((ROOT / file).read_text())
        content["dependency-groups"].pop("security", None)
        groups = [content["project"]["dependencies"], *content["dependency-groups"].values()]
        for line in (line for group in groups for line in group):
            if isinstance(line, str):
                yield re.split(r"[\[<>=! ]", line)[0].lower()


def test_every_package_is_locked_with_its_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    for name in declared():
        assert re.search(rf"^{re.escape(name)}==\S+.* \\\n +--hash=sha256:", lock, re.MULTILINE), (
            f"{name} is not in requirements.lock: tox -e lock"
        )


def test_the_lock_names_no_address() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert not [line for line in lines if "://" in line or line.startswith("--")]


def python_files(folder: Path) -> Iterator[Path]:
    """The Python files in a folder, leaving out environments and caches."""
    for parent, children, names in os.walk(folder):
        children[:] = sorted(name for name in children if not name.startswith((".", "__")))
        yield from (Path(parent, name) for name in sorted(names) if name.endswith(".py"))


def test_the_system_under_test_uses_nothing_of_the_suite() -> None:
    for file in python_files(ROOT / "service"):
        # the backend has tests of its own, which are not the suite's
        suite = ROOMS - ({"tests"} if "backend" in file.parts else set())
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & suite, file


def test_hosted_ci_runs_what_ci_runs() -> None:
    ours = re.findall(r"^\./run .*$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    assert ours == ["./run tests", "./run drills --alerts"]
    assert [step for step in steps if step.startswith("./run")] == ours


# --- the engine and those who read its journal -------------------------------------------------
# What a room that only reads may see of the engine; anything else is refused, new modules too.
READERS = {
    "reports": {
        "drillbook.runbook",
        "drillbook.journal",
        "drillbook.paths",
        "drillbook.machine.environment.plain_output",
    },
}


def imported(file: Path) -> set[str]:
    """The modules that a file names in its imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize(("room", "allowed"), READERS.items())
def test_a_room_that_only_reads_sees_what_it_may(room: str, allowed: set[str]) -> None:
    for file in python_files(ROOT / room):
        for name in imported(file):
            if name.partition(".")[0] not in ROOMS or name.startswith(f"{room}."):
                continue
            assert any(f"{name}.".startswith(f"{one}.") for one in allowed), f"{file}: {name}"


def shop_words() -> set[str]:
    """What only the shop has: its services, ports, paths, tables, variables."""
    words = {*SYSTEM.services, *SYSTEM.secrets, *SYSTEM.tags, *SYSTEM.settings, SYSTEM.name}
    words |= {str(entrance.port) for entrance in SYSTEM.entrances.values() if entrance.port > 999}
    words |= {entrance.variable for entrance in SYSTEM.entrances.values()}
    words |= {str(link.port) for link in SYSTEM.links} | {link.network for link in SYSTEM.links}
    words |= {DATABASE, "orders", "/orders", "/items", "CORS_ORIGINS", "GUNICORN_WORKERS"}
    # a tool of that name, and a word that means something else as well
    return words - EXECUTABLES - {"data", "edge"}


def words_of(file: Path) -> Iterator[tuple[int, str]]:
    """The strings and names of a file's code, with their lines; what it says in prose is left."""
    tree = ast.parse(file.read_text())
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in prose:
            yield from ((node.lineno, word) for word in re.findall(r"[/\w]+", str(node.value)))
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id


def test_the_engine_has_none_of_the_shops_words() -> None:
    words = shop_words()
    assert {"payments", "backend", "db", "8000", "POSTGRES_PASSWORD"} <= words
    strange = [
        f"{file.relative_to(ROOT)}:{line}: {word}"
        for file in python_files(ROOT / "drillbook")
        for line, word in words_of(file)
        if word in words
    ]
    assert not strange, "\n".join(strange)
