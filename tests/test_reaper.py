"""Taking down what a run left, and nothing else: containers that never run stand for a stack."""

from __future__ import annotations

import io
import os
import secrets
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest
from docker.errors import NotFound
from docker.models.containers import Container

from drillbook import reaper
from drillbook.looking import until
from drillbook.platforms import NotOurs
from fixtures.shop import Shop

ROOT = Path(__file__).parents[1]
GONE_S = 30.0


def sleeping(**environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "300"], env={**os.environ, **environment})


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    process = sleeping()
    yield process
    process.kill()
    process.wait()


# --- whose it is -------------------------------------------------------------------------------
def test_this_process_is_alive() -> None:
    assert reaper.alive(reaper.owner())


def test_a_killed_process_is_not_alive(process: subprocess.Popen[bytes]) -> None:
    name = reaper.owner(process.pid)
    assert reaper.alive(name)
    process.kill()
    process.wait()
    assert not reaper.alive(name)


def test_a_zombie_is_not_alive(process: subprocess.Popen[bytes]) -> None:
    """A run that was killed, and whose parent has not asked for its status yet."""
    name = reaper.owner(process.pid)
    process.kill()
    until_false(lambda: reaper.alive(name))


def until_false(condition: Callable[[], bool]) -> None:
    def look() -> str:
        assert not condition()
        return "no longer"

    until(look, 5.0)


def test_a_later_process_with_the_same_number_is_another(
    process: subprocess.Popen[bytes],
) -> None:
    pid, started, where = reaper.owner(process.pid).split(".", 2)
    assert not reaper.alive(f"{pid}.{int(started) - 1}.{where}")


def test_a_process_of_another_container_is_not_ours_to_judge() -> None:
    """Two CI jobs in containers of their own, on one engine: same numbers, other processes."""
    pid, started, where = reaper.owner().split(".", 2)
    assert reaper.alive(f"{pid}.{int(started) - 1}.other-{where}")


@pytest.mark.parametrize("name", ["", "x.1", "12", "12.", "999999999.1", "-1.5", "."])
def test_what_names_no_process_is_not_alive(name: str) -> None:
    assert not reaper.alive(name)


# --- what it may touch -------------------------------------------------------------------------
@pytest.mark.parametrize("project", ["shop", "", "drillboo", "my-drillbook-1"])
def test_a_project_that_is_none_of_ours_is_refused(project: str) -> None:
    with pytest.raises(ValueError, match="not started by a run of drills"):
        reaper.remove(project)


def test_what_a_run_started_is_ended_and_nothing_else(process: subprocess.Popen[bytes]) -> None:
    project = f"drillbook-0-{secrets.token_hex(4)}"
    ours = sleeping(COMPOSE_PROJECT_NAME=project, DRILLBOOK_OWNER="1.1")
    # somebody who looks at a kept stack from a shell of their own
    theirs = sleeping(COMPOSE_PROJECT_NAME=project)
    try:
        until_false(lambda: "sleep" not in Path(f"/proc/{ours.pid}/cmdline").read_text())
        assert reaper.end_processes(project) == [ours.pid]
        assert ours.wait(timeout=5) == -signal.SIGKILL
        assert theirs.poll() is None
        assert process.poll() is None
    finally:
        for one in (ours, theirs):
            one.kill()
            one.wait()


# --- with an engine ----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """An empty image: nothing of it runs."""
    name = f"drillbook-tests-{secrets.token_hex(4)}"
    client = docker.from_env()
    archive = io.BytesIO()
    tarfile.open(fileobj=archive, mode="w").close()
    client.api.import_image_from_data(archive.getvalue(), repository=name, tag="empty")
    yield f"{name}:empty"
    client.images.remove(f"{name}:empty")
    client.close()


class Leftover:
    """A container, a network and a volume, labelled as Compose labels a project's."""

    def __init__(self, image: str, project: str, owner: str | None) -> None:
        self.project = project
        client = docker.from_env()
        self.labels = {reaper.PROJECT_LABEL: project}
        if owner is not None:
            self.labels[reaper.OWNER_LABEL] = owner
        self.network = client.networks.create(f"{project}_net", labels=self.labels)
        self.volume = client.volumes.create(f"{project}_vol", labels=self.labels)
        self.container: Container = client.containers.create(
            image,
            ["sleep"],
            name=f"{project}-db-1",
            labels=self.labels,
            network=self.network.name,
        )

    def there(self) -> list[str]:
        found: list[str] = []
        for one in (self.container, self.network, self.volume):
            with suppress(NotFound):
                one.reload()
                found.append(str(one.name))
        return found

    def discard(self) -> None:
        for discard in (self.container.remove, self.network.remove, self.volume.remove):
            with suppress(NotFound):
                discard()


@pytest.fixture
def leave(image: str) -> Iterator[Leave]:
    leave = Leave(image)
    yield leave
    for one in leave.left:
        one.discard()


