"""Holds each stand-in to the contract of the image it stands in for.

Where the official image is local, it is held to the same: a contract that it does not keep
would be one of our own making.
"""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import docker
import pytest
from docker import DockerClient
from docker.errors import ImageNotFound
from docker.models.containers import Container

from drillbook.machine import docker_client, images
from drillbook.machine.ready import Engine
from fixtures.images import MONITORING, STACK, TOOLBOX

pytestmark = pytest.mark.stack
DEADLINE_S = 30.0
KINDS = {kind.name: kind for kind in (*STACK, *MONITORING, TOOLBOX)}
DATABASE = {"POSTGRES_USER": "user", "POSTGRES_PASSWORD": "secret", "POSTGRES_DB": "mydatabase"}


@pytest.fixture(scope="module")
def client(engine: Engine) -> Iterator[DockerClient]:
    images.stand_ins(STACK, print)
    client = docker_client.connected(60)
    yield client
    client.close()


@pytest.fixture(params=["stand_in", "official"])
def reference(request: pytest.FixtureRequest, client: DockerClient) -> Callable[[str], str]:
    """The image to hold to its contract: the stand-in, and the official one where it is local."""

    def of(kind: str) -> str:
        name: str = getattr(KINDS[kind], request.param)
        try:
            client.images.get(name)
        except ImageNotFound:
            pytest.skip(f"{name} is not on this machine")
        return name

    return of


