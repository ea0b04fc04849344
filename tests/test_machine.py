from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from drillbook.machine import ready as machine
from drillbook.machine.host import Done
from drillbook.machine.ready import MachineNotReady
from tests.fake_host import OK, FakeHost, debian

UNREACHABLE = Done(1, "Cannot connect to the Docker daemon. Is the docker daemon running?")
NO_PLUGIN = Done(1, "docker: 'compose' is not a docker command.")
PLUGIN_FILES = [f"{machine.PLUGINS}/docker-{name}" for name in ("buildx", "compose")]


@pytest.fixture
def said() -> list[str]:
    return []


def able(host: FakeHost) -> FakeHost:
    """Put a Docker engine, its client and its plugins on a machine."""
    host.answers |= {
        "docker version": Done(0, "27.3.1\n"),
        "docker compose version": Done(0, "2.29.7\n"),
        "docker buildx version": Done(0, "github.com/docker/buildx v0.17.1"),
    }
    return host


def once_installed(host: FakeHost) -> Callable[[], Done]:
    """An engine that answers as soon as one was started, with plugins once their files are there.

    That is how Docker itself behaves: the client finds both anew at every call.
    """

    def version() -> Done:
        return Done(0, "20.10.24+dfsg1\n") if host.started else UNREACHABLE

    def compose() -> Done:
        return Done(0, "2.26.1-4\n") if PLUGIN_FILES[1] in host.contents else NO_PLUGIN

    def buildx() -> Done:
        return OK if PLUGIN_FILES[0] in host.contents else NO_PLUGIN

    def install() -> Done:
        host.programs.add("dockerd")
        return OK

    host.answers |= {
        "docker version": version,
        "docker compose version": compose,
        "docker buildx version": buildx,
        "install --yes --no-install-recommends docker.io": install,
    }
    return version


def test_an_able_machine_is_left_as_it_is(said: list[str]) -> None:
    host = able(FakeHost(is_root=False, runs_on="Darwin"))
    before = dict(host.contents)

    engine = machine.make_ready(said.append, host)

    assert engine == machine.Engine("27.3.1", "2.29.7", False)
    assert said == []
    assert host.contents == before
    assert host.started == []
    assert not host.ran("apt-get")


def test_a_bare_debian_gets_an_engine_and_the_plugins_alone(said: list[str]) -> None:
    host = debian()
    once_installed(host)

    engine = machine.make_ready(said.append, host)

    assert engine.started_by_us
    assert (engine.version, engine.compose_version) == ("20.10.24+dfsg1", "2.26.1-4")
    assert host.started == ["dockerd"]
    ours = {*PLUGIN_FILES, "/etc/docker/daemon.json"}
    assert {path for path in host.contents if "docker" in path} == ours
    settings = json.loads(host.contents["/etc/docker/daemon.json"])
    assert settings == {"features": {"buildkit": True}}, "its `docker build` builds as today's does"
    assert not host.exists("/usr/sbin/policy-rc.d"), "what held services back is taken away again"
    assert any("installing docker.io" in line for line in said)
    assert any("engine 20.10.24+dfsg1 answers" in line for line in said)


def test_settings_that_somebody_left_for_an_engine_are_kept() -> None:
    host = debian()
    once_installed(host)
    host.contents["/etc/docker/daemon.json"] = '{"mtu": 1400}'
    machine.make_ready(lambda _: None, host)
    assert host.contents["/etc/docker/daemon.json"] == '{"mtu": 1400}'


def test_services_are_held_back_while_packages_are_installed() -> None:
    host = debian()
    once_installed(host)
    held: list[bool] = []

    def install() -> Done:
        held.append(host.exists("/usr/sbin/policy-rc.d"))
        host.programs.add("dockerd")
        return OK

    host.answers["install --yes --no-install-recommends docker.io"] = install
    machine.make_ready(lambda _: None, host)
    assert held == [True]


def test_an_engine_that_is_installed_is_only_started(said: list[str]) -> None:
    host = debian()
    once_installed(host)
    host.programs.add("dockerd")
    host.contents |= dict.fromkeys(PLUGIN_FILES, "")

    assert machine.make_ready(said.append, host).started_by_us
    assert not host.ran("apt-get")
    assert host.started == ["dockerd"]


def test_an_engine_that_its_package_started_is_not_started_again() -> None:
    host = debian()
    once_installed(host)

    def install() -> Done:
        host.programs.add("dockerd")
        host.started.append("by its package")
        return OK

    host.answers["install --yes --no-install-recommends docker.io"] = install
    assert not machine.make_ready(lambda _: None, host).started_by_us
    assert host.started == ["by its package"]


