"""Prometheus' and Alertmanager's own tools read what watches the shop, and test its alerts.

They come from PATH where they are there, and else from the images that the drills run on.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from drillbook.machine import images
from drillbook.panels import panels
from fixtures.images import ALERTMANAGER, PROMETHEUS
from fixtures.monitoring import FILES, hurried

pytestmark = pytest.mark.stack
DEADLINE_S = 120
Tool = Callable[..., str]


def tool(name: str, kind: images.Kind, folder: Path) -> Tool:
    """Make a tool that runs in a folder: from PATH, or within an image."""
    if shutil.which(name):
        before = [name]
    else:
        [image] = images.choose([kind], print)
        before = ["docker", "run", "--rm", "--network", "none", "--volume", f"{folder}:/files:ro"]
        before += ["--workdir", "/files", "--entrypoint", name, image.reference]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*before, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{name} {' '.join(arguments)}: {said}"
        return said

    return run


@pytest.fixture(params=["as in production", "hurried, as in drills"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The monitoring's files, in both forms that they are used in."""
    folder = tmp_path / "monitoring"
    shutil.copytree(FILES, folder)
    for path in (tmp_path, folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # read as another user in the image
    if request.param != "as in production":
        for path in (*folder.glob("*.yml"), *folder.glob("rules/*.yml")):
            path.write_text(hurried(path.read_text()))
    return folder


def test_prometheus_accepts_its_configuration_and_rules(files: Path) -> None:
    promtool = tool("promtool", PROMETHEUS, files)
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")
    assert "17 rules found" in promtool("check", "rules", "rules/alerts.yml")


def test_alertmanager_accepts_its_configuration(files: Path) -> None:
    assert "SUCCESS" in tool("amtool", ALERTMANAGER, files)("check-config", "alertmanager.yml")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The monitoring's files as in production, to be changed."""
    folder = tmp_path / "monitoring"
    shutil.copytree(FILES, folder)
    for path in (tmp_path, folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def test_the_alerts_pass_their_unit_tests(copy: Path) -> None:
    assert "SUCCESS" in tool("promtool", PROMETHEUS, copy)("test", "rules", TESTS)


def test_a_rule_that_is_wrong_fails_them(copy: Path) -> None:
    path = copy / "rules" / "alerts.yml"
    path.write_text(path.read_text().replace("pg_up == 0", "pg_up == 1"))
    with pytest.raises(AssertionError, match="DatabaseDown"):
        tool("promtool", PROMETHEUS, copy)("test", "rules", TESTS)


def test_every_query_of_every_dashboard_is_promql(copy: Path) -> None:
    found = panels(copy / "grafana" / "dashboards", "1m")
    recorded = [
        {"record": f"panel:{number}", "expr": panel.query} for number, panel in enumerate(found)
    ]
    path = copy / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    promtool = tool("promtool", PROMETHEUS, copy)
    assert f"{len(found)} rules found" in promtool("check", "rules", "panels.yml")


def test_a_query_that_is_none_is_told(copy: Path) -> None:
    path = copy / "panels.yml"
    path.write_text("groups: [{name: x, rules: [{record: x, expr: 'rate(up['}]}]")
    with pytest.raises(AssertionError, match="parse"):
        tool("promtool", PROMETHEUS, copy)("check", "rules", "panels.yml")


TESTS = "tests/alerts_test.yml"
