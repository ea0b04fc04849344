"""Master and workers as containers: they add up, and one that is lost is told of."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from drillbook import reaper
from drillbook.looking import until
from drillbook.machine import images
from fixtures.images import PYTHON
from loadtests import stream
from loadtests.session import reread
from loadtests.stream import Counted, Used, WorkerLost

pytestmark = pytest.mark.stack
ROOT = Path(__file__).resolve().parent.parent
COMPOSE_FILE = ROOT / "loadtests" / "docker-compose.yml"
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 120.0


@pytest.fixture(scope="module")
def image() -> str:
    """The generator's image, built on whatever Python image there is."""
    (python,) = images.choose([PYTHON], lambda _: None)
    bundle = os.environ.get("SSL_CERT_FILE", "")
    secret = ["--secret", f"id=ca_bundle,src={bundle}"] if bundle else []
    subprocess.run(
        [
            "docker", "build", "-q", "-f", "loadtests/Dockerfile", "-t", "drillbook/load:tests",
            "--build-arg", f"PYTHON_IMAGE={python.reference}", *secret, ".",
        ],
        cwd=ROOT, env={**os.environ, "DOCKER_BUILDKIT": "1"}, check=True, capture_output=True,
    )  # fmt: skip
    return python.reference


@pytest.fixture
def project(image: str) -> Iterator[str]:
    """A project of ours with a network and a shop on it; all gone at the end."""
    name = f"drillbook-{os.getpid()}-{secrets.token_hex(2)}"
    engine = docker.from_env()
    watch = reaper.watch(name)
    labels = {reaper.PROJECT_LABEL: name}
    network = engine.networks.create(f"{name}_shop", labels=labels)
    engine.containers.run(
        image,
        ["python", "-m", "tests.fake_shop"],
        detach=True,
        labels=labels,
        network=f"{name}_shop",
        hostname="shop",
        name=f"{name}-shop",
        working_dir="/srv",
        volumes=[f"{ROOT}:/srv:ro"],
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        yield name
    finally:
        reaper.remove(name)
        assert network.id
        watch.dismiss()


def compose(project: str, results: Path, *arguments: str, **settings: str) -> list[str]:
    os.environ.update(
        COMPOSE_PROJECT_NAME=project,
        TARGET=f"http://{project}-shop",
        TARGET_NETWORK=f"{project}_shop",
        RESULTS=str(results),
        RESULTS_USER="0:0",
        LOAD_TAG="tests",
        **settings,
    )
    return ["docker", "compose", "-f", str(COMPOSE_FILE), *arguments]


def workers(project: str) -> list[Container]:
    chosen = [f"{reaper.PROJECT_LABEL}={project}", "com.docker.compose.service=worker"]
    return docker.from_env().containers.list(filters={"label": chosen})


def under_load(results: Path) -> Callable[[], str]:
    def look() -> str:
        path = results / stream.FILE_NAME
        rows = list(stream.read(path)) if path.exists() else []
        assert any(isinstance(row, Counted) for row in rows), "nothing was counted yet"
        return "under load"

    return look


def test_two_workers_add_up(project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    command = compose(
        project, tmp_path, "up", "--exit-code-from", "master", CUSTOMERS="8", DURATION_S="8"
    )
    done = subprocess.run(
        command, env=os.environ, text=True, capture_output=True, timeout=ENDS_WITHIN_S, check=False
    )
    assert (tmp_path / stream.FILE_NAME).exists(), done.stdout + done.stderr
    result = reread(tmp_path)
    whole = result.measured()["all"]
    assert whole.asked_per_s == pytest.approx(40)
    assert whole.served_per_s == pytest.approx(40, rel=0.15)
    told = {row.who for row in stream.read(tmp_path / stream.FILE_NAME) if isinstance(row, Used)}
    assert len(told - {"master"}) == 2
    assert not result.losses


def test_a_worker_lost_in_mid_run_is_told(
    project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    command = compose(project, tmp_path, "up", "--detach", CUSTOMERS="4", DURATION_S="20")
    subprocess.run(command, env=os.environ, capture_output=True, check=True)
    until(under_load(tmp_path), STARTS_WITHIN_S)
    workers(project)[0].kill()

    def ended() -> str:
        kinds = {type(row) for row in stream.read(tmp_path / stream.FILE_NAME)}
        assert stream.Ended in kinds, "it has not ended yet"
        return "ended"

    until(ended, ENDS_WITHIN_S, every_s=0.5)
    rows = stream.read(tmp_path / stream.FILE_NAME)
    assert [row.left for row in rows if isinstance(row, WorkerLost)] == [1]
    gate = subprocess.run(
        [sys.executable, "-m", "loadtests", "--report", tmp_path],
        cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert gate.returncode == 1
    assert "LOST: worker" in gate.stdout
