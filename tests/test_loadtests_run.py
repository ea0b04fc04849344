"""Load runs from end to end: Locust for real, on a shop of a few lines."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drillbook.looking import until
from loadtests import stream
from loadtests.generator import Generator, GeneratorError, Plan
from loadtests.results import assemble
from loadtests.stream import Started, WorkerLost
from tests.fake_shop import FakeShop, open_shop

ROOT = Path(__file__).resolve().parent.parent
STARTS_WITHIN_S = 60.0
LENIENT = "[all]\nminimum_share = 0.8\nerror_share = 0.01\np99_ms = 5000\n"


@pytest.fixture
def shop() -> Iterator[FakeShop]:
    with open_shop() as one:
        yield one


@pytest.fixture
def lenient(tmp_path: Path) -> Path:
    """Objectives that a machine which does much else can keep."""
    path = tmp_path / "objectives.toml"
    path.write_text(LENIENT)
    return path


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "loadtests", *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Kill a process, if it still runs, and close what there is of it."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(*arguments: str | Path) -> tuple[int, str]:
    process = start(*arguments)
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def begun(path: Path) -> Callable[[], str]:
    def look() -> str:
        file = path / stream.FILE_NAME
        rows = stream.read(file) if file.exists() else iter(())
        kinds = [type(row).__name__ for row in rows]
        assert "Counted" in kinds, f"nothing was counted yet: {kinds}"
        return "under load"

    return look


def descendants(pid: int) -> list[int]:
    """All processes below one, by Locust's own command line."""
    found = []
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            try:
                fields = one.joinpath("stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found += [int(one.name), *descendants(int(one.name))]
    return found


def gone(pids: list[int]) -> Callable[[], str]:
    def look() -> str:
        left = [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and _runs(pid)]
        assert not left, f"still there: {left}"
        return "all gone"

    return look


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_leaves_a_gate_a_page_and_results(
    shop: FakeShop, lenient: Path, tmp_path: Path
) -> None:
    into = tmp_path / "run"
    arguments = ("--duration", "7s", "--users", "4", "--objectives", lenient)
    status, said = run("--host", shop.url, *arguments, "--directory", into)
    assert status == 0, said
    assert "All 3 objectives held." in said
    with into.joinpath("endpoints.csv").open() as file:
        rows = {row["endpoint"]: row for row in csv.DictReader(file)}
    assert float(rows["all"]["asked_per_s"]) == pytest.approx(20)
    assert float(rows["all"]["served_per_s"]) == pytest.approx(20, rel=0.1)
    told = json.loads(into.joinpath("results.json").read_text())
    assert told["held"] is True
    suite = ET.parse(into / "junit.xml").getroot()[0]  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "0", "0")
    page = into.joinpath("load.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace(shop.url, "")
    # and the same from what it left
    again, said_again = run("--report", into, "--objectives", lenient)
    assert again == 0, said_again


@pytest.mark.slow
def test_a_missed_objective_is_named_and_exits_1(shop: FakeShop, tmp_path: Path) -> None:
    shop.status = 503
    into = tmp_path / "run"
    status, said = run("--host", shop.url, "--duration", "5s", "--users", "2", "--directory", into)
    assert status == 1, said
    assert "MISSED: all error_share: 100 %, promised at most 0.1 %" in said
    assert "HTTP 503 instead of 200" in into.joinpath("load.html").read_text()
    assert ET.parse(into / "junit.xml").getroot()[0].get("failures") != "0"  # noqa: S314


@pytest.mark.slow
def test_a_stall_is_felt_by_every_request_that_was_due_in_it(
    shop: FakeShop, tmp_path: Path
) -> None:
    """The open model: as many are asked for as before, and their wait counts from then."""
    plan = Plan(shop.url, tmp_path / "run", users=4, duration_s=8.0)
    generator = Generator(plan)
    try:
        generator.start()
        until(begun(plan.directory), STARTS_WITHIN_S)
        shop.delay_s = 1.0
        while generator.running:
            time.sleep(0.1)
    finally:
        generator.close()
    result = assemble(stream.read(plan.stream), 1, 0.0)
    whole = result.measured()["all"]
    assert whole.served == pytest.approx(whole.asked, rel=0.1)
    slow = [one for one in result.by_second("all") if (one.p_ms(50) or 0) > 900]
    assert slow
    assert all(one.answered == pytest.approx(20, abs=3) for one in slow)


@pytest.mark.slow
def test_nothing_outlives_a_run_that_is_killed(shop: FakeShop, tmp_path: Path) -> None:
    into = tmp_path / "run"
    arguments = ("--users", "2", "--processes", "2")
    with ended(start("--host", shop.url, *arguments, "--directory", into)) as process:
        until(begun(into), STARTS_WITHIN_S)
        below = descendants(process.pid)
        assert len(below) == 3, "a master and two workers"
    until(gone(below), 10.0)


@pytest.mark.slow
def test_sigterm_keeps_what_was_measured(shop: FakeShop, tmp_path: Path) -> None:
    into = tmp_path / "run"
    with ended(start("--host", shop.url, "--users", "2", "--directory", into)) as process:
        until(begun(into), STARTS_WITHIN_S)
        below = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=40)
    assert process.returncode == 2, said
    assert "Interrupted" in said
    assert into.joinpath("load.html").exists(), said
    assert stream.Ended in {type(row) for row in stream.read(into / stream.FILE_NAME)}
    until(gone(below), 5.0)


