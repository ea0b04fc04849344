from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import requests
from docker.errors import APIError, ImageNotFound

from drillbook.machine import images
from drillbook.machine.engine import BuildError, DockerEngine
from drillbook.machine.host import Done
from drillbook.machine.images import BASE, NETSHOOT, Image, ImageError
from fixtures.images import GRAFANA, MONITORING, STACK
from tests.fake_host import OK, FakeHost, debian

KINDS = {kind.name: kind for kind in (*STACK, *MONITORING, NETSHOOT)}
NAMES = [kind.name for kind in STACK]
NO_HOST = "lookup registry on 10.0.0.1:53: no such host"


@dataclass
class FakeEngine:
    """An engine that holds some images, and may or may not reach a registry."""

    holds: dict[str, str] = field(default_factory=dict)
    registry: str = NO_HOST
    environment: dict[str, str] = field(default_factory=dict)
    refuses_pull: str = ""
    refuses_build: str = ""
    asked: list[str] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)
    built: dict[str, str] = field(default_factory=dict)
    meeting: threading.Barrier | None = None

    def named(self, variable: str) -> str:
        return self.environment.get(variable, "")

    def local(self, references: Sequence[str]) -> dict[str, str]:
        return {name: self.holds[name] for name in references if name in self.holds}

    def unreachable(self, reference: str) -> str:
        self.asked.append(reference)
        return self.registry

    def pull(self, reference: str) -> Done:
        if self.refuses_pull in reference and self.refuses_pull:
            return Done(1, f"pulling\ntoomanyrequests: {reference}")
        self.pulled.append(reference)
        return OK

    def bootstrap(self, reference: str, packages: Sequence[str], recipe: str) -> None:
        if self.refuses_build == "debian":
            raise BuildError("stand-ins are made of Debian's packages, as root on Debian.")
        self.built[reference] = " ".join(packages)

    def build(self, reference: str, folder: Path, base: str, recipe: str) -> None:
        if self.meeting:
            self.meeting.wait(timeout=10)
        if self.refuses_build and self.refuses_build in reference:
            raise BuildError("docker failed (1):\nE: Unable to locate package")
        self.built[reference] = base


def choose(engine: FakeEngine, *kinds: str, said: list[str] | None = None) -> list[Image]:
    return images.choose(
        [KINDS[kind] for kind in kinds], (said if said is not None else []).append, engine
    )


def up_to_date(*kinds: str) -> dict[str, str]:
    return {KINDS[kind].stand_in: images.recipe(KINDS[kind]) for kind in kinds}


def test_official_images_that_are_local_are_taken_without_a_word() -> None:
    said: list[str] = []
    engine = FakeEngine(holds={KINDS[kind].official: "" for kind in NAMES})
    chosen = choose(engine, *NAMES, said=said)
    assert [image.reference for image in chosen] == [KINDS[k].official for k in NAMES]
    assert not any(image.stand_in for image in chosen)
    assert (said, engine.asked, engine.pulled, engine.built) == ([], [], [], {})


def test_an_official_image_comes_before_a_stand_in() -> None:
    engine = FakeEngine(holds={"postgres:17": "", **up_to_date("postgres")})
    assert choose(engine, "postgres")[0].reference == "postgres:17"


def test_stand_ins_that_are_up_to_date_are_taken_without_asking_a_registry() -> None:
    engine = FakeEngine(holds=up_to_date(*NAMES), registry="")
    chosen = choose(engine, *NAMES)
    assert all(image.stand_in for image in chosen)
    assert (engine.asked, engine.pulled, engine.built) == ([], [], {})


def test_what_is_not_local_is_pulled_and_each_registry_asked_once() -> None:
    engine = FakeEngine(registry="")
    chosen = choose(engine, *NAMES)
    assert engine.pulled == [KINDS[kind].official for kind in NAMES]
    assert engine.asked == ["postgres:17", "ghcr.io/shopify/toxiproxy:2.12.0"]
    assert not any(image.stand_in for image in chosen)


def test_a_stand_in_of_an_older_recipe_is_replaced() -> None:
    engine = FakeEngine(holds={KINDS["nginx"].stand_in: "an older one"})
    assert choose(engine, "nginx")[0].stand_in
    assert engine.built[KINDS["nginx"].stand_in] == "drillbook/debian:trixie"