def test_where_systemd_runs_it_starts_the_engine() -> None:
    host = debian()
    once_installed(host)
    host.programs.add("dockerd")
    host.contents |= dict.fromkeys([*PLUGIN_FILES, "/run/systemd/system/x"], "")

    def start() -> Done:
        host.started.append("systemctl")
        return OK

    host.answers["systemctl start docker"] = start
    machine.make_ready(lambda _: None, host)
    assert host.started == ["systemctl"]


def test_systemd_that_cannot_start_the_engine_is_quoted() -> None:
    host = debian()
    once_installed(host)
    host.programs.add("dockerd")
    host.contents |= dict.fromkeys([*PLUGIN_FILES, "/run/systemd/system/x"], "")
    host.answers["systemctl start docker"] = Done(1, "Job for docker.service failed.")
    with pytest.raises(MachineNotReady, match=r"(?s)Job for docker.service failed.*journalctl"):
        machine.make_ready(lambda _: None, host)


def test_process_numbers_of_a_killed_engine_are_removed_if_another_process_has_them() -> None:
    host = debian()
    once_installed(host)
    host.programs.add("dockerd")
    engine_pid, containerd_pid = machine.PID_FILES
    host.contents |= dict.fromkeys(PLUGIN_FILES, "") | {
        engine_pid: "77\n",
        "/proc/77/comm": "bash\n",
        containerd_pid: "78",
        "/proc/78/comm": "containerd\n",
    }
    machine.make_ready(lambda _: None, host)
    assert engine_pid not in host.contents
    assert containerd_pid in host.contents, "a containerd that lives on is taken over by the engine"


def test_an_engine_that_dies_at_start_is_quoted_with_the_end_of_its_log() -> None:
    host = debian(daemon_status=1)
    once_installed(host)
    host.answers["docker version"] = UNREACHABLE
    host.programs.add("dockerd")
    host.contents[machine.ENGINE_LOG] = "first\n" * 20 + "failed to mount overlay\n"
    with pytest.raises(MachineNotReady) as caught:
        machine.make_ready(lambda _: None, host)
    message = str(caught.value)
    assert "ended with status 1" in message
    assert "failed to mount overlay" in message
    assert message.count("first") == 7
    assert machine.ENGINE_LOG in message


def test_an_engine_that_stays_silent_is_given_up_after_its_deadline() -> None:
    host = debian()
    once_installed(host)
    host.answers["docker version"] = UNREACHABLE
    host.programs.add("dockerd")
    with pytest.raises(MachineNotReady, match="is silent: Cannot connect"):
        machine.make_ready(lambda _: None, host)
    assert machine.ENGINE_DEADLINE_S <= host.clock_s < machine.ENGINE_DEADLINE_S + 1


def test_plugins_that_are_missing_are_added_to_an_engine_that_runs(said: list[str]) -> None:
    host = debian()
    once_installed(host)
    host.started.append("by someone else")
    engine = machine.make_ready(said.append, host)
    assert not engine.started_by_us
    assert host.started == ["by someone else"]
    assert set(PLUGIN_FILES) <= host.contents.keys()
    assert not host.ran("docker.io")


def test_a_compose_too_old_for_the_overlay_is_replaced() -> None:
    host = debian()
    once_installed(host)
    host.started.append("by someone else")
    new = host.answers["docker compose version"]
    host.contents[PLUGIN_FILES[0]] = ""
    old = Done(0, "2.23.3")
    host.answers["docker compose version"] = lambda: (
        old if PLUGIN_FILES[1] not in host.contents else new() if callable(new) else new
    )
    assert machine.make_ready(lambda _: None, host).compose_version == "2.26.1-4"


def test_ubuntu_has_the_plugins_among_its_own_packages() -> None:
    host = debian()
    host.contents["/etc/os-release"] = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"
    once_installed(host)
    host.started.append("by someone else")

    def install() -> Done:
        host.contents |= dict.fromkeys(PLUGIN_FILES, "")
        return OK

    host.answers["docker-compose-v2 docker-buildx"] = install
    assert machine.make_ready(lambda _: None, host).compose_version == "2.26.1-4"


