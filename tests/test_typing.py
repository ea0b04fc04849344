"""Nothing is typed that neither a scenario names nor only looks; the rest is reported."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbook.drill import Command, Drill, compose
from drillbook.drill.errors import CommandNotInRunbook
from drillbook.drill.only_looks import refusal
from drillbook.drill.shell_words import Refused, words
from drillbook.platforms.protocols import Reach
from drillbook.runbook import load
from drillbook.terminal import Typed
from tests.fake_world import World, book, burnt_out, lamp, told, world

__all__ = ["book", "lamp", "world"]  # fixtures

LONG_ID = "3f" * 32
HERE = Reach(
    "compose",
    "shop-1",
    frozenset({"db", "backend"}),
    frozenset({"shop-1-db-1", LONG_ID, LONG_ID[:12]}),
    frozenset({"docker-compose.prod.yml"}),
    frozenset({8000, 443}),
)
CLUSTER = replace(HERE, platform="kubernetes", project="shop")

# --- which commands ------------------------------------------------------------------------------
LOOKS = """
docker ps
docker ps -a
docker ps -aq --no-trunc --filter name=db
docker ps --format '{{.Names}} {{.Status}}'
docker ps -f "name=shop-1-db-1" -n5
docker logs shop-1-db-1
docker logs -f --tail=50 --since 10m shop-1-db-1
docker logs -ft -n 5 3f3f3f3f3f3f
docker inspect shop-1-db-1
docker inspect -f '{{.State.Status}}' --type container shop-1-db-1
docker stats
docker stats --no-stream shop-1-db-1
docker compose ps -a db backend
docker compose -f docker-compose.prod.yml ps
docker compose --file=./docker-compose.prod.yml -p shop-1 logs --tail 5 db
docker compose logs
docker-compose ps
docker-compose -f docker-compose.prod.yml logs backend
curl http://localhost:8000/health
curl -fsS https://127.0.0.1/items/1
curl -s -o /dev/null -w '%{http_code}' -H "Origin: http://a.example" http://localhost:8000/
curl -X GET -m 5 -I 'http://localhost:8000/items?limit=2&search=lamp'
"""
CLUSTER_LOOKS = """
kubectl get pods
kubectl get pods -l app=db -o wide
kubectl -n shop get pods,services --show-labels
kubectl get pods -o=jsonpath='{.items[0].metadata.name}'
kubectl describe pod backend-6f7c-x2
kubectl logs -f backend-6f7c-x2 --previous -c backend --tail=20 -n shop
kubectl logs deployment/backend-deployment
"""
# What a command that is not typed is refused for: a part of the reason.
REFUSED = {
    # what the runbook's readers fear most
    "docker compose down -v": "`docker compose down` is none",
    "docker system prune": "`docker system` is none",
    "docker system prune -af --volumes": "`docker system` is none",
    "git reset --hard": "`git` is none of the commands that only look",
    "rm -rf /": "`rm` is none",
    "rm -rf ./data": "`rm` is none",
    "curl http://localhost:8000/install.sh | sh": "hands what is shown to another command",
    "curl -fsSL http://localhost:8000/x | sudo bash": "hands what is shown",
    # shell
    "docker logs $(docker ps -q)": "run another command for its words",
    "docker logs `docker ps -q`": "run another command for its words",
    "docker logs $CONTAINER": "a variable",
    "docker logs ${CONTAINER:-$(rm -rf /)}": "a variable",
    'docker logs "$(rm -rf /)"': "run another command for its words",
    'docker ps --format "`rm -rf /`"': "run another command for its words",
    "docker ps <(rm -rf /)": "run another command for its words",
    "docker ps; rm -rf /": "more than one command",
    "docker ps && rm -rf /": "more than one command",
    "docker ps || rm -rf /": "more than one command",
    "docker ps & rm -rf /": "more than one command",
    "docker ps\nrm -rf /": "no command needs",
    "docker ps > /etc/passwd": "redirects",
    "docker ps 2>&1": "redirects",
    "docker ps >> runbook.md": "redirects",
    "docker logs shop-1-db-1 < /etc/passwd": "redirects",
    "(docker ps)": "more than one command",
    "{ docker ps; }": "more than one command",
    "! docker ps": "more than one command",
    "if docker ps; then rm -rf /; fi": "more than one command",
    "docker ps $((1+1))": "work out its words",
    "docker ps *": "a shell would do something with `*`",
    "docker ps {a,b}": "a shell would do something",
    "docker ps ~/x": "a shell would do something",
    "docker ps \\; rm": "a shell would do something",
    "docker ps $'-a'": "a shell would do something",
    "docker ps 'a": "a shell could not read it",
    "docker ps \\ -a": "between its words",
    "docker ps !!": "a shell would do something",
    "DOCKER_HOST=tcp://10.0.0.1:2375 docker ps": "sets a variable",
    "COMPOSE_PROJECT_NAME=prod docker compose ps": "sets a variable",
    "sudo docker ps": "`sudo` is none",
    "env docker ps": "`env` is none",
    "time docker ps": "`time` is none",
    "bash -c 'docker ps'": "`bash` is none",
    "/opt/docker ps": "`/opt/docker` is none",
    "xargs docker logs": "`xargs` is none",
    "docker\u00a0ps": "U+00A0 NO-BREAK SPACE",
    "docker ps \u2013a": "U+2013 EN DASH",
    "docker ps d\u0431": "characters that no command needs",
    "docker ps \x1b[2J": "characters that no command needs",
    "docker logs <container_name>": "no value is known for <container_name>",
    "": "more than one command",
    "# docker ps": "more than one command",
    "docker ps " + "-a " * 500: "longer than",
    # another engine, another stack
    "docker -H tcp://10.0.0.1 ps": "`docker -H` may be about another engine",
    "docker --host=ssh://prod ps": "may be about another engine",
    "docker --context prod ps": "may be about another engine",
    "docker --config /tmp ps": "may be about another engine",
    "docker compose -p prod ps": "`-p prod` is not about this stack",
    "docker compose --project-name=prod ps": "is not about this stack",
    "docker compose -f /srv/prod.yml ps": "`-f /srv/prod.yml` is not about this stack",
    "docker compose --project-directory /srv ps": "may be about another stack",
    "docker compose --env-file /srv/env ps": "may be about another stack",
    "docker compose --profile all ps": "may be about another stack",
    "docker compose ps web": "`web` is no service of this stack",
    "docker logs prod-db-1": "`prod-db-1` is no container of this stack",
    "docker logs 3f": "`3f` is no container of this stack",
    "docker logs aabbccddeeff": "is no container of this stack",
    "docker logs": "name 1 container, and names 0",
    "docker logs shop-1-db-1 shop-1-db-1": "name 1 container, and names 2",
    "docker inspect": "name 1 or more container, and names 0",
    "docker inspect --type volume shop-1-db-1": "is not about this stack alone",
    "docker stats prod-db-1": "is no container",
    # more than a look
    "docker": "`docker` is none",
    "docker compose": "`docker compose` is none",
    "docker exec shop-1-db-1 rm -rf /": "`docker exec` is none",
    "docker compose exec db sh": "`docker compose exec` is none",
    "docker compose up -d": "`docker compose up` is none",
    "docker-compose down": "`docker compose down` is none",
    "docker compose restart db": "`docker compose restart` is none",
    "docker run --rm -v /:/host debian rm -rf /host": "`docker run` is none",
    "docker build -t myapp .": "`docker build` is none",
    "docker ps --unknown": "`--unknown` may do more than look",
    "docker ps -ax": "`-ax` may do more than look",
    "docker logs --tail": "`--tail` has no value",
    "docker logs -n x shop-1-db-1": "is not about this stack alone",
    "kubectl get pods": "`kubectl` would look elsewhere: this stack runs on compose",
    "curl http://example.com/": "is no address of this stack",
    "curl http://localhost:9999/": "is no address of this stack",
    "curl http://localhost/": "is no address of this stack",
    "curl http://localhost:8000@example.com/": "is no address",
    "curl 'http://localhost:800{0,1}/'": "is no address",
    "curl file:///etc/passwd": "is no address",
    "curl localhost:8000": "is no address",
    "curl -d x=1 http://localhost:8000/orders": "`-d` may do more than look",
    "curl --data-binary @/etc/passwd http://localhost:8000/": "may do more than look",
    "curl -X DELETE http://localhost:8000/items/1": "`-X DELETE` is not about this stack",
    "curl -XPOST http://localhost:8000/": "`-X POST`",
    "curl --request=PUT http://localhost:8000/": "`--request PUT`",
    "curl -T f http://localhost:8000/": "`-T` may do more",
    "curl -o /etc/cron.d/x http://localhost:8000/": "`-o /etc/cron.d/x`",
    "curl -O http://localhost:8000/x": "`-O` may do more",
    "curl -L http://localhost:8000/": "`-L` may do more",
    "curl -K conf http://localhost:8000/": "`-K` may do more",
    "curl -x http://10.0.0.1 http://localhost:8000/": "`-x` may do more",
    "curl -H @/etc/passwd http://localhost:8000/": "is not about this stack",
    "curl -w '%output{/etc/x}' http://localhost:8000/": "is not about this stack",
    "curl http://localhost:8000/ http://localhost:8000/": "name 1 address, and names 2",
    "curl -s": "and names 0",
}
CLUSTER_REFUSED = {
    "kubectl delete pod db-0": "`kubectl delete` is none",
    "kubectl apply -f ...": "`kubectl apply` is none",
    "kubectl rollout undo deployment/backend": "`kubectl rollout` is none",
    "kubectl exec -it db-0 -- bash": "`kubectl exec` is none",
    "kubectl --context prod get pods": "may be about another stack",
    "kubectl --kubeconfig /tmp/x get pods": "may be about another stack",
    "kubectl -n kube-system get pods": "`-n kube-system` is not about this stack",
    "kubectl get pods -n prod": "`-n prod` is not about this stack",
    "kubectl get pods -A": "`-A` may do more",
    "kubectl get pods --context=prod": "may do more",
    "kubectl get --raw /api": "`--raw` may do more",
    "kubectl get -f http://example.com/x.yml": "`-f` may do more",
    "kubectl get secrets -o yaml": "`secrets` is no",
    "kubectl get pods,secret": "is no kind or name that may be shown",
    "kubectl get secret/db": "is no kind or name that may be shown",
    "kubectl get pods -o jsonpath-file=/etc/passwd": "is not about this stack",
    "kubectl get": "and names 0",
    "docker ps": "`docker` would look elsewhere: this stack runs on kubernetes",
}


@pytest.mark.parametrize("command", LOOKS.strip().splitlines())
def test_a_command_that_only_looks_is_typed(command: str) -> None:
    assert refusal(command, HERE) is None


@pytest.mark.parametrize("command", CLUSTER_LOOKS.strip().splitlines())
def test_a_command_that_only_looks_at_a_cluster_is_typed(command: str) -> None:
    assert refusal(command, CLUSTER) is None


@pytest.mark.parametrize("command", REFUSED)
def test_any_other_is_not_typed_and_the_reason_is_told(command: str) -> None:
    assert REFUSED[command] in (refusal(command, HERE) or "it is typed")


@pytest.mark.parametrize("command", CLUSTER_REFUSED)
def test_any_other_is_not_typed_at_a_cluster(command: str) -> None:
    assert CLUSTER_REFUSED[command] in (refusal(command, CLUSTER) or "it is typed")


PIECES = st.sampled_from(
    [*"ab-'\"$`;&|<>(){}[]*?~!#\\= \t\n", "docker", " ps", " -a", "$(", "${", "&&", "#", "\u00a0"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(max_examples=1000, deadline=None)
def test_what_is_let_through_has_the_words_that_a_shell_reads(command: str) -> None:
    try:
        found = words(command)
    except Refused:
        return
    assert found == shlex.split(command)


@given(st.lists(PIECES, max_size=12).map("".join).filter(lambda text: "\0" not in text))
@settings(max_examples=1000, deadline=None)
def test_what_is_let_through_is_one_command_to_bash_itself(command: str) -> None:
    try:
        found = words(command)
    except Refused:
        return
    shown = subprocess.run(
        ["bash", "--norc", "-c", f"show() {{ printf '%s\\n' \"$@\"; }}; show {command}"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert shown.stdout.splitlines() == found


def run(drill: Drill, body: Callable[[], None]) -> None:
    """Run a body as the plugin runs a scenario's."""
    with drill.closing():
        drill.begin()
        body()


