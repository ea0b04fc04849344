"""The project's documents: their links lead somewhere, and what they show is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from drillbook.runbook import load

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "fixtures/pipeline/README.md",
    "fixtures/stand_ins/README.md",
    "loadtests/README.md",
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
EXAMPLE = re.compile(r"This is `scenarios/(test_\w+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
TYPED = re.compile(r'drill\.step\((\d), compose\((?:"([^"]+)"|(\w+))')


def text_of(document: str) -> str:
    return (ROOT / document).read_text()


def anchors(markdown: str) -> set[str]:
    """As hosts make them of headings."""
    headings = re.findall(r"^#+ +(.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).strip().replace(" ", "-") for one in headings}


def example() -> tuple[str, str]:
    found = EXAMPLE.search(text_of("CONTRIBUTING.md"))
    assert found is not None, "CONTRIBUTING.md shows no scenario"
    return found[1], found[2]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for target, anchor in LINK.findall(text_of(document)):
        path = (ROOT / document).parent / target if target else ROOT / document
        assert path.exists(), f"{document} links to {target}"
        if anchor:
            assert anchor in anchors(path.read_text()), f"{document} links to {target}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_figures_are_filled_in(document: str) -> None:
    assert not re.findall(r"@[A-Z]+@|TODO|TBD", text_of(document))


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_environments_and_modules_exist(document: str) -> None:
    tox = text_of("tox.ini")
    for environment in re.findall(r"tox -e (\w+)", text_of(document)):
        assert f"[testenv:{environment}]" in tox, f"{document}: no environment {environment}"
    for module in re.findall(r"tox -e benchmarks -- (\w+)", text_of(document)):
        there = ROOT / "benchmarks" / module
        assert there.is_dir() or there.with_suffix(".py").exists(), f"{document}: {module}"


def test_every_job_of_the_usage_is_in_the_readme() -> None:
    usage = subprocess.run(["./run", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    jobs = re.findall(r"^  (\w+) ", usage.stdout, re.MULTILINE)
    assert "drills" in jobs
    for job in set(jobs) - {"load"}:  # its own document speaks of it
        assert f"./run {job}" in text_of("README.md"), f"README.md does not speak of ./run {job}"


def test_the_example_types_what_the_runbook_has() -> None:
    runbook = load(ROOT / "runbook.md")
    code = example()[1]
    typed = TYPED.findall(code)
    assert typed
    for number, words, name in typed:
        command = words or re.findall(rf'^{name} = "(.+)"$', code, re.MULTILINE)[0]
        assert command in runbook.entry("4.3").steps[int(number) - 1].commands


@pytest.mark.stack
def test_the_example_is_a_drill_that_passes(tmp_path: Path) -> None:
    name, code = example()
    (tmp_path / name).write_text(code)
    run = tmp_path / "run"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "--rootdir", "."),
            *("-p", "conftest", str(tmp_path / name), "--run-dir", str(run)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = json.loads((run / "verdicts.json").read_text())["lines"]
    # all of them passed over, and none proven before somebody has read it: the guide's last step
    assert "proven" not in {one["verdict"] for one in lines}
    assert [one["name"] for one in lines if "nobody has read it" in one["why"]] == [
        *("4.3 symptom 1", "4.3 symptom 2", "4.3 cause 3", "4.3 step 1", "4.3 step 3"),
    ]
