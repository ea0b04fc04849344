"""Makes the machine ready before the first test that needs a Docker engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drillbook.machine import ready as machine
from drillbook.machine.ready import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine of this machine, which the libraries are pointed to as well."""
    engine = machine.make_ready(print)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.endpoint)
        yield engine


@pytest.fixture(scope="session", autouse=True)
def engine_where_needed(request: pytest.FixtureRequest) -> None:
    """Each test marked `stack` may take an engine for granted, whichever of them is the first."""
    if any(item.get_closest_marker("stack") for item in request.session.items):
        request.getfixturevalue("engine")