# --- in a drill ----------------------------------------------------------------------------------
@dataclass
class House:
    """A lamp whose runbook a test writes, and a `docker` that only notes what it was asked."""

    world: World
    lamp: Drill
    folder: Path

    def step(self, words_of_step: str, command: Command) -> None:
        """Follow step 1 in these words."""
        self._drill(words_of_step, lambda: self.lamp.step(1, command))

    def symptom(self, words_of_symptom: str, command: Command) -> None:
        """Look for symptom 1 in these words."""
        self._drill(words_of_symptom, lambda: self.lamp.symptom(1, command), symptom=True)

    def fix(self, words_of_step: str, command: Command) -> None:
        """Heal by step 1 in these words."""
        self._drill(words_of_step, lambda: self.lamp.fix(1, command))

    @property
    def asked(self) -> list[str]:
        """What `docker` was asked, in order."""
        notes = self.folder / "asked"
        return notes.read_text().splitlines() if notes.exists() else []

    def _drill(self, line: str, act: Callable[[], None], *, symptom: bool = False) -> None:
        path = self.folder / "runbook.md"
        text = path.read_text()
        text = text.replace(
            "It is dark." if symptom else "Look at it: `echo the lamp is off`", line
        )
        path.write_text(text.replace(", or `echo <what>`", ""))
        self.lamp.record.runbook = load(path)

        def body() -> None:
            act()
            (self.folder / "healed").touch()
            self.lamp.recovered()

        run(self.lamp, body)


