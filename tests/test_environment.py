"""Nothing but the checkout, the options and the variables that the README names decides a run."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from drillbook.machine import docker_config, environment, readable
from drillbook.machine.images import BASE, NETSHOOT
from drillbook.machine.refused import Refused
from fixtures.images import GRAFANA, MONITORING, STACK
from fixtures.shop import SYSTEM, Shop
from loadtests.target import production
from tests.hostile import COMPOSE_FILES, HOSTILE, OF_TOOLS, hostile, interpolated

ROOT = Path(__file__).resolve().parents[1]
CHILDREN: dict[str, Callable[[], dict[str, str]]] = {
    "plain": environment.plain,
    "python": environment.python,
    "docker": environment.docker,
    "downloading": environment.downloading,
    "typed": environment.typed,
    "a stack's Compose": lambda: dict(
        Shop({"POSTGRES_PASSWORD": "x"})._compose_object(build=True).variables
    ),
    "a stack's terminal": lambda: Shop({"POSTGRES_PASSWORD": "x"}).shell_environment(),
    "a loaded stack's Compose": lambda: production({})._compose_shell(),
}


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A caller with nothing set but what every shell has."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(docker_config, "PRIVATE", tmp_path / "private")
    return monkeypatch


def entered() -> dict[str, str]:
    """What a process of ours would have as its environment."""
    return environment.entered(os.environ)


# --- the list ----------------------------------------------------------------------------------
def test_every_image_and_port_has_a_variable_that_counts() -> None:
    kinds = [*STACK, *MONITORING, NETSHOOT, BASE, GRAFANA]
    uses = environment.variables()
    assert {name for name, use in uses.items() if use == "image"} == {one.variable for one in kinds}
    assert {name for name, use in uses.items() if use == "port"} == {
        *SYSTEM.variables,
        "GRAFANA_PORT",
    }


def test_tox_passes_on_what_counts_and_nothing_else() -> None:
    block = re.search(r"^pass_env =\n((?: +\w+\n)+)", (ROOT / "tox.ini").read_text(), re.MULTILINE)
    assert block
    assert block[1].split() == list(environment.variables())


def test_the_readme_names_exactly_what_counts() -> None:
    text = (ROOT / "README.md").read_text()
    table = text.partition("## What a run heeds")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([A-Za-z_]+)`", table.partition("Nothing else")[0]))
    wanted = {name for name, use in environment.variables().items() if use != "image"}
    assert {name for name in named if not name.endswith("_IMAGE")} == wanted
    for name, use in environment.variables().items():
        assert use != "image" or f"`{name}`" in text, name


# --- a hostile caller --------------------------------------------------------------------------
def test_the_hostile_variables_are_those_of_the_compose_files_and_of_every_tool() -> None:
    assert len(COMPOSE_FILES) > 3
    assert {"DATABASE_URL", "CORS_ORIGINS", "BACKEND_TAG", "RESTART_POLICY"} <= interpolated()
    assert not set(OF_TOOLS) & set(environment.variables())


@pytest.mark.parametrize("child", CHILDREN)
def test_no_child_sees_what_a_hostile_caller_set(caller: pytest.MonkeyPatch, child: str) -> None:
    for name, value in hostile().items():
        if environment.variables().get(name) != "port":  # refused, see below
            caller.setenv(name, value)
    seen = CHILDREN[child]()
    assert [name for name, value in seen.items() if HOSTILE in value] == []
    assert seen["PATH"] == "/usr/bin:/bin"


def test_nor_does_a_process_of_ours(caller: pytest.MonkeyPatch) -> None:
    heeded = environment.variables()
    for name, value in hostile().items():
        if name not in heeded:
            caller.setenv(name, value)
    assert [name for name, value in entered().items() if HOSTILE in value] == []


def test_a_process_begins_anew_in_the_projects_own_environment(tmp_path: Path) -> None:
    script = (
        "import sys; from drillbook.machine import environment; environment.enter('tests.entered')"
    )
    given = hostile() | {"PYTHONIOENCODING": "latin-1", "PYTHONOPTIMIZE": "2", "LC_ALL": "C"}
    heeded = environment.variables()
    given = {name: value for name, value in given.items() if name not in heeded}
    del given["PYTHONINSPECT"], given["PYTHONTRACEMALLOC"]  # of the process before, not of ours
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **given, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["optimize"] == 0, "a run without its assertions would prove anything"
    assert told["encoding"] == "utf-8"
    assert told["here"] == str(tmp_path), "paths are the caller's"
    assert [name for name, value in told["environ"].items() if HOSTILE in value] == []
    private = Path(told["environ"]["DOCKER_CONFIG"])
    assert private.parent == docker_config.PRIVATE
    assert not private.exists(), "it goes with its process"


@pytest.mark.stack
def test_compose_itself_reads_nothing_of_a_hostile_callers(
    caller: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugins = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    told = []
    for given in ({}, hostile()):
        for name, value in given.items():
            if environment.variables().get(name) != "port" and name != "TMPDIR":
                caller.setenv(name, value)
        stack = Shop({"POSTGRES_PASSWORD": "x"}, project="drillbook-0-same")
        told.append(
            subprocess.run(
                ["docker", "compose", "config"],
                env={**stack.shell_environment(), **plugins},
                cwd=ROOT / "service",
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
    assert told[0] == told[1]
    assert "@db:5432/mydatabase" in told[1]


# --- what is heeded ----------------------------------------------------------------------------
def test_proxies_serve_downloads_alone_and_never_loopback(caller: pytest.MonkeyPatch) -> None:
    caller.setenv("HTTPS_PROXY", "http://proxy.corp:3128")
    caller.setenv("no_proxy", "127.0.0.1,fd00::/8")
    seen = environment.downloading()
    assert seen["https_proxy"] == seen["HTTPS_PROXY"] == "http://proxy.corp:3128"
    assert seen["no_proxy"] == seen["NO_PROXY"] == "127.0.0.1,fd00::/8,localhost,127.0.0.1,::1"
    for other in (environment.plain, environment.python, environment.docker, environment.typed):
        assert not [name for name in other() if name.lower().endswith("proxy")]


def test_a_build_is_given_the_callers_proxies(caller: pytest.MonkeyPatch) -> None:
    assert environment.build_proxies() == {}
    caller.setenv("HTTP_PROXY", "http://proxy.corp:3128")
    assert environment.build_proxies() == {
        "http_proxy": "http://proxy.corp:3128",
        "no_proxy": "localhost,127.0.0.1,::1",
    }


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "localhost:3128", "http://[::1]:1"])
def test_a_build_is_given_no_proxy_on_a_loopback_that_is_not_its_own(
    caller: pytest.MonkeyPatch, proxy: str
) -> None:
    caller.setenv("http_proxy", proxy)
    assert environment.build_proxies() == {}
    assert environment.downloading()["http_proxy"] == proxy


@pytest.mark.parametrize("name", environment.CA_VARIABLES)
def test_the_callers_authorities_are_taken(
    caller: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    bundle = tmp_path / "corp.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    caller.setenv(name, str(bundle))
    assert environment.ca_bundle() == str(bundle)
    assert environment.downloading()["SSL_CERT_FILE"] == str(bundle)


def test_without_any_variable_the_systems_store_is_used(
    caller: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = tmp_path / "store.pem"
    store.write_text("-----BEGIN CERTIFICATE-----\n")
    caller.setattr(environment, "SYSTEM_BUNDLES", ("/nonexistent", str(store)))
    assert entered()["SSL_CERT_FILE"] == environment.downloading()["SSL_CERT_FILE"] == str(store)
    store.write_bytes(b"x" * (environment.LARGEST_SECRET_BYTES + 1))
    assert environment.ca_bundle() == "", "no build could be given so large a file"


def test_ports_that_are_named_and_only_those(caller: pytest.MonkeyPatch) -> None:
    caller.setenv("HTTP_PORT", "8080")
    caller.setenv("BACKEND_PORT", "")
    assert environment.ports() == {"HTTP_PORT": "8080"}, "empty means the default"


@pytest.mark.parametrize(
    ("given", "plain"),
    [({}, False), ({"TERM": "dumb"}, True), ({"NO_COLOR": "1"}, True), ({"NO_COLOR": ""}, False)],
)
def test_who_wants_no_escape_sequences(
    caller: pytest.MonkeyPatch, given: Mapping[str, str], plain: bool
) -> None:
    for name, value in given.items():
        caller.setenv(name, value)
    assert environment.plain_output() is plain


# --- what is refused ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("BACKEND_PORT", "tcp://10.0.0.5:8000", "is no port"),
        ("HTTP_PORT", "0", "is no port"),
        ("HTTPS_PORT", "65536", "is no port"),
        ("HTTP_PORT", "²", "is no port"),
        ("HTTP_PORT", " 80", "is no port"),
        ("HTTP_PORT", "8000", "is the port that BACKEND_PORT has"),
        ("GRAFANA_PORT", "80\n81", "is no port"),
        ("POSTGRES_IMAGE", "two words", "is no name of an image"),
        ("NGINX_IMAGE", "--privileged", "is no name of an image"),
        ("HTTP_PROXY", "http://", "is no address of a proxy"),
        ("https_proxy", "http://[fd00::/8", "is no address of a proxy"),
        ("SSL_CERT_FILE", "/nonexistent.pem", "cannot be read"),
        ("SSL_CERT_FILE", "/etc/hostname", "holds no certificate"),
        ("CHROMIUM", "/nonexistent", "is no program"),
        ("TMPDIR", "/nonexistent", "is no folder"),
        ("DOCKER_HOST", "localhost", "names no engine"),
        ("DOCKER_CONTEXT", "nowhere", "there is no such context"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_one_line_that_names_it(
    caller: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    caller.setenv(name, value)
    with pytest.raises(Refused) as caught:
        entered()
    said = str(caught.value)
    assert said.startswith(name)
    assert why in said
    assert "\n" not in said


@pytest.mark.parametrize("module", ["drillbook", "loadtests", "drillbook.clean"])
def test_every_job_refuses_before_it_does_anything(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, "BACKEND_PORT": "tcp://10.0.0.5:8000"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == "BACKEND_PORT=tcp://10.0.0.5:8000 is no port: a number from 1 to 65535\n"


# --- Docker's configuration --------------------------------------------------------------------
def configured(caller: pytest.MonkeyPatch, tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "of the caller"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(text)
    caller.setenv("DOCKER_CONFIG", str(folder))
    return folder


def test_credentials_and_plugins_are_kept_and_nothing_else_is(
    caller: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = base64.b64encode(b"me:hush").decode()
    kept = {"auths": {"reg.corp": {"auth": secret}}, "credHelpers": {"gcr.io": "gcloud"}}
    changing = {
        "proxies": {"default": {"httpProxy": "http://proxy.corp:1"}},
        "aliases": {"builder": "buildx"},
        "psFormat": "{{.ID}}",
        "HttpHeaders": {"X": "y"},
        "plugins": {"-x-cli-hints": {"enabled": "true"}},
        "cliPluginsExtraDirs": ["/opt/plugins"],
    }
    folder = configured(caller, tmp_path, json.dumps(kept | changing))
    private = Path(entered()["DOCKER_CONFIG"])
    assert json.loads((private / "config.json").read_text()) == kept | {
        "cliPluginsExtraDirs": [str(folder / "cli-plugins"), "/opt/plugins"]
    }
    assert private.stat().st_mode & 0o777 == 0o700
    assert (private / "config.json").stat().st_mode & 0o777 == 0o600
    caller.setenv("DOCKER_CONFIG", str(private))
    assert environment.build_proxies()["http_proxy"] == "http://proxy.corp:1", "builds need them"


@pytest.mark.parametrize("text", ['{"auths": {', "[]", '"x"', "\x00", "nonsense"])
def test_a_damaged_configuration_is_refused_in_one_line(
    caller: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    folder = configured(caller, tmp_path, text)
    with pytest.raises(Refused) as caught:
        entered()
    assert str(caught.value).startswith(f"DOCKER_CONFIG: {folder}/config.json is ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}"])
def test_an_empty_or_missing_configuration_is_fine(
    caller: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    configured(caller, tmp_path, text)
    assert "DOCKER_HOST" not in entered()
    caller.setenv("DOCKER_CONFIG", "/nonexistent")
    assert "DOCKER_HOST" not in entered()


def context(folder: Path, name: str, host: str, *, tls: bool = False) -> Path:
    """A context as Docker's command line keeps it."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts/meta" / digest / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
    certificates = folder / "contexts/tls" / digest / "docker"
    if tls:
        certificates.mkdir(parents=True)
    return certificates


