"""`./run probes` as a person, a CI system and a scheduler use it; and what it never tells."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from prometheus_client.parser import text_string_to_metric_families

from probes.__main__ import main
from probes.redaction import Redaction
from tests.probe_target import FakeTarget, open_target, write

ROOT = Path(__file__).parents[1]
CANARY = "canary/7+f&\"x'=é".encode("ascii", "ignore").decode()


@pytest.fixture
def target() -> Iterator[FakeTarget]:
    with open_target() as opened:
        yield opened


def test_a_look_at_a_healthy_target_says_a_line_a_probe_and_exits_0(
    target: FakeTarget, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--target", str(write(tmp_path, target))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"fake  {target.url}"
    assert len(lines) == 14
    assert all(line.startswith("  ✓ ") for line in lines[1:])


def test_a_broken_target_exits_1_and_leads_to_its_entry(
    target: FakeTarget, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target.health = 503
    target.status = 500
    files = {name: tmp_path / "out" / name for name in ("junit", "json", "textfile")}
    arguments = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    assert main(["--target", str(write(tmp_path, target)), *arguments]) == 1
    out = capsys.readouterr().out
    assert "✗ 3.1  database" in out
    assert re.search(r"follow 3\.1 Database connection failed: runbook\.md:\d+", out)
    assert "follow 2.1" not in out

    [suite] = ET.fromstring(files["junit"].read_text())  # noqa: S314 - our own
    assert suite.get("failures") == "1"
    assert int(suite.get("skipped", "0")) >= 4
    [failed] = [case for case in suite if case.find("failure") is not None]
    assert (failed.get("classname"), failed.get("name")) == ("fake.3.1", "database")

    [shown] = json.loads(files["json"].read_text())["targets"]
    by_name = {probe["name"]: probe for probe in shown["probes"]}
    assert by_name["database"]["outcome"] == "down"
    assert by_name["errors"]["because"] == "3.1"
    assert by_name["database"]["unproven"]

    series = {
        (sample.name, sample.labels.get("probe")): sample.value
        for family in text_string_to_metric_families(files["textfile"].read_text())
        for sample in family.samples
    }
    assert series["probe_success", "database"] == 0
    assert series["probe_success", "containers"] == 1
    assert ("probe_success", "errors") not in series, "nobody can say"
    assert series["drillbook_probe_unknown", "errors"] == 1
    assert series["probe_http_status_code", "database"] == 503


def test_what_is_unknown_is_not_a_success(target: FakeTarget, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(
        f'url = "{target.url}"\nallow_private = true\nentries = ["4.1"]\n'
        f'[engine]\naddress = "unix://{tmp_path}/none.sock"\n'
        'project = "x"\nservices = ["backend"]\n'
    )
    assert main(["--target", str(file)]) == 1


def test_listing_asks_nothing(
    target: FakeTarget, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--target", str(write(tmp_path, target)), "--list"]) == 0
    out = capsys.readouterr().out
    assert not target.asked
    assert "is down unless it answers 422" in out
    assert "drillbook.detectors.http.unhealthy" in out
    assert "unproven: " in out or "seen to fire in" in out


def test_maintenance_keeps_the_status_and_the_webhook_quiet(
    target: FakeTarget, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target.health = 404
    window = (
        "[[maintenance]]\nreason='move'\nbegins=2020-01-01T00:00:00Z\nends=2100-01-01T00:00:00Z"
    )
    more = f"[webhook]\nurl = '{target.url}/hook'\n[damping]\nfired = 1\nof = 1\n{window}"
    assert main(["--target", str(write(tmp_path, target, more))]) == 0
    assert "maintenance: move" in capsys.readouterr().out
    assert not target.posted


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--target", "none.toml"], 4, "none.toml: No such file"),
        (["--target", "FILE", "--runbook", "none.md"], 4, "none.md: there is no such file"),
        (["--target", "FILE", "--target", "FILE"], 4, "two targets are called fake"),
        (["--target", "FILE", "--history", "FILE/history.db"], 3, "FILE"),
        (
            ["--target", "FILE", "--every", "1s", "--listen", "TAKEN"],
            3,
            "cannot listen on 127.0.0.1",
        ),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(  # noqa: PLR0917
    target: FakeTarget,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    says: str,
) -> None:
    file = str(write(tmp_path, target))
    taken = target.url.removeprefix("http://")
    arguments = [one.replace("FILE", file).replace("TAKEN", taken) for one in arguments]
    if "--every" in arguments:
        arguments += ["--history", str(tmp_path / "h.db")]
    assert main(arguments) == status
    error = capsys.readouterr().err
    assert says.replace("FILE", file) in error
    assert "Traceback" not in error


@pytest.mark.parametrize("arguments", [[], ["--target", "x", "--every", "soon"], ["--no-such"]])
def test_wrong_use_exits_4(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 4


def test_a_prober_needs_nothing_of_what_drills_need() -> None:
    """It is installed in seconds, where there is no Docker, and no browser unless one is named."""
    heavy = "docker pandas playwright psycopg pytest requests testcontainers toxiproxy httpx"
    code = f"import sys, probes.__main__; print(*sorted(set({heavy.split()}) & set(sys.modules)))"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert shown.stdout.split() == []


# --- secrets -------------------------------------------------------------------------------------
def forms(secret: str) -> list[bytes]:
    """A secret as it might be found: plainly, in an address, in base64."""
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return [one.encode() for one in (secret, urllib.request.quote(secret, safe=""), encoded)]  # type: ignore[attr-defined]


def test_a_target_that_repeats_a_secret_makes_nobody_tell_it(
    target: FakeTarget,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The target answers an error with all headers in its body, and the secret in its address."""
    monkeypatch.setenv("CANARY", CANARY)
    monkeypatch.setenv("HOOK", f"{target.url}/hook?token=canary-of-the-hook")
    target.echoes, target.status = True, 500
    more = "[headers]\nX-Token = { env = 'CANARY' }\n[webhook]\nurl = { env = 'HOOK' }\n"
    more += "[damping]\nfired = 1\nof = 1\n"
    out = tmp_path / "out"
    out.mkdir()
    names = {"--junit": "j.xml", "--json": "j.json", "--textfile": "t.prom", "--history": "h.db"}
    arguments = [word for option, name in names.items() for word in (option, str(out / name))]
    assert main(["--target", str(write(tmp_path, target, more)), *arguments]) == 1
    assert any(one.get("X-Token") == CANARY for one in target.headers), "it was sent"
    assert target.posted, "the webhook was called"
    shown = capsys.readouterr()
    told = [shown.out.encode(), shown.err.encode(), *(one.encode() for one in target.posted)]
    told += [path.read_bytes() for path in out.iterdir()]
    for text in told:
        for form in (*forms(CANARY), b"canary-of-the-hook"):
            assert form not in text
    assert "********" in shown.out


