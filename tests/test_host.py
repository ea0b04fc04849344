from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from drillbook.machine.host import Apt, Done, Host, PackageError, debian_mirror, os_release
from tests.fake_host import BOOKWORM, FakeHost, debian


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


# --- this computer -----------------------------------------------------------------------------
def test_a_command_gives_its_status_and_both_its_streams() -> None:
    done = Host().run(*python("import sys; print('out'); print('err', file=sys.stderr); exit(3)"))
    assert done.status == 3
    assert not done.ok
    assert (done.output, done.errors) == ("out\n", "err\n"), "what is parsed holds no warning"
    assert done.tail() == "out\nerr"


def test_a_command_that_is_missing_and_one_that_hangs_give_a_status() -> None:
    assert Host().run("no-such-program").status == 127
    began_s = time.monotonic()
    hung = Host().run(*python("print('here', flush=True); input()"), deadline_s=0.5)
    assert hung.ok is False  # no standard input: it ends at once instead of hanging
    slow = Host().run(*python("import time; print('on', flush=True); time.sleep(30)"), deadline_s=1)
    assert slow.status == 124
    assert slow.output.startswith("on")
    assert "no end after 1 s" in slow.errors
    assert time.monotonic() - began_s < 10


def test_a_command_sees_the_environment_and_what_is_added_to_it() -> None:
    done = Host().run(
        *python("import os; print(os.environ['ADDED'], 'PATH' in os.environ)"),
        environment={"ADDED": "yes"},
    )
    assert done.output.split() == ["yes", "True"]


def test_the_tail_of_an_output_is_its_last_lines() -> None:
    assert Done(1, "a\nb\nc\n\n").tail(2) == "b\nc"


def test_a_daemon_runs_in_a_session_of_its_own_and_logs_to_a_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    daemon = Host().start(python("import os; print(os.getsid(0) == os.getpid())"), str(log))
    until_s = time.monotonic() + 10
    while daemon.poll() is None and time.monotonic() < until_s:
        time.sleep(0.01)
    assert daemon.poll() == 0
    assert log.read_text() == "True\n"


def test_files_are_read_written_and_removed(tmp_path: Path) -> None:
    host = Host()
    path = str(tmp_path / "deep" / "file")
    assert host.read(path) is None
    host.write(path, "words", mode=0o700)
    assert host.read(path) == "words"
    assert host.exists(path)
    assert host.files(str(tmp_path / "deep"), "f*") == [path]
    host.install_file(path, f"{path}-2")
    assert os.access(f"{path}-2", os.X_OK)
    assert host.files(str(tmp_path / "deep"), "*") == [path, f"{path}-2"], "nothing beside them"
    host.remove(path)
    host.remove(path)
    assert not host.exists(path)


def test_a_process_that_is_gone_reads_as_no_file() -> None:
    assert Host().read("/proc/999999999/comm") is None


# --- Debian's packages -------------------------------------------------------------------------
def test_os_release_is_read_with_and_without_quotes() -> None:
    host = FakeHost(contents={"/etc/os-release": BOOKWORM})
    assert os_release(host) == {"ID": "debian", "VERSION_CODENAME": "bookworm"}
    assert os_release(FakeHost()) == {}


ONE_LINE = "/etc/apt/sources.list"
PARTS = "/etc/apt/sources.list.d/"


@pytest.mark.parametrize(
    ("path", "text", "mirror"),
    [
        (ONE_LINE, "deb http://a.example/debian bookworm main\n", "http://a.example/debian"),
        (
            ONE_LINE,
            (
                "# deb http://no.example/debian bookworm main\n"
                "deb http://no.example/debian-security bookworm-security main\n"
                "deb [arch=amd64 signed-by=/k.gpg] https://b.example/d bookworm contrib main\n"
            ),
            "https://b.example/d",
        ),
        (PARTS + "x.list", "deb http://c.example/d bookworm main", "http://c.example/d"),
        (
            PARTS + "x.sources",
            (
                "Types: deb\nURIs: http://no.example\nSuites: bookworm-security\nComponents: main\n"
                "\nTypes: deb\nURIs: http://d.example/d http://e.example\nSuites: bookworm\n"
                "Components: main contrib\n"
            ),
            "http://d.example/d",
        ),
        (PARTS + "x.list", "deb http://other.example/apt stable main\n", None),
        (ONE_LINE, "", None),
    ],
)
def test_the_mirror_is_the_one_that_this_machine_uses(
    path: str, text: str, mirror: str | None
) -> None:
    host = FakeHost(contents={"/etc/os-release": BOOKWORM, path: text})
    assert debian_mirror(host) == mirror


def test_ubuntu_has_no_debian_mirror() -> None:
    host = FakeHost(
        contents={
            "/etc/os-release": "ID=ubuntu\nVERSION_CODENAME=noble\n",
            ONE_LINE: "deb http://a.example/ubuntu noble main\n",
        }
    )
    assert debian_mirror(host) is None


def test_the_lists_are_fetched_once() -> None:
    host = debian()
    apt = Apt(host)
    apt.install("one")
    apt.install("two", "three")
    assert [line.rpartition("Acquire::Retries=2 ")[2] for line in host.commands] == [
        "update",
        "install --yes --no-install-recommends one",
        "install --yes --no-install-recommends two three",
    ]


def test_a_failing_install_says_so_and_lets_services_start_again() -> None:
    host = debian()
    host.answers["no-install-recommends nothing"] = Done(100, "E: Unable to locate package nothing")
    with pytest.raises(PackageError, match=r"(?s)install failed \(100\).*locate package"):
        Apt(host).install("nothing")
    assert not host.exists("/usr/sbin/policy-rc.d")


def test_a_policy_for_services_that_is_there_stays() -> None:
    host = debian()
    host.contents["/usr/sbin/policy-rc.d"] = "theirs"
    Apt(host).install("one")
    assert host.contents["/usr/sbin/policy-rc.d"] == "theirs"


def test_packages_of_another_release_are_unpacked_beside_the_machines_own() -> None:
    host = debian()
    host.contents["/f/apt/a_1_amd64.deb"] = ""
    Apt(host).unpack("trixie", "/f", "a")
    source = host.contents["/f/apt/sources.list"]
    assert source.endswith("http://mirror.example/debian trixie main\n")
    assert all("Dir::State=/f/apt/state" in line for line in host.commands if "apt-get" in line)
    assert not host.ran(" install ")
    assert host.ran("dpkg -x /f/apt/a_1_amd64.deb /f")


def test_a_package_that_cannot_be_unpacked_is_an_error() -> None:
    host = debian()
    host.contents["/f/apt/a_1_amd64.deb"] = ""
    host.answers["dpkg -x"] = Done(2, "no space left on device")
    with pytest.raises(PackageError, match="no space left"):
        Apt(host).unpack("trixie", "/f", "a")


def test_another_release_needs_a_debian_mirror() -> None:
    with pytest.raises(PackageError, match="none of this machine's package sources"):
        Apt(FakeHost(programs={"apt-get"})).unpack("trixie", "/f", "a")