def test_the_callers_context_names_the_engine_for_libraries_too(
    caller: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = configured(caller, tmp_path, '{"currentContext": "desktop"}')
    context(folder, "desktop", "unix:///run/desktop.sock")
    certificates = context(folder, "far", "tcp://far:2376", tls=True)
    assert entered()["DOCKER_HOST"] == "unix:///run/desktop.sock"
    caller.setenv("DOCKER_CONTEXT", "far")
    given = entered()
    assert given["DOCKER_HOST"] == "tcp://far:2376"
    assert (given["DOCKER_CERT_PATH"], given["DOCKER_TLS_VERIFY"]) == (str(certificates), "1")
    caller.setenv("DOCKER_HOST", "tcp://near:2375")
    assert entered()["DOCKER_HOST"] == "tcp://near:2375", "as Docker has it: the host comes first"


def test_a_folder_goes_with_its_process_and_not_before(
    caller: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = Path(entered()["DOCKER_CONFIG"])
    dead = docker_config.PRIVATE / "1"
    dead.mkdir()
    (dead / "lock").touch()
    docker_config.sweep()
    assert mine.exists()
    assert not dead.exists()
    assert Path(entered()["DOCKER_CONFIG"]) != mine, "process numbers are met with again"


# --- a checkout under umask 077 ----------------------------------------------------------------
def test_files_that_containers_read_are_made_readable(tmp_path: Path) -> None:
    service = tmp_path / "service"
    (service / "db").mkdir(parents=True, mode=0o700)
    for name, mode in (("db/postgresql.conf", 0o600), ("start.sh", 0o700), (".env", 0o600)):
        (service / name).touch(mode)
        (service / name).chmod(mode)
    assert readable.make_readable(tmp_path) == ["service"]
    modes = {path.name: path.stat().st_mode & 0o777 for path in service.rglob("*")}
    assert modes == {"db": 0o755, "postgresql.conf": 0o644, "start.sh": 0o755, ".env": 0o600}
    assert readable.make_readable(tmp_path) == [], "once"


def test_a_run_of_a_careful_caller_writes_what_containers_can_read(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"umask 077; {sys.executable} -m tests.entered"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["umask"] == 0o22


# --- the code ----------------------------------------------------------------------------------
ROOMS = ("benchmarks", "drillbook", "fixtures", "loadtests", "reports", "scenarios")
CLIENTS = {"Client", "AsyncClient"}
READS_THE_CALLERS = {
    "drillbook/machine/environment.py",
    "drillbook/machine/host.py",
    "drillbook/runbook/check/outside.py",  # `check` needs nothing of the engine
}


def modules() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def without(keyword: str, call: ast.Call) -> bool:
    return keyword not in {one.arg for one in call.keywords}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_whatever_is_started_or_asked_is_given_its_environment(path: Path) -> None:
    for name, call in calls(path):
        where = f"{path}:{call.lineno}"
        if name.startswith("subprocess.") or name == "_Outliving":
            inherits = without("env", call) and name != "subprocess.TimeoutExpired"
            assert not inherits, f"{where}: a child inherits whatever there is"
        if name.startswith("httpx.") and name.partition(".")[2] in CLIENTS:
            assert not without("trust_env", call), f"{where}: a client takes the caller's proxies"
        strange = name in {"docker.from_env", "httpx.get", "httpx.post", "requests.get"}
        assert not strange or path.name == "docker_client.py", (
            f"{where}: a client takes the caller's proxies"
        )


def test_only_one_module_reads_the_environment() -> None:
    reading = {
        str(path.relative_to(ROOT)) for path in modules() if "os.environ" in path.read_text()
    }
    assert reading == READS_THE_CALLERS