def test_a_traceback_tells_no_secret(
    target: FakeTarget,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CANARY", CANARY)

    def broken(*_: object) -> None:
        raise RuntimeError(f"cannot use {CANARY}")

    monkeypatch.setattr("probes.catalogue.of", broken)
    file = write(tmp_path, target, "[headers]\nX-Token = { env = 'CANARY' }\n")
    assert main(["--target", str(file)]) == 3
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert "cannot use ********" in error


@pytest.mark.parametrize("secret", [CANARY, "plain-secret", "Bearer two words", "ümläut-secret"])
def test_a_secret_is_masked_in_every_form(secret: str) -> None:
    redaction = Redaction()
    redaction.add(secret)
    for text in (secret, f"a {secret} b", json.dumps(secret), repr(secret), secret.upper()):
        assert secret.rsplit(maxsplit=1)[-1].lower() not in redaction(text).lower()


# --- going on ------------------------------------------------------------------------------------
class Prober:
    """A prober in a process of its own."""

    def __init__(self, file: Path, folder: Path, *more: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.history = folder / "history.db"
        arguments = ["--target", str(file), "--every", "500ms", "--history", str(self.history)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "probes", *arguments, "--listen", self.url[7:], *more],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 - ours
            return str(answer.read().decode())

    def until(self, path: str, pattern: str, within_s: float = 20.0) -> str:
        """The page once it matches."""
        give_up_s = time.monotonic() + within_s
        last = ""
        while time.monotonic() < give_up_s and self.process.poll() is None:
            try:
                last = self.get(path)
            except (urllib.error.URLError, ConnectionError) as error:
                last = str(error)
            if re.search(pattern, last):
                return last
            time.sleep(0.05)
        raise AssertionError(f"{path} never matched {pattern!r}: {last[-2000:]}")

    def end(self, signal_: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(signal_)
        out, _ = self.process.communicate(timeout=15)
        return self.process.returncode, out


def test_it_goes_on_is_restarted_after_a_kill_and_ends_quietly(
    target: FakeTarget, tmp_path: Path
) -> None:
    more = f"[webhook]\nurl = '{target.url}/hook'\n[limits]\nper_second = 500\n"
    file = write(tmp_path, target, more)
    prober = Prober(file, tmp_path)
    try:
        prober.until("/metrics", r'rounds_total\{target="fake"\} [2-9]')
        assert prober.get("/health") == "ok"
        target.health, target.status = 503, 500
        prober.until("/targets/fake", "still open")
        page = prober.until("/targets/fake", "3.1 Database connection failed")
        assert "follows from 3.1" in page
        assert "<script" not in page
    finally:
        prober.end(signal.SIGKILL)

    prober = Prober(file, tmp_path)
    try:
        prober.until("/metrics", r'drillbook_probe_incident\{entry="3.1",target="fake"\} 1')
        prober.until("/metrics", r'rounds_total\{target="fake"\} [3-9]')
        target.health, target.status = 200, 0
        prober.until("/metrics", r'drillbook_probe_incident\{entry="3.1",target="fake"\} 0')
        prober.until("/metrics", r'deliveries_total\{target="fake"\} 1')
    finally:
        status, out = prober.end()
    assert status == 0, out
    assert [json.loads(one)["status"] for one in target.posted] == ["firing", "resolved"]
    assert "Traceback" not in out


def test_ctrl_c_ends_it(target: FakeTarget, tmp_path: Path) -> None:
    prober = Prober(write(tmp_path, target), tmp_path)
    prober.until("/health", "ok")
    status, out = prober.end(signal.SIGINT)
    assert status == 2, out
    assert "Traceback" not in out
