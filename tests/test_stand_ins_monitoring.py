"""Holds the stand-ins of what watches the shop to the contract of the images they stand in for.

As in ``test_stand_ins``, the official images are held to the same where they are local.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from docker import DockerClient
from docker.models.containers import Container

from drillbook.machine import docker_client, images
from drillbook.machine.ready import Engine
from fixtures.images import MONITORING, PROMETHEUS, TOOLBOX
from tests.test_stand_ins import eventually, execute, one_shot, reference, running

__all__ = ["reference"]  # a fixture
pytestmark = pytest.mark.stack
Reference = Callable[[str], str]


@pytest.fixture(scope="module")
def client(engine: Engine) -> Iterator[DockerClient]:
    images.stand_ins((*MONITORING, TOOLBOX), print)
    client = docker_client.connected(60)
    yield client
    client.close()


@contextmanager
def asked_by(client: DockerClient, container: Container) -> Iterator[Container]:
    """A container that shares another one's network, and has wget."""
    helper = client.containers.run(
        PROMETHEUS.stand_in,
        ["60"],
        entrypoint=["sleep"],
        network_mode=f"container:{container.id}",
        detach=True,
    )
    try:
        yield helper
    finally:
        helper.remove(force=True, v=True)


def test_prometheus_scrapes_as_nobody_and_reloads(
    client: DockerClient, reference: Reference
) -> None:
    files = {
        "/etc/prometheus/prometheus.yml": (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs: [{job_name: self, static_configs: [{targets: ['localhost:9090']}]}]\n"
        )
    }
    command = [
        "--config.file=/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path=/prometheus",
        "--web.enable-lifecycle",
        "--query.lookback-delta=5m",
    ]
    with running(client, reference("prometheus"), command, files=files) as container:
        eventually(container, "wget -q -O /dev/null http://127.0.0.1:9090/-/ready")
        up = "wget -q -O - 'http://127.0.0.1:9090/api/v1/query?query=up' | grep '\"1\"'"
        assert '"job":"self"' in eventually(container, up)
        reload = "wget -q -O /dev/null --post-data= http://127.0.0.1:9090/-/reload"
        eventually(container, reload)
        assert execute(container, "id", "-un") == (0, "nobody")
        assert container.exec_run(["promtool", "--version"]).exit_code == 0


def test_alertmanager_serves_and_brings_amtool(client: DockerClient, reference: Reference) -> None:
    files = {"/etc/alertmanager/alertmanager.yml": "route: {receiver: x}\nreceivers: [{name: x}]\n"}
    command = [
        "--config.file=/etc/alertmanager/alertmanager.yml",
        "--storage.path=/alertmanager",
        "--cluster.listen-address=",
    ]
    with running(client, reference("alertmanager"), command, files=files) as container:
        eventually(container, "wget -q -O /dev/null http://127.0.0.1:9093/-/ready")
        assert eventually(container, "wget -q -O - http://127.0.0.1:9093/api/v2/alerts") == "[]"
        assert container.exec_run(["amtool", "--version"]).exit_code == 0


DATABASE = {
    "DATA_SOURCE_URI": "127.0.0.1:5432/x?sslmode=disable&connect_timeout=2",
    "DATA_SOURCE_USER": "user",
    "DATA_SOURCE_PASS": "secret",
}
# What each is given, where it answers, and what it says where there is nothing to ask.
EXPORTERS = {
    "node_exporter": (["--path.rootfs=/", "--log.level=warn"], "9100", "node_load1"),
    "postgres_exporter": (
        ["--collector.stat_statements", "--log.level=error"],
        "9187",
        "pg_up 0",
    ),
    "nginx_exporter": (
        ["--nginx.scrape-uri=http://127.0.0.1:8081/stub_status", "--log.level=error"],
        "9113",
        "nginx_up 0",
    ),
}


@pytest.mark.parametrize("kind", EXPORTERS)
def test_an_exporter_answers_whether_or_not_there_is_something_to_ask(
    client: DockerClient, reference: Reference, kind: str
) -> None:
    command, port, shows = EXPORTERS[kind]
    environment = DATABASE if kind == "postgres_exporter" else {}
    with (
        running(client, reference(kind), command, environment) as container,
        asked_by(client, container) as helper,
    ):
        eventually(helper, f"wget -q -O - http://127.0.0.1:{port}/metrics | grep '{shows}'")


def test_blackbox_exporter_probes_and_tells_the_status(
    client: DockerClient, reference: Reference
) -> None:
    files = {"/etc/blackbox_exporter/config.yml": "modules: {http: {prober: http}}\n"}
    with (
        running(client, reference("blackbox_exporter"), files=files) as container,
        asked_by(client, container) as helper,
    ):
        probe = "http://127.0.0.1:9115/probe?module=http&target=http://127.0.0.1:9115/probe"
        told = eventually(helper, f"wget -q -O - '{probe}' | grep '^probe_'")
        assert "probe_success 0" in told
        assert "probe_http_status_code 400" in told


def test_cadvisor_tells_containers_by_their_compose_service(
    client: DockerClient, reference: Reference
) -> None:
    mounts = ["/:/rootfs:ro", "/var/run:/var/run:ro", "/sys:/sys:ro"]
    watched = client.containers.create(
        reference("cadvisor"),
        [
            "--docker_only=true",
            "--housekeeping_interval=1s",
            "--enable_metrics=cpu,memory,network,oom_event",
            "--store_container_labels=false",
            "--whitelisted_container_labels=com.docker.compose.service",
        ],
        user="root",
        volumes=[*mounts, "/var/lib/docker:/var/lib/docker:ro"],
        labels={"com.docker.compose.service": "watched"},
    )
    try:
        watched.start()
        with asked_by(client, watched) as helper:
            line = (
                "wget -q -O - http://127.0.0.1:8080/metrics | grep service=.watched. "
                "| grep container_memory_working_set_bytes"
            )
            assert "container_label_com_docker_compose_service" in eventually(helper, line)
            names = eventually(
                helper, "wget -q -O - http://127.0.0.1:8080/metrics | grep ^machine_"
            )
            assert "machine_cpu_cores" in names
    finally:
        watched.remove(force=True, v=True)


def test_netshoot_has_iptables(client: DockerClient, reference: Reference) -> None:
    assert "iptables v1" in one_shot(client, reference("netshoot"), "iptables", "--version")
