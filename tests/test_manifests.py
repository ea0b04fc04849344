"""The manifests, without a cluster: valid, hardened, and saying what the Compose file says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[1]
KUBERNETES = "1.35"
FOLDERS = ("service/k8s", "service/k8s-staging", "fixtures/chaos/k8s")
ADDONS = ROOT / "drillbook/platforms/kubernetes/node/etc/node/addons"
COMPOSE = yaml.safe_load((ROOT / "service/docker-compose.prod.yml").read_text())["services"]

Object = dict[str, Any]


def objects(folder: Path) -> list[tuple[str, Object]]:
    """Every object that a folder's manifests hold, with the words to name it by."""
    return [
        (f"{file.relative_to(ROOT)}: {one['kind']} {one['metadata']['name']}", one)
        for file in sorted(folder.glob("*.yaml"))
        for one in yaml.safe_load_all(file.read_text())
        if isinstance(one, dict) and one.get("kind") not in (None, "Kustomization")
    ]


SHOP = [named for folder in FOLDERS for named in objects(ROOT / folder)]
WORKLOADS = [named for named in SHOP if named[1]["kind"] in ("Deployment", "StatefulSet")]
# The aggregator's own kind is not among the published schemas.
NODE = [named for named in objects(ADDONS) if named[1]["kind"] != "APIService"]
OWN = {one["metadata"]["name"]: one for _, one in objects(ROOT / "service/k8s")}


def pod(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Object) -> Object:
    (only,) = pod(workload)["containers"]
    found: Object = only
    return found


def variables(workload: Object) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container(workload)["env"]}


def by_id(named: tuple[str, Object]) -> str:
    return named[0]


def test_there_is_something_to_hold_to_all_this() -> None:
    assert len(SHOP) > 20
    assert {name for name, _ in WORKLOADS} >= {
        "service/k8s/backend-deployment.yaml: Deployment backend-deployment",
        "service/k8s/db.yaml: StatefulSet db",
        "fixtures/chaos/k8s/toxiproxy.yaml: Deployment toxiproxy",
    }


@pytest.mark.parametrize("named", [*SHOP, *NODE], ids=by_id)
def test_each_is_what_kubernetes_calls_valid(named: tuple[str, Object]) -> None:
    kubernetes_validate.validate(named[1], KUBERNETES, strict=True)


def test_an_invalid_one_is_found() -> None:
    broken = {**OWN["backend-deployment"], "spec": {"replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


@pytest.mark.parametrize("named", WORKLOADS, ids=by_id)
def test_each_workload_is_hardened(named: tuple[str, Object]) -> None:
    spec, only = pod(named[1]), container(named[1])
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("named", WORKLOADS, ids=by_id)
def test_each_workload_says_what_it_needs_and_when_it_is_ready(named: tuple[str, Object]) -> None:
    only = container(named[1])
    assert set(only["resources"]["requests"]) == {"cpu", "memory"}
    assert "memory" in only["resources"]["limits"]
    assert "readinessProbe" in only


@pytest.mark.parametrize("named", WORKLOADS, ids=by_id)
def test_no_variable_is_made_of_a_service(named: tuple[str, Object]) -> None:
    # A service named db gives every pod DB_PORT=tcp://…, a name that a program may read itself.
    assert pod(named[1])["enableServiceLinks"] is False


def test_the_names_are_the_runbooks() -> None:
    runbook = (ROOT / "runbook.md").read_text()
    assert "deployment/backend-deployment" in runbook
    assert OWN["backend-deployment"]["kind"] == "Deployment"
    assert "`backend-service`" in runbook
    assert OWN["backend-service"]["kind"] == "Service"
    assert "k8s/backend-deployment.yaml" in runbook
    assert (ROOT / "service/k8s/backend-deployment.yaml").is_file()
    (label,) = set(re.findall(r"kubectl get pods -l (\S+=\w+)", runbook))
    key, _, value = label.partition("=")
    assert OWN["db"]["spec"]["selector"] == {key: value}


def test_the_variables_are_the_compose_files() -> None:
    assert variables(OWN["backend-deployment"]).keys() == {
        *COMPOSE["backend"]["environment"],
        "POSTGRES_PASSWORD",  # which the address is put together of
    }


@pytest.mark.parametrize(
    ("service", "workload"),
    [("db", "db.yaml"), ("nginx", "nginx.yaml"), ("payments", "payments.yaml")],
)
def test_the_images_are_the_compose_files(service: str, workload: str) -> None:
    file = ROOT / "service/k8s" / workload
    only = container(next(iter(yaml.safe_load_all(file.read_text()))))
    default = re.fullmatch(r"\$\{\w+:-(.+)\}", COMPOSE[service]["image"])
    assert default
    assert only["image"] == default[1]


def test_liveness_asks_nothing_that_a_restart_would_not_mend() -> None:
    probes = container(OWN["backend-deployment"])
    assert probes["livenessProbe"]["httpGet"]["path"] == "/alive"
    assert probes["readinessProbe"]["httpGet"]["path"] == "/health"


def test_no_manifest_holds_a_secret() -> None:
    assert not [name for name, one in SHOP if one["kind"] == "Secret"]
    address = variables(OWN["backend-deployment"])["DATABASE_URL"]
    assert "user:$(POSTGRES_PASSWORD)@db:5432/mydatabase" in address


def test_each_of_toxiproxys_links_stands_before_a_service() -> None:
    services = {one["metadata"]["name"]: one for _, one in SHOP if one["kind"] == "Service"}
    links = yaml.safe_load((ROOT / "fixtures/chaos/k8s/toxiproxy.json").read_text())
    assert [link["name"] for link in links] == ["db", "payments", "backend"]
    for link in links:
        behind, _, port = link["upstream"].partition(":")
        assert services[behind]["spec"]["ports"][0]["port"] == int(port)
        assert services[behind]["spec"]["selector"] == {"app": link["name"]}
        (before,) = services[link["name"]]["spec"]["ports"]
        assert f"0.0.0.0:{before['port']}" == link["listen"]