def test_without_a_registry_stand_ins_are_built_side_by_side_on_one_base() -> None:
    said: list[str] = []
    engine = FakeEngine(meeting=threading.Barrier(len(NAMES)))
    chosen = choose(engine, *NAMES, said=said)
    assert [image.kind for image in chosen] == NAMES
    assert all(image.stand_in for image in chosen)
    assert engine.built.pop("drillbook/debian:trixie") == "ca-certificates"
    assert set(engine.built.values()) == {"drillbook/debian:trixie"}
    assert engine.asked == ["postgres:17", "ghcr.io/shopify/toxiproxy:2.12.0"]
    assert f"Images: docker.io cannot be reached: {NO_HOST}" in said


def test_a_debian_that_is_local_is_built_on() -> None:
    engine = FakeEngine(holds={"debian:trixie-slim": ""})
    choose(engine, "nginx")
    assert engine.built == {"drillbook/nginx:1.26": "debian:trixie-slim"}


def test_a_registry_that_stops_giving_is_not_asked_again() -> None:
    said: list[str] = []
    engine = FakeEngine(registry="", refuses_pull="nginx")
    chosen = choose(engine, "postgres", "nginx", "python", "toxiproxy", said=said)
    assert [image.stand_in for image in chosen] == [False, True, True, False]
    assert "Images: nginx:1.28 was not pulled: toomanyrequests: nginx:1.28" in said


def test_an_image_that_a_person_names_is_taken() -> None:
    engine = FakeEngine(environment={"POSTGRES_IMAGE": "registry.corp/pg:17"})
    (image,) = choose(engine, "postgres")
    assert image == Image(
        "postgres", "POSTGRES_IMAGE", "registry.corp/pg:17", "postgres:17", stand_in=False
    )
    assert engine.asked == []


@pytest.mark.parametrize("what", ["debian", "nginx"])
def test_neither_pulled_nor_built_is_one_clear_message(what: str) -> None:
    engine = FakeEngine(refuses_build=what)
    with pytest.raises(ImageError) as caught:
        choose(engine, "nginx", "postgres")
    message = str(caught.value)
    assert f"nginx:1.28 is not on this machine and cannot be pulled: {NO_HOST}" in message
    assert "Nor could a stand-in be built" in message
    assert "docker pull nginx:1.28" in message
    assert "NGINX_IMAGE" in message


def test_what_is_official_only_is_local_pulled_or_not_to_be_had() -> None:
    official = GRAFANA.official

    def found(engine: FakeEngine, *, pull: bool = True) -> str | None:
        image = images.official(GRAFANA, lambda _: None, engine, pull=pull)
        assert image is None or not image.stand_in  # there is none
        return image.reference if image else None

    assert found(FakeEngine(holds={official: ""})) == official
    assert found(FakeEngine(registry="")) == official
    assert found(FakeEngine()) is None
    unasked = FakeEngine(registry="")
    assert found(unasked, pull=False) is None
    assert unasked.asked == []
    assert found(FakeEngine(environment={"GRAFANA_IMAGE": "mine/grafana:1"})) == "mine/grafana:1"


def test_stand_ins_can_be_had_beside_official_images() -> None:
    engine = FakeEngine(holds={"postgres:17": "", "nginx:1.28": "", **up_to_date("nginx")})
    made = images.stand_ins([KINDS["postgres"], KINDS["nginx"]], lambda _: None, engine)
    assert [image.reference for image in made] == ["drillbook/postgres:17", "drillbook/nginx:1.26"]
    assert set(engine.built) == {"drillbook/debian:trixie", "drillbook/postgres:17"}


def test_the_environment_leads_to_the_images_chosen() -> None:
    engine = FakeEngine(holds={"postgres:17": "", **up_to_date("nginx")})
    assert images.environment(choose(engine, "postgres", "nginx")) == {
        "POSTGRES_IMAGE": "postgres:17",
        "NGINX_IMAGE": "drillbook/nginx:1.26",
    }


def test_every_kind_has_a_folder_and_a_variable_of_its_own() -> None:
    assert len({kind.variable for kind in KINDS.values()}) == len(KINDS)
    for kind in KINDS.values():
        assert (kind.recipe / "Dockerfile").is_file()


def test_a_kind_without_a_stand_in_says_so() -> None:
    with pytest.raises(BuildError, match="nobody wrote a stand-in for grafana"):
        _ = GRAFANA.recipe