DOCKER = """#!/bin/bash
printf '%s\\n' "$*" >>"{folder}/asked"
case "$*" in
    *"-a"*) [ -e "{folder}/healed" ] || echo "lamp  Exited (137)";;
    *) echo "NAME  STATUS";;
esac
[[ $* != *$'\\u2013'* ]]
"""


@pytest.fixture
def house(world: World, lamp: Drill, tmp_path: Path) -> House:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "docker").write_text(DOCKER.format(folder=tmp_path))
    (tools / "docker").chmod(0o755)
    world.path = f"{tools}:{world.path}"
    return House(world, lamp, tmp_path)


PS = compose("docker compose ps -a lamp", shows=r"Exited \(137\)")


def test_the_drills_own_command_is_typed_as_written(house: House) -> None:
    house.step("`docker compose ps -a lamp`", PS)
    assert house.asked == ["compose ps -a lamp"]
    [step] = told(house.lamp, "StepTaken")
    assert (step["written"], step["instead_of"]) == (["docker compose ps -a lamp"], "")


def test_another_command_that_only_looks_is_typed_and_held_to_the_same(house: House) -> None:
    with pytest.raises(CommandNotInRunbook, match=r"(?s)typed as the runbook has it.*NAME  STATUS"):
        house.step("`docker compose ps lamp`", PS)
    assert house.asked == ["compose ps lamp"]
    [step] = told(house.lamp, "StepTaken")
    assert (step["ok"], step["instead_of"]) == (False, PS.words)
    [failed] = told(house.lamp, "ClaimFailed")
    assert failed["error"] == "CommandNotInRunbook"