@contextmanager
def running(
    client: DockerClient,
    image: str,
    command: list[str] | None = None,
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> Iterator[Container]:
    """Start a container with some files in it; it is removed with its volumes afterwards."""
    container = client.containers.create(image, command, environment=dict(environment or {}))
    try:
        if files:
            container.put_archive("/", archive(files))
        container.start()
        yield container
    finally:
        container.remove(force=True, v=True)


def archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size = len(text.encode())
            entry.mode = 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def execute(container: Container, *command: str) -> tuple[int, str]:
    done = container.exec_run(list(command))
    assert done.exit_code is not None
    assert isinstance(done.output, bytes)
    return done.exit_code, done.output.decode().strip()


def inside(container: Container, command: str) -> tuple[int, str]:
    return execute(container, "sh", "-c", command)


def query(
    database: Container, words: str, host: str = "127.0.0.1", password: str = "secret"
) -> str:
    """What a query over TCP gives, or what psql says instead."""
    command = f"PGPASSWORD={password} psql -h {host} -U user -d mydatabase -At -c"
    return inside(database, f'{command} "{words}"')[1]


def eventually(container: Container, command: str) -> str:
    """Wait until a command in a container succeeds; what it said."""
    until_s = time.monotonic() + DEADLINE_S
    while True:
        status, said = inside(container, command)
        if status == 0:
            return said
        if time.monotonic() > until_s:
            pytest.fail(f"{command}: {said}\n{container.logs().decode()}")
        time.sleep(0.05)


def ended(container: Container) -> int:
    return int(container.wait(timeout=DEADLINE_S)["StatusCode"])


def one_shot(client: DockerClient, image: str, *command: str) -> str:
    with running(client, image, list(command)) as container:
        assert ended(container) == 0, container.logs().decode()
        return str(container.logs().decode())


# --- postgres ----------------------------------------------------------------------------------
READY = "pg_isready -h 127.0.0.1 -U user -d mydatabase"


def test_postgres_makes_user_database_and_runs_the_scripts(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    scripts = {
        "/docker-entrypoint-initdb.d/1.sql": "CREATE TABLE first (n int);",
        "/docker-entrypoint-initdb.d/2.sh": (
            'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO first VALUES (7)"'
        ),
    }
    command = ["postgres", "-c", "log_min_duration_statement=100"]
    with running(client, reference("postgres"), command, DATABASE, scripts) as db:
        eventually(db, READY)
        assert query(db, "SELECT n FROM first") == "7"
        assert query(db, "SHOW log_min_duration_statement") == "100ms"
        assert query(db, "SELECT current_user, current_database()") == "user|mydatabase"
        assert query(db, "SHOW data_directory") == "/var/lib/postgresql/data"
        assert query(db, "SHOW listen_addresses") == "*"
        collation = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
        assert query(db, collation) == "en_US.utf8"
        assert query(db, "SHOW fsync") == "on"


def test_postgres_asks_for_the_password_over_the_network(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    with running(client, reference("postgres"), environment=DATABASE) as db:
        eventually(db, READY)
        address = inside(db, "hostname -i")[1].split()[0]
        assert query(db, "SELECT 1", address) == "1"
        said = query(db, "SELECT 1", address, password="wrong")
        assert "password authentication failed" in said


def test_postgres_keeps_its_data_over_a_restart_and_stops_clean(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    image = reference("postgres")
    assert client.images.get(image).attrs["Config"]["StopSignal"] == "SIGINT"
    with running(client, image, environment=DATABASE) as db:
        eventually(db, READY)
        assert query(db, "CREATE TABLE kept (n int)") == "CREATE TABLE"
        db.stop(timeout=20)
        assert ended(db) == 0
        db.start()
        eventually(db, READY)
        assert query(db, "SELECT count(*) FROM kept") == "0"
        assert "Skipping initialization" in db.logs().decode()


def test_postgres_runs_as_its_own_user_with_its_tools_on_path(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    with running(client, reference("postgres"), environment=DATABASE) as db:
        eventually(db, READY)
        assert inside(db, "id -u postgres; id -g postgres") == (0, "999\n999")
        assert inside(db, "stat -c %U /proc/1 /var/lib/postgresql/data") == (
            0,
            "postgres\npostgres",
        )
        for tool in ("psql", "pg_isready", "pg_dump", "pg_ctl", "initdb", "gosu", "bash"):
            assert inside(db, f"command -v {tool}")[0] == 0, tool


def test_postgres_takes_the_password_from_a_file(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    given = {"POSTGRES_USER": "user", "POSTGRES_DB": "mydatabase"}
    given["POSTGRES_PASSWORD_FILE"] = "/run/password"
    with running(client, reference("postgres"), None, given, {"/run/password": "secret"}) as db:
        eventually(db, READY)
        assert query(db, "SELECT 1") == "1"


def test_postgres_refuses_to_start_without_a_password(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    with running(client, reference("postgres")) as db:
        assert ended(db) == 1
        assert "POSTGRES_PASSWORD" in db.logs().decode()


def test_postgres_takes_options_alone_as_its_own(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    with running(client, reference("postgres"), ["-c", "work_mem=8MB"], DATABASE) as db:
        eventually(db, READY)
        assert query(db, "SHOW work_mem") == "8MB"


# --- nginx -------------------------------------------------------------------------------------
SITE = "server { listen 8080; location / { return 200 'from ${NAME} $request_method\\n'; } }"


def test_nginx_serves_logs_to_its_streams_and_finishes_its_work(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    image = reference("nginx")
    assert client.images.get(image).attrs["Config"]["StopSignal"] == "SIGQUIT"
    with running(client, image) as nginx:
        page = eventually(nginx, "curl -fsS http://localhost/")
        assert "nginx" in page
        assert "GET / HTTP/1.1" in nginx.logs(stdout=True, stderr=False).decode()
        assert inside(nginx, "nginx -t")[0] == 0
        assert inside(nginx, "id -u nginx") == (0, "101")
        assert inside(nginx, "command -v openssl curl envsubst")[0] == 0
        assert inside(nginx, "cat /proc/1/cmdline | tr '\\0' ' '")[1].startswith("nginx: master")
        nginx.stop(timeout=10)
        assert ended(nginx) == 0


def test_nginx_runs_scripts_and_fills_in_templates(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    files = {
        "/etc/nginx/templates/site.conf.template": SITE,
        "/docker-entrypoint.d/40-ours.sh": "#!/bin/sh\ntouch /tmp/ran\n",
        "/docker-entrypoint.d/05-name.envsh": "export NAME=envsh\n",
    }
    with running(client, reference("nginx"), None, {"NAME": "outside"}, files) as nginx:
        assert eventually(nginx, "curl -fsS http://localhost:8080/") == "from envsh GET"
        assert inside(nginx, "test -e /tmp/ran")[0] == 0
        assert "/docker-entrypoint.sh" in nginx.logs().decode()


def test_nginx_takes_a_whole_configuration(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    whole = (
        "user nginx; pid /run/nginx.pid; events {} http { include /etc/nginx/mime.types; "
        "server { listen 80; location = /s { stub_status; } } }"
    )
    with running(client, reference("nginx"), files={"/etc/nginx/nginx.conf": whole}) as nginx:
        assert "Active connections" in eventually(nginx, "curl -fsS http://localhost/s")


def test_nginx_that_cannot_read_its_configuration_says_so(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    with running(client, reference("nginx"), files={"/etc/nginx/nginx.conf": "nonsense;"}) as nginx:
        assert ended(nginx) == 1
        assert 'unknown directive "nonsense"' in nginx.logs().decode()


# --- python ------------------------------------------------------------------------------------
def test_python_is_that_of_usr_local_and_pip_installs_there(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    code = "import sys, sysconfig; print(sys.prefix, sysconfig.get_path('purelib'))"
    where = one_shot(client, reference("python"), "python", "-c", code)
    assert where.split() == ["/usr/local", "/usr/local/lib/python3.13/site-packages"]
    found = one_shot(
        client, reference("python"), "sh", "-c", "command -v python python3 python3.13 pip pip3"
    )
    assert {line.rpartition("/")[0] for line in found.split()} == {"/usr/local/bin"}


def test_python_makes_environments_that_work_when_copied(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    script = (
        "python -m venv /opt/app && /opt/app/bin/pip --version && /opt/app/bin/python -c "
        '\'import ssl, sqlite3, zoneinfo; zoneinfo.ZoneInfo("Europe/Berlin"); print("fine")\''
    )
    assert one_shot(client, reference("python"), "sh", "-ec", script).endswith("fine\n")


def test_python_is_started_as_root_and_is_3_13(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    said = one_shot(client, reference("python"), "sh", "-c", "python -V; id -u; echo $LANG")
    version, user, *_ = said.split("\n")
    assert version.startswith("Python 3.13.")
    assert user == "0"


# --- toxiproxy ---------------------------------------------------------------------------------
def test_toxiproxy_serves_its_api_and_brings_its_command_line(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    with running(client, reference("toxiproxy")) as toxiproxy:
        until_s = time.monotonic() + DEADLINE_S
        create = ["/toxiproxy-cli", "create", "-l", "0.0.0.0:5432", "-u", "db.upstream:5432", "db"]
        while (made := execute(toxiproxy, *create))[0] != 0:
            assert time.monotonic() < until_s, made
            time.sleep(0.05)
        status, listed = execute(toxiproxy, "/toxiproxy-cli", "list")
        assert status == 0
        assert "db.upstream:5432" in listed


def test_toxiproxy_is_the_version_it_says_and_nothing_else(
    client: DockerClient, reference: Callable[[str], str]
) -> None:
    image = client.images.get(reference("toxiproxy"))
    assert one_shot(client, reference("toxiproxy"), "-version").strip().endswith("version 2.12.0")
    assert image.attrs["Config"]["Entrypoint"] == ["/toxiproxy"]
    assert "8474/tcp" in image.attrs["Config"]["ExposedPorts"]
    container = client.containers.create(image, entrypoint="/bin/sh")
    try:
        with pytest.raises(docker.errors.APIError, match="sh"):
            container.start()
    finally:
        container.remove()  # one that never ran is not removed by itself
