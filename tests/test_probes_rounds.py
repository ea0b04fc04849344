"""A round against a fake target: each way to break it turns its own entry red and no other."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbook.runbook import load as load_runbook
from probes import dashboards
from probes.client import Client
from probes.history import History
from probes.provenance import Provenances
from probes.states import Result
from probes.target import load
from probes.watch import Watch, watch
from tests.probe_target import ORIGIN, FakeTarget, open_target, write

RUNBOOK = load_runbook(Path(__file__).parents[1] / "runbook.md")


@pytest.fixture
def target() -> Iterator[FakeTarget]:
    with open_target() as opened:
        yield opened


def rounds(file: Path, count: int = 1, deadline_s: float = 20.0) -> tuple[Watch, list[Result]]:
    """Some rounds of a target; its watch, and what the last one saw, dependencies applied."""

    async def look() -> tuple[Watch, list[Result]]:
        client = Client()
        history = History(None, keep_days=1, say=print)
        settings = load(file)
        await dashboards.add_from_grafana(settings, client)
        made = watch(settings, client, RUNBOOK, Provenances([], RUNBOOK), history)
        results = []
        for _ in range(count):
            results = await made.round(deadline_s)
        await client.close()
        history.close()
        return made, results

    return asyncio.run(look())


def outcomes(results: list[Result]) -> dict[str, str]:
    return {f"{one.probe.entry} {one.probe.name}": one.outcome for one in results}


def red(results: list[Result]) -> set[str]:
    return {one.probe.entry for one in results if one.outcome == "down"}


def test_a_healthy_target_is_up_throughout(target: FakeTarget, tmp_path: Path) -> None:
    _, results = rounds(write(tmp_path, target))
    assert set(outcomes(results).values()) == {"up"}, results
    assert {one.probe.entry for one in results} == {
        "2.1", "2.2", "2.3", "2.4", "3.1", "4.1", "4.2", "4.3", "5.1", "5.2"
    }  # fmt: skip


def test_only_safe_methods_are_used_and_each_question_is_asked_once(
    target: FakeTarget, tmp_path: Path
) -> None:
    rounds(write(tmp_path, target))
    assert {asked.split()[0] for asked in target.asked} == {"GET", "OPTIONS"}
    # /items: the walk, and the invalid query; /items/1: the walk, two origins
    assert target.asked["GET /items"] == 2
    assert target.asked["GET /items/1"] == 3
    assert target.asked["GET /health"] == 1


BROKEN: list[tuple[str, dict[str, object], str]] = [
    ("answers 500", {"status": 500}, "2.1"),
    ("says the generic error", {"body": "An unexpected error occurred"}, "2.1"),
    ("takes what is invalid", {"accepts_anything": True}, "2.2"),
    ("is slow", {"delay_s": 1.3}, "2.3"),
    ("hangs", {"hangs": True}, "2.3"),
    ("forgets the origin", {"allowed": None}, "2.4"),
    ("has no database", {"health": 503, "status": 500}, "3.1"),
    ("has a container that exited", {"container": "exited"}, "4.1"),
    ("has no /health", {"health": 404}, "4.2"),
    ("has a gateway with nobody behind", {"status": 502}, "4.3"),
    ("has a target that is down", {"down_targets": ("backend",)}, "5.1"),
    ("has an empty panel", {"empty_panels": True}, "5.2"),
]


@pytest.mark.parametrize(
    ("breaks", "entry"), [one[1:] for one in BROKEN], ids=[b[0] for b in BROKEN]
)
def test_what_breaks_turns_its_own_entry_red_and_no_other(
    target: FakeTarget, tmp_path: Path, breaks: dict[str, object], entry: str
) -> None:
    for name, value in breaks.items():
        setattr(target, name, value)
    _, results = rounds(write(tmp_path, target, "[limits]\ndeadline_s = 2\n"))
    assert red(results) == {entry}, outcomes(results)


def test_nobody_at_the_address_is_4_3_and_nothing_else(tmp_path: Path) -> None:
    with open_target() as behind, open_target() as front:
        file = write(tmp_path, behind)
        file.write_text(
            file.read_text().replace(f'\nurl = "{behind.url}"', f'\nurl = "{front.url}"', 1)
        )
    # both are closed now; the backend answers on a port of its own
    with open_target(port=int(behind.url.rpartition(":")[2])):
        _, results = rounds(file)
    assert red(results) == {"4.3"}, outcomes(results)


def test_an_allowed_star_will_do_and_another_origin_will_not(
    target: FakeTarget, tmp_path: Path
) -> None:
    file = write(tmp_path, target)
    target.allowed = "http://localhost:9999"
    _, results = rounds(file)
    assert red(results) == {"2.4"}
    [origin] = [one for one in results if one.probe.name == f"origin {ORIGIN}"]
    assert ORIGIN in origin.saw


def test_an_unlisted_origin_that_is_let_in_is_red(target: FakeTarget, tmp_path: Path) -> None:
    file = write(tmp_path, target)
    file.write_text(file.read_text().replace("[cors]", f'[cors]\nunlisted = "{ORIGIN}"'))
    _, results = rounds(file)
    assert outcomes(results)[f"2.4 unlisted {ORIGIN}"] == "down"


def test_a_budget_of_a_phase_counts_by_itself(target: FakeTarget, tmp_path: Path) -> None:
    target.delay_s = 0.3
    _, results = rounds(write(tmp_path, target, "[budgets]\ntotal_s = 5\nprocessing_s = 0.1\n"))
    [latency] = [one for one in results if one.probe.name == "latency"]
    assert latency.outcome == "down"
    assert "processing took" in latency.saw


def test_an_answer_in_a_shape_that_nobody_foresaw_is_unknown(
    target: FakeTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.probe_target._targets", lambda _: {"data": {"other": 3}})
    _, results = rounds(write(tmp_path, target))
    assert outcomes(results)["5.1 targets"] == "unknown"


def test_the_end_of_a_round_leaves_what_hangs_unknown(target: FakeTarget, tmp_path: Path) -> None:
    target.hangs = True
    began_s = time.monotonic()
    _, results = rounds(write(tmp_path, target, "[limits]\ndeadline_s = 30\n"), deadline_s=0.5)
    assert time.monotonic() - began_s < 5
    assert outcomes(results)["2.1 errors"] == "unknown"
    assert outcomes(results)["4.2 health"] == "up", "what was answered in time counts"


def test_no_more_requests_at_once_or_a_second_than_are_allowed(
    target: FakeTarget, tmp_path: Path
) -> None:
    file = write(tmp_path, target, "[limits]\nat_once = 1\nper_second = 20\n")
    began_s = time.monotonic()
    rounds(file)
    asked = sum(target.asked.values())
    assert asked > 8
    assert time.monotonic() - began_s >= (asked - 1) / 20


# --- journeys ------------------------------------------------------------------------------------
JOURNEY = """
[journey]
[[journey.steps]]
path = "/items"
[[journey.steps]]
method = "POST"
path = "/orders"
headers = { Idempotency-Key = "{customer}" }
json = { item_id = 1, quantity = 1 }
status = 201
save = { order = "id" }
[[journey.steps]]
path = "/orders/{order}"
[[journey.steps]]
method = "DELETE"
path = "/orders/{order}"
status = 204
undo = true
"""


def test_a_journey_goes_through_its_steps_and_undoes_them(
    target: FakeTarget, tmp_path: Path
) -> None:
    _, results = rounds(write(tmp_path, target, f"allow_writes = true\n---{JOURNEY}"))
    assert outcomes(results)["2.1 journey"] == "up"
    assert target.asked["GET /orders/7"] == 1
    assert target.asked["DELETE /orders/7"] == 1
    marks = [one["Idempotency-Key"] for one in target.headers if "Idempotency-Key" in one]
    assert marks[0].startswith("drillbook-probe-")
    assert json.loads(target.posted[0]) == {"item_id": 1, "quantity": 1}


def test_a_step_that_is_refused_is_red_and_what_never_came_to_be_is_not_undone(
    target: FakeTarget, tmp_path: Path
) -> None:
    target.status = 409
    _, results = rounds(write(tmp_path, target, f"allow_writes = true\n---{JOURNEY}"))
    assert outcomes(results)["2.1 journey"] == "down"
    assert not [one for one in target.asked if one.startswith("DELETE")]


# --- Kubernetes and Grafana ----------------------------------------------------------------------
def test_a_pod_in_a_crash_loop_is_4_1(target: FakeTarget, tmp_path: Path) -> None:
    file = tmp_path / "k.toml"
    file.write_text(
        f'url = "{target.url}"\nallow_private = true\nentries = ["4.1"]\n'
        f'[cluster]\nurl = "{target.url}"\nnamespace = "shop"\nselector = "app=backend"\n'
    )
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    pod = {"metadata": {"name": "backend-1"}, "status": {"containerStatuses": [waiting]}}
    target.body = json.dumps({"items": [pod]})
    _, results = rounds(file)
    assert outcomes(results) == {"4.1 pods": "down"}
    assert results[0].saw == "backend-1 is CrashLoopBackOff"
    assert target.asked["GET /api/v1/namespaces/shop/pods"] == 1
    target.body = json.dumps(
        {"items": [{"metadata": {"name": "b"}, "status": {"phase": "Running"}}]}
    )
    assert outcomes(rounds(file)[1]) == {"4.1 pods": "up"}
