"""What a drill leaves behind is told in words, and what comes and goes is not it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from docker.errors import APIError
from docker.models.containers import Container
from hypothesis import given
from hypothesis import strategies as st

from drillbook.platforms.compose.service import programs
from drillbook.residue import differences

SERVER = ["/opt/venv/bin/python /opt/venv/bin/gunicorn", "/sbin/docker-init -- gunicorn"]


def container(*running: str, gone: bool = False) -> Container:
    def top() -> dict[str, Any]:
        if gone:
            raise APIError("409", explanation="container is not running")
        return {"Titles": ["PID", "CMD"], "Processes": [["1", one] for one in running]}

    config = {"Healthcheck": {"Test": ["CMD", "curl", "-fsS", "http://localhost:8000/health"]}}
    return cast(Container, SimpleNamespace(top=top, attrs={"Config": config}))


def test_nothing_changed_is_nothing_to_tell() -> None:
    assert differences({"a": 1, "b": {"c": [2]}}, {"a": 1, "b": {"c": [2]}}) == []


def test_what_changed_came_and_went_is_told_by_name() -> None:
    before = {"db.1 state": "running", "links": {"db": ["cut"]}, "old": 1}
    after = {"db.1 state": "exited", "links": {"payments": ["latency"]}, "new": 2}
    assert differences(before, after) == [
        "db.1 state: was running, is exited",
        "links: db was ['cut'], is None",
        "links: payments was None, is ['latency']",
        "new: was not there, is 2",
        "old: was 1, is not there",
    ]


NAMES = st.sampled_from("abcd")
VALUES = st.one_of(st.integers(0, 2), st.dictionaries(NAMES, st.integers(0, 2), max_size=2))
TAKEN = st.dictionaries(NAMES, VALUES)


@given(TAKEN, TAKEN)
def test_a_difference_is_told_if_and_only_if_there_is_one(
    before: dict[str, object], after: dict[str, object]
) -> None:
    assert bool(differences(before, after)) == (before != after)


def test_a_process_that_is_left_running_shows() -> None:
    assert programs(container(*SERVER, "sleep 300")) == [
        *sorted(programs(container(*SERVER))),
        "sleep",
    ]


def test_a_health_check_under_way_does_not_show_nor_one_that_only_begins() -> None:
    quiet = programs(container(*SERVER))
    assert programs(container(*SERVER, "curl -fsS http://localhost:8000/health")) == quiet
    assert programs(container(*SERVER, "[curl]")) == quiet
    assert programs(container(*SERVER, "[ping]")) != quiet
    assert programs(container(*SERVER, "runc init")) == quiet
    assert programs(container(*SERVER, "/proc/self/exe init")) == quiet


def test_a_container_that_stopped_just_now_says_so() -> None:
    assert programs(container(gone=True)) == ["not known: container is not running"]