class Leave:
    """Leaves things behind, and in the end clears up itself."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.left: list[Leftover] = []

    def __call__(self, *, pid: int, owner: str | None, prefix: str = "drillbook") -> Leftover:
        one = Leftover(self.image, f"{prefix}-{pid}-{secrets.token_hex(4)}", owner)
        self.left.append(one)
        return one


@pytest.fixture
def dead(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """A process that is no more: its number, and its name."""
    name = reaper.owner(process.pid)
    process.kill()
    process.wait()
    return process.pid, name


@pytest.mark.stack
def test_the_next_run_removes_what_a_dead_one_left(leave: Leave, dead: tuple[int, str]) -> None:
    pid, owner = dead
    theirs = leave(pid=pid, owner=owner)
    assert set(theirs.there()) <= set(reaper.sweep())
    assert theirs.there() == []


@pytest.mark.stack
def test_a_run_that_lives_is_not_swept(leave: Leave) -> None:
    """A second run at the same time, on other ports."""
    living = leave(pid=os.getpid(), owner=reaper.owner())
    unlabelled = leave(pid=os.getpid(), owner=None)  # its containers are yet to come
    removed = reaper.sweep()
    assert not set(removed) & {*living.there(), *unlabelled.there()}
    assert len(living.there()) == len(unlabelled.there()) == 3


@pytest.mark.stack
def test_a_run_in_another_container_is_not_swept(leave: Leave, dead: tuple[int, str]) -> None:
    pid, owner = dead
    elsewhere = leave(pid=pid, owner=f"{owner}-elsewhere")
    assert not set(reaper.sweep()) & set(elsewhere.there())


@pytest.mark.stack
def test_what_is_not_labelled_as_ours_is_never_swept(leave: Leave, dead: tuple[int, str]) -> None:
    pid, owner = dead
    shop = leave(pid=pid, owner=owner, prefix="shop")
    reaper.sweep()
    assert len(shop.there()) == 3


@pytest.mark.stack
def test_a_volume_alone_is_found_too(leave: Leave, dead: tuple[int, str]) -> None:
    """The run was killed while it took its stack down."""
    pid, owner = dead
    theirs = leave(pid=pid, owner=owner)
    theirs.container.remove()
    theirs.network.remove()
    assert theirs.volume.name in reaper.sweep()
    assert theirs.there() == []


@pytest.mark.stack
def test_two_who_sweep_at_once_do_not_mind_each_other(leave: Leave, dead: tuple[int, str]) -> None:
    pid, owner = dead
    theirs = leave(pid=pid, owner=owner)
    command = [sys.executable, "-c", "from drillbook import reaper; reaper.sweep()"]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    said = [one.communicate(timeout=60)[1].decode() for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert theirs.there() == []


@pytest.mark.stack
def test_a_container_of_somebody_else_cannot_be_harmed(leave: Leave) -> None:
    stack = Shop({})
    shop = leave(pid=1, owner=None, prefix="shop")
    other_run = leave(pid=os.getpid(), owner=reaper.owner())
    for one in (shop, other_run):
        one.container.reload()
        with pytest.raises(NotOurs, match="left alone"):
            stack.require_ours(one.container)
    mine = Leftover(leave.image, stack.project, None)
    leave.left.append(mine)
    mine.container.reload()
    assert stack.require_ours(mine.container) is mine.container
    stack.docker.close()


# --- the watch ---------------------------------------------------------------------------------
def started_watch(project: str) -> subprocess.Popen[str]:
    """A run, as far as a watch is concerned: it starts one, says so, and lives on."""
    script = (
        "import sys, time; from drillbook import reaper; "
        "watch = reaper.watch(sys.argv[1]); print(watch.process.pid, flush=True); time.sleep(300)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script, project], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def nothing_of(leftover: Leftover) -> str:
    there = leftover.there()
    assert not there, f"still there: {there}"
    return "nothing is left"


@pytest.mark.stack
def test_the_watch_removes_what_a_killed_run_left(leave: Leave) -> None:
    left = leave(pid=os.getpid(), owner=reaper.owner())
    with started_watch(left.project) as run:
        assert run.stdout is not None
        watch_pid = int(run.stdout.readline())
        run.kill()
        run.wait()
        until(lambda: nothing_of(left), GONE_S, every_s=0.2)
        until_gone(watch_pid)


def until_gone(pid: int) -> None:
    """Until a process has ended; whoever started it may not have asked for its status yet."""
    until_false(lambda: bool(reaper.owner(pid).split(".")[1]))


@pytest.mark.stack
def test_the_watch_ends_a_compose_that_would_go_on(leave: Leave) -> None:
    """Killed during `docker compose up`: what that still creates is removed as well."""
    left = leave(pid=os.getpid(), owner=reaper.owner())
    orphan = sleeping(COMPOSE_PROJECT_NAME=left.project, DRILLBOOK_OWNER=reaper.owner())
    with started_watch(left.project) as run:
        assert run.stdout is not None
        run.stdout.readline()
        run.kill()
        run.wait()
        assert orphan.wait(timeout=GONE_S) == -signal.SIGKILL
        until(lambda: nothing_of(left), GONE_S, every_s=0.2)


@pytest.mark.stack
def test_a_dismissed_watch_leaves_everything(leave: Leave) -> None:
    left = leave(pid=os.getpid(), owner=reaper.owner())
    reaper.watch(left.project).dismiss()
    assert len(left.there()) == 3


def test_a_watch_that_was_killed_can_still_be_dismissed() -> None:
    watch = reaper.watch("drillbook-0-none")
    watch.process.kill()
    watch.process.wait()
    began_s = time.monotonic()
    watch.dismiss()
    assert time.monotonic() - began_s < 5
