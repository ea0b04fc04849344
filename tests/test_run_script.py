"""What `./run` says and hands over, with a PATH and an environment that are made up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VARIABLES = "variables.txt"
TOOLS = ("cat", "cmp", "cp", "dirname", "env", "id", "mkdir", "rm", "sed", "sh", "touch")
MADE_FROM = ("requirements.lock", "pyproject.toml", "tox.ini")
DEADLINE_S = 20


@dataclass
class Clone:
    """A clone of the project in an empty folder, on a machine with few programs."""

    folder: Path
    programs: Path

    def program(self, name: str, body: str, folder: Path | None = None) -> None:
        file = (folder or self.programs) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "run", *words],
            env={"PATH": str(self.programs), "HOME": str(self.folder), **variables},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def made(self, job: str, does: str = 'echo "job: $*"') -> None:
        """Let everything be in place, with a made-up tox and a made-up job."""
        self.program("python", 'echo "tox: $*"', self.folder / ".venv/bin")
        shutil.copy(self.folder / "requirements.lock", self.folder / ".venv/made-from.lock")
        self.program("python", does, self.folder / f".tox/{job}/bin")
        sources = (
            self.folder / name for name in ("requirements.lock", "pyproject.toml", "tox.ini")
        )
        text = "".join(source.read_text() for source in sources)
        (self.folder / f".tox/{job}/made-from").write_text(text)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "clone", tmp_path / "bin")
    for folder in (made.folder, made.programs):
        folder.mkdir()
    for name in ("run", *MADE_FROM, VARIABLES):
        (made.folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, made.folder / name)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (made.programs / tool).symlink_to(found)
    made.program("id", "echo 1000")
    return made


# --- words -------------------------------------------------------------------------------------
def test_no_job_shows_the_usage(clone: Clone) -> None:
    ended = clone.run()
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("usage: ./run JOB")
    assert len(ended.stderr.splitlines()) < 12


@pytest.mark.parametrize("word", ["help", "-h", "--help"])
def test_help_is_no_error(clone: Clone, word: str) -> None:
    ended = clone.run(word)
    assert ended.returncode == 0
    assert "drills [ENTRY...]" in ended.stdout
    assert ended.stderr == ""


def test_an_unknown_job_is_named(clone: Clone) -> None:
    ended = clone.run("drill", "3.1")
    assert ended.returncode == 2
    assert ended.stderr.endswith("run: there is no job 'drill'\n")


def test_the_usage_names_every_job_that_tox_has() -> None:
    usage = (ROOT / "run").read_text()
    tox = (ROOT / "tox.ini").read_text()
    for job in ("drills", "tests", "load", "clean"):
        assert f"\n  {job} " in usage
        assert f"\n[testenv:{job}]\n" in tox


# --- Python ------------------------------------------------------------------------------------
def test_no_python_is_explained(clone: Clone) -> None:
    ended = clone.run("drills")
    assert ended.returncode == 3
    assert ended.stderr == "run: Python 3.11 or newer is needed, and none is on PATH\n"


def test_a_python_too_old_is_not_taken(clone: Clone) -> None:
    clone.program("python3", "exit 1")
    assert "Python 3.11 or newer is needed" in clone.run("drills").stderr


def test_a_python_that_cannot_make_environments_is_explained(clone: Clone) -> None:
    clone.program("python3", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    ended = clone.run("drills")
    assert ended.returncode == 3
    assert "python3 cannot make environments; install its venv package" in ended.stderr


def test_root_on_debian_is_given_what_python_lacks(clone: Clone) -> None:
    lacks_venv = f'case "$2" in *ensurepip*) test -e {clone.folder}/venv ;; esac; exit $?'
    clone.program("id", "echo 0")
    clone.program("apt-get", f'echo "apt-get $*" >>{clone.folder}/venv')
    clone.program("python3", f'test "$1" != -m || exit 9; {lacks_venv}')
    ended = clone.run("drills")
    assert "run: installing Debian's python3-venv ..." in ended.stderr
    asked = (clone.folder / "venv").read_text().splitlines()
    assert asked[-1] == "apt-get -qq install --yes --no-install-recommends python3-venv"
    assert "run: making .venv with" in ended.stderr
    assert ended.returncode == 3, "the environment itself could not be made"


def test_packages_that_cannot_be_installed_are_explained(clone: Clone) -> None:
    clone.program("id", "echo 0")
    clone.program("apt-get", "echo 'E: no network'; exit 100")
    ended = clone.run("drills")
    assert ended.returncode == 3
    assert "E: no network" in ended.stderr
    assert "apt-get could not install python3-venv" in ended.stderr


# --- handing over ------------------------------------------------------------------------------
def test_a_job_gets_its_arguments_and_gives_its_status(clone: Clone) -> None:
    clone.made("drills", 'echo "job: $*"; exit 5')
    ended = clone.run("drills", "3.1", "-k", "two words", "--keep")
    assert ended.returncode == 5
    assert ended.stdout == "job: -m drillbook 3.1 -k two words --keep\n"
    assert ended.stderr == "", "nothing is said when nothing is to be made"


def test_a_job_takes_the_place_of_the_script_so_that_signals_reach_it(clone: Clone) -> None:
    clone.made("drills", "trap 'echo told; exit 6' TERM; echo $$; while :; do :; done")
    with subprocess.Popen(
        [clone.folder / "run", "drills"],
        env={"PATH": str(clone.programs)},
        stdout=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stdout is not None
        assert int(job.stdout.readline()) == job.pid
        os.kill(job.pid, signal.SIGTERM)
        assert job.stdout.readline() == "told\n"
        assert job.wait(DEADLINE_S) == 6


def test_an_environment_that_tox_cannot_make_is_shown(clone: Clone) -> None:
    clone.made("drills")
    clone.program("python", "echo 'no such package'; exit 1", clone.folder / ".venv/bin")
    (clone.folder / ".tox/drills/made-from").unlink()
    for _ in "once", "again":
        ended = clone.run("drills")
        assert (ended.returncode, ended.stdout) == (3, "")
        assert ended.stderr.endswith("no such package\n")


@pytest.mark.parametrize("file", MADE_FROM)
def test_an_environment_is_looked_after_when_what_it_is_made_from_changes(
    clone: Clone, file: str
) -> None:
    clone.made("drills")
    clone.program("python", 'echo "tox: $*" >&2', clone.folder / ".venv/bin")
    with (clone.folder / file).open("a") as changed:
        changed.write("# a word more\n")
    shutil.copy(clone.folder / "requirements.lock", clone.folder / ".venv/made-from.lock")
    assert "making the environment for drills" in clone.run("drills").stderr
    assert clone.run("drills").stderr == "", "once"


@pytest.mark.parametrize(("job", "module"), [("clean", "drillbook.clean"), ("load", "loadtests")])
def test_every_job_has_its_module(clone: Clone, job: str, module: str) -> None:
    clone.made("load" if job == "load" else "drills")
    assert clone.run(job, "--x").stdout == f"job: -m {module} --x\n"


def test_tests_without_arguments_are_all_checks_and_with_some_the_fast_tests(clone: Clone) -> None:
    clone.made("sabotage")
    assert clone.run("tests").stdout == "tox: -m tox -q -e lint,tests,service,sabotage\n"
    assert clone.run("tests", "-k", "x").stdout == "tox: -m tox -q -e tests -- -k x\n"


def test_a_changed_lock_brings_tox_up_to_date(clone: Clone) -> None:
    clone.made("drills")
    uv = 'echo "uv $*" >&2'
    clone.program("uv", uv, clone.folder / ".venv/bin")
    (clone.folder / ".venv/made-from.lock").write_text("an older one")
    first = clone.run("drills")
    assert "--group tools --constraint requirements.lock" in first.stderr
    assert clone.run("drills").stderr == "", "once"


def test_a_half_made_environment_is_made_anew(clone: Clone) -> None:
    clone.made("drills")
    (clone.folder / ".venv/made-from.lock").unlink()
    clone.program("python3", 'test "$1" != -m || { echo "made: $*"; exit 9; }')
    ended = clone.run("drills")
    assert (ended.returncode, ended.stdout) == (3, "made: -m venv --clear .venv\n")


def test_uv_is_installed_from_the_locks_own_lines(clone: Clone) -> None:
    clone.made("drills")
    (clone.folder / ".venv/made-from.lock").unlink()
    pip = f'case "$*" in *install*) cat .venv/uv.txt; cp {clone.programs}/uv .venv/bin/uv ;; esac'
    clone.program("uv", "exit 0")
    clone.program("pip", "", clone.folder / ".venv/bin")
    clone.program("python", pip, clone.folder / ".venv/bin")
    lines = clone.run("drills").stdout.splitlines()
    assert lines[0].startswith("uv==")
    assert all(line.startswith("    --hash=sha256:") for line in lines[1:-1])
    assert len(lines) > 2


@pytest.mark.parametrize("words", ["--target FOLDER", "--target=FOLDER/staging.toml"])
def test_probes_are_given_the_secrets_that_their_target_names_and_no_others(
    clone: Clone, words: str
) -> None:
    clone.made("probes", does='echo "$TOKEN,$OTHER,$COMMENT."')
    folder = clone.folder / "targets"
    folder.mkdir()
    (folder / "staging.toml").write_text(
        '[headers]\nA = { env = "TOKEN" }  # not { env = "COMMENT" }\n'
    )
    arguments = words.replace("FOLDER", str(folder)).split()
    shown = clone.run("probes", *arguments, TOKEN="secret", OTHER="x", COMMENT="x")
    assert shown.stdout == "secret,,.\n", shown.stderr