@pytest.mark.slow
def test_two_workers_add_up(shop: FakeShop, lenient: Path, tmp_path: Path) -> None:
    into = tmp_path / "run"
    arguments = ("--users", "6", "--processes", "2", "--duration", "8s", "--objectives", lenient)
    status, said = run("--host", shop.url, *arguments, "--directory", into)
    assert status == 0, said
    whole = json.loads(into.joinpath("results.json").read_text())["endpoints"]["all"]
    assert whole["asked_per_s"] == pytest.approx(30)
    assert whole["served_per_s"] == pytest.approx(30, rel=0.1)
    rows = stream.read(into / stream.FILE_NAME)
    told = {row.who for row in rows if isinstance(row, stream.Used)}
    assert len(told - {"master"}) == 2


@pytest.mark.slow
def test_a_worker_lost_in_mid_run_is_told_and_exits_1(
    shop: FakeShop, lenient: Path, tmp_path: Path
) -> None:
    into = tmp_path / "run"
    arguments = ("--users", "6", "--processes", "2", "--duration", "14s", "--objectives", lenient)
    with ended(start("--host", shop.url, *arguments, "--directory", into)) as process:
        said = lose_a_worker(process, into)
    assert process.returncode == 1, said
    assert "LOST: worker" in said
    assert any(isinstance(row, WorkerLost) for row in stream.read(into / stream.FILE_NAME))
    suite = ET.parse(into / "junit.xml").getroot()[0]  # noqa: S314 - our own
    assert suite.get("errors") == "1"


def lose_a_worker(process: subprocess.Popen[str], into: Path) -> str:
    until(begun(into), STARTS_WITHIN_S)
    (master,) = _children(process.pid)
    os.kill(_children(master)[0], signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    return said


def _children(pid: int) -> list[int]:
    return [one for one in descendants(pid) if _parent(one) == pid]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_what_is_no_shop_is_refused(tmp_path: Path) -> None:
    generator = Generator(Plan("http://127.0.0.1:1", tmp_path / "run", users=1))
    try:
        generator.start()
        generator.await_row(stream.Ended, STARTS_WITHIN_S)
        while generator.running:
            time.sleep(0.1)
        with pytest.raises(GeneratorError, match="catalogue cannot be learnt"):
            generator.require_well()
    finally:
        generator.close()


def test_a_folder_that_holds_a_run_is_not_written_to_again(tmp_path: Path) -> None:
    into = tmp_path / "run"
    into.mkdir()
    into.joinpath(stream.FILE_NAME).touch()
    with pytest.raises(GeneratorError, match="holds a run already"):
        Generator(Plan("http://127.0.0.1:1", into)).start()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "http://192.0.2.1"), "is not this machine"),
        (("--host", "ftp://127.0.0.1"), "no http:// or https:// address"),
        (("--host", "http://127.0.0.1/items"), "without a path"),
        (("--host", "http://127.0.0.1:99999"), "--host"),
        (("--duration", "soon"), "no duration"),
        (("--users", "0"), "no whole number"),
        (("--pace", "0"), "needs --closed"),
        (("sideways",), "invalid choice"),
        (("knee", "--baseline", "HEAD"), "--baseline"),
        (("--objectives", "none.toml", "--host", "127.0.0.1"), "none.toml"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: tuple[str, ...], said: str) -> None:
    status, told = run(*arguments)
    assert status == 4, told
    assert said in told


def test_the_generator_says_what_it_was_asked(shop: FakeShop, tmp_path: Path) -> None:
    generator = Generator(Plan(shop.url, tmp_path / "run", users=2, duration_s=2.0, only="item"))
    try:
        generator.start()
        row = generator.await_row(Started, STARTS_WITHIN_S)
        assert isinstance(row, Started)
        assert row.shares == {"item": 1.0}
        while generator.running:
            time.sleep(0.1)
        generator.require_well()
    finally:
        generator.close()
    assert set(shop.asked) <= {"GET /items", "GET /items/"}