def test_another_command_that_shows_the_same_contradicts_nothing(house: House) -> None:
    house.step("`docker ps -a`", PS)
    assert house.asked == ["ps -a"]
    [step] = told(house.lamp, "StepTaken")
    assert (step["ok"], step["written"], step["instead_of"]) == (True, ["docker ps -a"], PS.words)
    assert told(house.lamp, "ClaimFailed", "CommandUntyped") == []


@pytest.mark.parametrize(
    "command",
    [
        "docker compose down -v",
        "docker system prune",
        "docker compose ps -a lamp; docker compose down -v",
        "docker compose ps -a $(docker compose down -v)",
        "docker compose -p other ps -a lamp",
    ],
)
def test_any_other_command_is_left_untyped_and_reported(house: House, command: str) -> None:
    with pytest.raises(CommandNotInRunbook) as caught:
        house.step(f"`{command}`", PS)
    assert house.asked == []
    [untyped] = told(house.lamp, "CommandUntyped")
    assert (untyped["wanted"], untyped["command"]) == (PS.words, command)
    assert f"`{command}` was not typed: {untyped['reason']}" in str(caught.value)
    assert told(house.lamp, "StepTaken", "ClaimFailed") == []


def test_a_line_without_a_command_is_reported(house: House) -> None:
    with pytest.raises(CommandNotInRunbook, match="the line has no command for compose"):
        house.step("Look at it", PS)
    assert house.asked == []


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("docker compose ps \u2013a lamp", ["compose ps \u2013a lamp"]),
        ("docker compose ps -a\u00a0lamp", ["compose ps -a\u00a0lamp"]),
        ("docker\u00a0compose ps -a lamp", []),
        ("docker compose ps -a la\u200bmp", ["compose ps -a la\u200bmp"]),
        ("docker compose ps -\u00ada lamp", ["compose ps -\u00ada lamp"]),
    ],
)
def test_characters_that_look_like_others_are_typed_as_they_are(
    house: House, written: str, asked: list[str]
) -> None:
    """What the drill would type, to the eye; a shell sees other words, and says so."""
    own = replace(PS, shows="NAME", words="docker compose ps -a lamp")
    with pytest.raises(CommandNotInRunbook):
        house.step(f"`{written}`", replace(own, shows="never shown"))
    assert house.asked == asked
    [step] = told(house.lamp, "StepTaken")
    assert step["commands"] == [written]