def test_a_recipe_changes_with_its_folder_and_with_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = []
    for kind in STACK:
        shutil.copytree(kind.recipe, tmp_path / kind.name)
        copied.append(replace(kind, recipes=tmp_path))
    shutil.copytree(BASE.recipe, tmp_path / BASE.name)
    before = {kind.name: images.recipe(kind) for kind in STACK}
    monkeypatch.setattr(images, "BASE", replace(BASE, recipes=tmp_path))
    assert {kind.name: images.recipe(kind) for kind in copied} == before

    (tmp_path / "nginx" / "nginx.conf").write_text("# other")
    changed = {kind.name for kind in copied if images.recipe(kind) != before[kind.name]}
    assert changed == {"nginx"}

    (tmp_path / "debian" / "packages.txt").write_text("ca-certificates curl\n")
    assert all(images.recipe(kind) != before[kind.name] for kind in copied)


# --- what it asks of Docker --------------------------------------------------------------------
class FakeApi:
    """The engine's API: some images, and a registry that answers or fails in a given way."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure

    def inspect_image(self, reference: str) -> dict[str, dict[str, dict[str, str] | None]]:
        if reference == "missing":
            raise ImageNotFound("no such image")
        labels = {"drillbook.recipe": "abc"} if reference == "ours" else None
        return {"Config": {"Labels": labels}}

    def inspect_distribution(self, reference: str) -> None:
        if self.failure:
            raise self.failure


def docker_engine(host: FakeHost, failure: Exception | None = None) -> DockerEngine:
    engine = DockerEngine(host)
    engine.__dict__["_api"] = FakeApi(failure)
    return engine


def test_local_images_are_told_with_their_recipe() -> None:
    engine = docker_engine(FakeHost())
    assert engine.local(["ours", "missing", "theirs"]) == {"ours": "abc", "theirs": ""}


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (None, ""),
        (APIError("500 Server Error", explanation=NO_HOST), NO_HOST),
        (requests.exceptions.ReadTimeout("read"), "no answer within 8 s (ReadTimeout)"),
    ],
)
def test_a_registry_is_asked_through_the_engine(failure: Exception | None, why: str) -> None:
    assert docker_engine(FakeHost(), failure).unreachable("postgres:17") == why


def test_a_build_is_given_proxies_and_a_private_authority_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p")
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ca.crt")
    host = debian(variables={"GOPROXY": "https://go.corp"})
    host.answers["docker build"] = OK
    docker_engine(host).build("drillbook/x:1", Path("/r/x"), "debian:trixie-slim", "abc")
    (command,) = host.commands
    assert "--build-arg https_proxy=http://p " in command
    assert "--build-arg GOPROXY=https://go.corp " in command
    assert "--build-arg DEBIAN_IMAGE=debian:trixie-slim" in command
    assert "--secret id=ca_bundle,src=/etc/ca.crt" in command
    assert "--label drillbook.recipe=abc" in command


def test_a_build_that_fails_is_quoted() -> None:
    host = debian()
    host.answers["docker build"] = Done(1, "step 1\nE: Unable to locate package x")
    with pytest.raises(BuildError, match=r"(?s)docker failed \(1\).*Unable to locate"):
        docker_engine(host).build("drillbook/x:1", Path("/r/x"), "debian", "abc")


def test_a_debian_image_is_made_from_this_machines_mirror() -> None:
    host = debian()
    host.answers |= {"mmdebstrap": OK, "docker import": OK}
    docker_engine(host).bootstrap("drillbook/debian:trixie", ["a", "b"], "abc")
    assert host.ran("no-install-recommends mmdebstrap")
    assert host.ran("--include=a,b")
    assert host.commands[-2].endswith("root.tar http://mirror.example/debian")
    assert host.commands[-1].startswith("docker import")
    assert "LABEL drillbook.recipe=abc" in host.commands[-1]


def test_a_debian_image_cannot_be_made_elsewhere() -> None:
    with pytest.raises(BuildError, match="as root on Debian"):
        docker_engine(FakeHost()).bootstrap("drillbook/debian:trixie", ["a"], "abc")
    with pytest.raises(BuildError, match="only root can install it"):
        docker_engine(debian(is_root=False)).bootstrap("drillbook/debian:trixie", ["a"], "abc")


def test_a_tool_that_cannot_be_installed_is_explained() -> None:
    host = debian()
    host.answers["no-install-recommends mmdebstrap"] = Done(100, "E: no network")
    with pytest.raises(BuildError, match="no network"):
        docker_engine(host).bootstrap("drillbook/debian:trixie", ["a"], "abc")
