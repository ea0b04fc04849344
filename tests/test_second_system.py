"""A system that is nothing like the shop is drilled by the same engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from drillbook import system
from drillbook.platforms.compose import overlay
from drillbook.platforms.compose.stack import free_ports
from fixtures.shop import SYSTEM

ROOT = Path(__file__).parents[1]
BEHIND_A_PROXY = overlay.BuildNetwork("/etc/bundle.crt", {"http_proxy": "http://proxy:3128"})
JUKEBOX = ROOT / "tests" / "jukebox"


@pytest.mark.stack
def test_a_second_system_is_drilled_by_its_own_runbook(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (port,) = free_ports(1)
    done = subprocess.run(
        [sys.executable, "-m", "drillbook", f"--system={JUKEBOX}", f"--run-dir={run}"],
        cwd=ROOT,
        env={**os.environ, "PLAYER_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = json.loads((run / "verdicts.json").read_text())["lines"]
    words = {one["name"]: one["verdict"] for one in lines}
    assert words == dict.fromkeys(words, "proven")
    assert len(words) == 8
    events = [json.loads(one) for one in (run / "journal.jsonl").read_text().splitlines()]
    reports = [one for one in events if one["event"] == "WitnessReport"]
    assert [one["lost"] for one in reports] == [None, None]  # who writes nothing loses nothing
    assert all(one["felt_s"] > 0 for one in reports)


# --- what a folder must hold -------------------------------------------------------------------
def test_a_folder_without_a_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(system.NoSystem, match=r"has no system\.py"):
        system.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"has no SYSTEM = drillbook\.system\.System"),
        ("SYSTEM = 'a shop'", "has no SYSTEM"),
        ("1 / 0", r"system\.py: ZeroDivisionError: division by zero"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
    ],
)
def test_a_file_that_describes_no_system_says_why(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "system.py").write_text(text)
    with pytest.raises(system.NoSystem, match=message):
        system.load(tmp_path)


# --- one table of links ------------------------------------------------------------------------
@pytest.mark.parametrize("described", [SYSTEM, system.load(JUKEBOX)], ids=lambda one: one.name)
def test_every_link_is_proxied_under_the_name_its_callers_use(described: system.System) -> None:
    services = overlay.services_of(described)
    laid = overlay.owned(services, "me")
    overlay.proxy_links(laid, services, described.links, Path("/proxies.json"), "me")
    proxies = {one["name"]: one for one in overlay.toxiproxy(described.links)}
    names = laid["services"][overlay.PROXY]["networks"]
    for link in described.links:
        assert proxies[link.service]["upstream"] == f"{link.service}.upstream:{link.port}"
        assert link.service in names[link.network]["aliases"]
        networks = laid["services"][link.service]["networks"]
        assert link.network not in networks, "its callers would still reach it directly"
        assert networks["upstream"]["aliases"] == [f"{link.service}.upstream"]
    assert all(one["labels"] == {"drillbook.owner": "me"} for one in laid["services"].values())


def test_the_overlay_replaces_networks_and_says_so_in_yaml(tmp_path: Path) -> None:
    written = overlay.write(SYSTEM, SYSTEM.links, tmp_path, "me", BEHIND_A_PROXY).read_text()
    assert written.count("networks: !override") == len(SYSTEM.links)
    assert "ca_bundle" in written
    assert "http_proxy: http://proxy:3128" in written
    assert [one["name"] for one in json.loads((tmp_path / "toxiproxy.json").read_text())] == [
        *("db", "payments", "backend")
    ]


def test_without_links_the_system_runs_as_in_production(tmp_path: Path) -> None:
    written = overlay.write(SYSTEM, (), tmp_path, "me").read_text()
    assert "toxiproxy" not in written
    assert "ports" not in written
    assert "drillbook.owner: me" in written