def test_in_a_session_each_line_is_the_drills_own_or_nothing_is_typed(house: House) -> None:
    command = compose("bash", session=[Typed("docker ps -a"), Typed("docker rm -f lamp")])
    with pytest.raises(CommandNotInRunbook, match="docker rm lamp"):
        house.step("`bash`, in it `docker ps -a` and `docker rm lamp`", command)
    assert house.asked == []


def test_what_opens_another_session_is_typed_without_it(house: House) -> None:
    command = compose("docker exec -it house-lamp-1 bash", session=[Typed("docker ps -a")])
    house.step("`docker ps`, `docker ps -a`", command)
    [step] = told(house.lamp, "StepTaken")
    assert step["written"] == ["docker ps"] or step["written"] == ["docker ps -a"]
    assert len(house.asked) == 1


def test_a_symptom_that_names_a_command_has_it_typed_as_written(house: House) -> None:
    house.symptom("`docker compose ps -a lamp` lists it as `Exited`.", PS)
    assert house.asked[0] == "compose ps -a lamp"
    [seen] = told(house.lamp, "SymptomSeen")
    assert (seen["written"], seen["detector"]) == ([PS.words], PS.words)


def test_a_symptom_with_another_command_is_held_to_what_that_one_shows(house: House) -> None:
    """It is looked for by the drill's own first, so that it had the time to appear."""
    with pytest.raises(CommandNotInRunbook, match="in this symptom"):
        house.symptom("`docker ps` lists it as `Exited`.", PS)
    assert house.asked[:2] == ["compose ps -a lamp", "ps"]
    [failed] = told(house.lamp, "ClaimFailed")
    assert str(failed["message"]).splitlines()[1] == "phase      symptom"


def test_a_fix_is_typed_only_in_the_drills_own_words(house: House) -> None:
    start = compose("docker compose start lamp")
    with pytest.raises(CommandNotInRunbook, match="`docker compose ps` was not typed: what heals"):
        house.fix("`docker compose ps`", start)
    assert house.asked == ["compose start lamp"], "the service heals all the same"


def test_an_untyped_command_does_not_keep_the_drill_from_its_end(
    house: House, world: World
) -> None:
    def body() -> None:
        house.lamp.inject(burnt_out(world))
        house.lamp.step(1, compose("docker ps"))
        house.lamp.fix(3, world.change_bulb())
        house.lamp.recovered()

    with pytest.raises(CommandNotInRunbook):
        run(house.lamp, body)
    assert house.lamp.held
