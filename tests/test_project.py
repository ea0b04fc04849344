"""What holds the project's own files together."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
ROOMS = {"drillbook", "fixtures", "scenarios", "reports", "probes", "loadtests", "tests"}


def declared() -> Iterator[str]:
    """The packages that the project, and the system under test, say they need."""
    for file in ("pyproject.toml", "service/backend/pyproject.toml"):
        content = tomllib.loads((ROOT / file).read_text())
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
