"""The files for people's own schedulers: parsed by their tools, and what they start is valid."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from probes.arguments import parse
from tests.probe_target import FakeTarget, open_target

ROOT = Path(__file__).parents[1]
FILES = ROOT / "probes" / "schedules"
UNITS = sorted(one.name for one in FILES.glob("*.service"))


@pytest.fixture
def target() -> Iterator[FakeTarget]:
    with open_target() as opened:
        yield opened


def unit(name: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.read_string((FILES / name).read_text())
    return parser


def read(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text())


# --- systemd -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_what_there_is(name: str) -> None:
    program, job, *arguments = shlex.split(unit(name)["Service"]["ExecStart"])
    assert program.endswith("/run")
    assert job == "probes"
    options = parse(arguments)
    assert (options.every_s is None) == ("once" in name)
    assert str(options.history).startswith("/var/lib/drillbook/"), "its StateDirectory"


def test_the_timer_starts_the_look_that_ends() -> None:
    timer = "drillbook-probes-once.timer"
    assert unit(timer)["Timer"]["OnUnitActiveSec"] == "1min"
    service = unit(timer.replace(".timer", ".service"))
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["SuccessExitStatus"] == "1"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
@pytest.mark.parametrize("name", [*UNITS, "drillbook-probes-once.timer"])
def test_systemd_itself_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    for file in FILES.glob("drillbook-*"):
        text = file.read_text().replace("/opt/drillbook/run", str(ROOT / "run"))
        (tmp_path / file.name).write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        check=False,
    )
    ours = [line for line in checked.stderr.splitlines() if "drillbook" in line]
    assert not ours, checked.stderr


# --- GitHub --------------------------------------------------------------------------------------
def test_the_workflow_looks_once_and_its_command_is_run_as_it_stands(
    target: FakeTarget, tmp_path: Path
) -> None:
    workflow = read("github-workflow.yml")
    assert workflow[True]["schedule"][0]["cron"]  # YAML 1.1 reads `on` as true, GitHub does not
    steps = workflow["jobs"]["staging"]["steps"]
    [step] = [one for one in steps if "run" in one]
    program, job = shlex.split(step["run"])[:2]
    assert (program, job) == ("./run", "probes")
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "staging.toml").write_text(
        f'url = "{target.url}"\nallow_private = true\nentries = ["2.1", "4.2"]\n'
    )
    fake = tmp_path / "run"
    fake.write_text(f'#!/bin/sh\nshift\nPYTHONPATH={ROOT} exec {sys.executable} -m probes "$@"\n')
    fake.chmod(0o755)
    subprocess.run(["/bin/sh", "-ec", step["run"]], cwd=tmp_path, check=True, timeout=60)
    kept = next(one for one in steps if "upload-artifact" in str(one.get("uses")))
    for name in kept["with"]["path"].split():
        assert (tmp_path / name).exists(), "it is made by the step before"


def test_the_workflow_gives_each_secret_that_the_example_needs_for_its_own_origin() -> None:
    [step] = [
        one for one in read("github-workflow.yml")["jobs"]["staging"]["steps"] if "env" in one
    ]
    named = re.findall(r'env = "(\w+)"', (ROOT / "targets" / "staging.toml").read_text())
    assert set(step["env"]) <= set(named)


# --- Kubernetes and Compose ----------------------------------------------------------------------
def test_the_cron_job_forbids_looks_side_by_side_and_its_arguments_are_valid() -> None:
    job = read("kubernetes.yaml")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    [container] = pod["containers"]
    options = parse(container["args"])
    assert options.every_s is None
    assert options.history is None, "its file system is read-only"
    mounted = {one["mountPath"] for one in container["volumeMounts"]}
    assert {str(one) for one in options.targets} <= mounted


def test_the_compose_service_goes_on_and_its_arguments_are_valid() -> None:
    service = read("compose.yml")["services"]["probes"]
    options = parse(service["command"])
    assert options.every_s == 60
    targets = [one.split(":")[-2] for one in service["volumes"] if one.endswith(":ro")]
    assert [str(one) for one in options.targets] == targets
    assert str(options.history) == "/history/history.db"
    assert service["ports"] == [f"127.0.0.1:{options.listen[1]}:{options.listen[1]}"]


@pytest.mark.stack
def test_compose_itself_finds_nothing_wrong(engine: object) -> None:
    command = ["docker", "compose", "-f", str(FILES / "compose.yml"), "config", "--quiet"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_image_has_all_that_a_prober_imports() -> None:
    text = (FILES / "Dockerfile").read_text()
    copied = set(re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE))
    manifests, data = "pyproject.toml requirements.lock", "runbook.md runbook.lock"
    assert copied == {manifests, "drillbook", "probes", data}