@pytest.mark.parametrize(
    ("given", "answer", "advice"),
    [
        ({"runs_on": "Darwin", "is_root": False}, UNREACHABLE, "Docker Desktop"),
        ({"runs_on": "Windows", "is_root": False}, UNREACHABLE, "WSL 2"),
        ({"is_root": False}, UNREACHABLE, "sudo systemctl start docker"),
        ({"is_root": False}, Done(127, "docker: not found"), "Install Docker"),
        ({"is_root": False}, Done(1, "permission denied while trying"), "docker group"),
        ({"variables": {"DOCKER_HOST": "tcp://far:2375"}}, UNREACHABLE, "tcp://far:2375"),
        ({"programs": set()}, UNREACHABLE, "only Debian's and Ubuntu's"),
    ],
)
def test_a_machine_that_is_not_ours_to_change_is_explained(
    given: dict[str, object], answer: Done, advice: str
) -> None:
    host = debian(**given)
    host.answers["docker version"] = answer
    before = dict(host.contents)
    with pytest.raises(MachineNotReady, match=advice):
        machine.make_ready(lambda _: None, host)
    assert host.contents == before
    assert host.started == []
    assert not host.ran("apt-get")


def test_missing_plugins_are_explained_to_who_is_not_root() -> None:
    host = able(debian(is_root=False))
    host.answers["docker compose version"] = NO_PLUGIN
    with pytest.raises(MachineNotReady, match="docker-compose-plugin"):
        machine.make_ready(lambda _: None, host)


def test_an_engine_too_old_is_refused() -> None:
    host = able(debian())
    host.answers["docker version"] = Done(0, "19.03.8")
    with pytest.raises(MachineNotReady, match=r"19\.03\.8; the drills need 20\.10"):
        machine.make_ready(lambda _: None, host)


def test_a_package_that_cannot_be_installed_is_explained() -> None:
    host = debian()
    once_installed(host)
    host.answers["install --yes"] = Done(100, "E: Unable to locate package docker.io")
    host.answers["install --yes --no-install-recommends docker.io"] = Done(100, "E: no network")
    with pytest.raises(MachineNotReady, match=r"(?s)could not be installed.*no network"):
        machine.make_ready(lambda _: None, host)


def test_another_runs_work_is_not_done_again() -> None:
    host = debian()
    once_installed(host)
    asked = iter([UNREACHABLE])
    host.answers["docker version"] = lambda: next(asked, Done(0, "20.10.24"))
    host.contents |= dict.fromkeys(PLUGIN_FILES, "")
    engine = machine.make_ready(lambda _: None, host)
    assert not engine.started_by_us
    assert host.started == []


# --- a browser ---------------------------------------------------------------------------------
def test_a_browser_on_path_is_taken(said: list[str]) -> None:
    host = FakeHost(programs={"google-chrome"}, is_root=False)
    assert machine.chromium(said.append, host) == "/usr/bin/google-chrome"
    assert said == []


def test_a_browser_that_is_named_comes_first() -> None:
    host = FakeHost(programs={"chromium"}, variables={"CHROMIUM": "/opt/chrome"})
    host.contents["/opt/chrome"] = ""
    assert machine.chromium(lambda _: None, host) == "/opt/chrome"


def test_a_browser_that_is_named_and_missing_is_an_error() -> None:
    host = FakeHost(programs={"chromium"}, variables={"CHROMIUM": "/opt/chrome"})
    with pytest.raises(MachineNotReady, match="CHROMIUM=/opt/chrome: there is no such file"):
        machine.chromium(lambda _: None, host)


def test_a_mac_keeps_its_browser_elsewhere() -> None:
    host = FakeHost(runs_on="Darwin", contents={machine.MAC_BROWSERS[0]: ""})
    assert machine.chromium(lambda _: None, host) == machine.MAC_BROWSERS[0]


def test_debian_is_given_a_browser(said: list[str]) -> None:
    host = debian()

    def install() -> Done:
        host.programs.add("chromium")
        return OK

    host.answers["no-install-recommends chromium"] = install
    assert machine.chromium(said.append, host) == "/usr/bin/chromium"
    assert any("installing Debian's chromium" in line for line in said)


@pytest.mark.parametrize("given", [{"is_root": False}, {"contents": {}}])
def test_no_browser_and_none_to_be_had_is_explained(given: dict[str, object]) -> None:
    with pytest.raises(MachineNotReady, match="No Chromium or Chrome"):
        machine.chromium(lambda _: None, debian(**given))


def test_a_browser_that_is_installed_and_still_not_found_is_an_error() -> None:
    with pytest.raises(MachineNotReady, match="no chromium is on PATH"):
        machine.chromium(lambda _: None, debian())
