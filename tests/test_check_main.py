"""`./run check` as its users meet it: files, formats, statuses, settings."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from drillbook.runbook.check import RULES
from drillbook.runbook.check.__main__ import main
from drillbook.runbook.check.settings import SettingsError, read

ROOT = Path(__file__).parents[1]
BOOK = """\
## A

**Symptoms:**

- slow, 100 % of "it"

**Resolution:**

1. `docker-compose ps -a`
2. `docker stats`
3. Type `frobctl x --y`.
"""
LINES = [(9, "RB301"), (10, "RB303"), (11, "RB016")]


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.drillbook.check]\nask-tools = false\n")
    path = tmp_path / "runbook.md"
    path.write_text(BOOK)
    return path


def test_a_line_a_finding(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "runbook.md:9: error RB301 compose-v1: `docker-compose` is version 1 of Compose, which is "
        "gone. Write `docker compose ps`."
    )
    assert lines[-1] == "1 file checked: 1 error, 1 warning, 1 hint"
    assert len(lines) == 4
    assert book.read_text() == BOOK


@pytest.mark.parametrize(
    ("fail_on", "ignored", "status"),
    [
        ("error", "", 1),
        ("error", "RB301", 0),
        ("warning", "compose-v1", 1),
        ("warning", "RB301,RB303", 0),
        ("info", "RB301,RB303", 1),
        ("info", "RB301,RB303,RB016", 0),
    ],
)
def test_the_status_is_1_from_a_chosen_severity(
    book: Path, fail_on: str, ignored: str, status: int
) -> None:
    assert main([str(book), "--fail-on", fail_on, *(["--ignore", ignored] if ignored else [])]) == (
        status
    )


def test_json(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(book), "--format", "json"])
    rows = json.loads(capsys.readouterr().out)
    assert [(row["line"], row["rule"]) for row in rows] == LINES
    assert {key for row in rows for key in row} == {
        "path", "line", "rule", "name", "severity", "reason", "write",
    }  # fmt: skip


def test_sarif(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["runbook.md", "--format", "sarif"])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["version"] == "2.1.0"
    (run,) = report["runs"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    found = [
        (place["region"]["startLine"], result["ruleId"])
        for place, result in zip(places, run["results"], strict=True)
    ]
    assert found == LINES
    assert {place["artifactLocation"]["uri"] for place in places} == {"runbook.md"}
    known = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert known == {rule for _, rule in LINES}
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note"]


def test_junit(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (book.parent / "README.md").write_text("# Fine\n")
    main(["runbook.md", "README.md", "--format", "junit"])
    root = ET.fromstring(capsys.readouterr().out)  # noqa: S314 - ours
    suites = {suite.get("name"): suite for suite in root}
    assert suites["README.md"].get("failures") == "0"
    assert len(suites["README.md"]) == 1
    cases = suites["runbook.md"].findall("testcase")
    assert [int(case.get("line") or 0) for case in cases] == [line for line, _ in LINES]
    assert all(case.find("failure") is not None for case in cases)


def test_annotations_of_a_workflow(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book.write_text(BOOK.replace("docker-compose ps", "docker-compose ps '%h, a:b"))
    main(["runbook.md", "--format", "github"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("::error file=runbook.md,line=9,title=RB301 compose-v1::")
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines[:-1])


def test_statistics(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book.write_text(BOOK + "4. `docker-compose ps -a`\n")
    assert main(["runbook.md", "--statistics"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["2", "RB301", "compose-v1"]
    assert lines[-1] == "1 file checked: 2 errors, 1 warning, 1 hint"


def test_the_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rules"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(RULES)


def test_a_folder_is_all_its_markdown(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("docs/a.md", "docs/deep/b.md", "docs/c.txt", "docs/node_modules/d.md"):
        (book.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (book.parent / name).write_text("# x\n")
    assert main(["docs"]) == 0
    assert capsys.readouterr().out == "2 files checked: nothing to say\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.md"], "there is no file missing.md"),
        (["--ignore", "RB999"], "there is no such rule"),
        (["--format", "html"], "invalid choice"),
        (["--no-such"], "unrecognized arguments"),
    ],
)
def test_wrong_use_has_status_4(
    book: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    del book
    try:
        status = main(arguments)
    except SystemExit as stopped:
        status = int(str(stopped.code))
    assert status == 4
    assert said in capsys.readouterr().err


def test_nothing_to_check_is_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 4


def test_settings(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (book.parent / "pyproject.toml").write_text(
        """\
[tool.drillbook.check]
files = ["docs/*.md", "runbook.md"]
exclude = ["docs/old.md"]
ignore = ["unread-code"]
fail-on = "error"
stale-days = 3
ask-tools = false
[tool.drillbook.check.per-file-ignores]
"run*.md" = ["RB303"]
[tool.drillbook.check.severity]
compose-v1 = "info"
[tool.drillbook.check.labels]
cause = ["why on earth"]
"""
    )
    (book.parent / "docs").mkdir()
    for name in ("old", "new"):
        (book.parent / "docs" / f"{name}.md").write_text(
            "## X\n**Why on earth?**\n- a\n\n**Fix:** b\n"
        )
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("runbook.md:9: info RB301")
    assert lines[1:] == ["2 files checked: 1 hint"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ignore = ['RB999']", "ignore names 'RB999', which is no rule"),
        ("ignore = 'RB301'", "ignore must be list, not str"),
        ("colour = true", "colour is no setting"),
        ("fail-on = 'never'", "fail-on must be one of info, warning, error"),
        ("stale-days = 'x'", "stale-days must be int"),
        ("labels = {sympton = ['x']}", "'sympton' is no part"),
        ("ignore = [", "pyproject.toml"),
    ],
)
def test_wrong_settings_are_told_by_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(f"[tool.drillbook.check]\n{text}\n")
    with pytest.raises(SettingsError, match=said):
        read(file)


def test_this_project_reads_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "drillbook.runbook.check", "--fail-on", "info", "--no-tools"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[:-1]) == (0, [])


def test_checking_imports_nothing_that_drills_need() -> None:
    program = (
        "import sys, drillbook.runbook.check.__main__\n"
        "heavy = {'docker', 'httpx', 'pexpect', 'playwright', 'psycopg', 'pytest', 'testcontainers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_hook_names_what_there_is() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] == "drillbook-check"
    assert hook["types"] == ["markdown"]
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert f'{hook["entry"]} = "drillbook.runbook.check.__main__:' in pyproject


def test_a_thousand_lines_of_findings_do_not_hang(book: Path) -> None:
    book.write_text(BOOK + "".join(f"{at}. `docker-compose ps x{at}`\n" for at in range(4, 1004)))
    began_s = time.process_time()
    assert main(["runbook.md", "--format", "json"]) == 1
    assert time.process_time() - began_s < 10
