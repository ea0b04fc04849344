"""Makes the machine ready before the first test that needs a Docker engine."""

from __future__ import annotations

import pytest

from drillbook.machine import ready as machine
from drillbook.machine.ready import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine of this machine."""
    return machine.make_ready(print)


@pytest.fixture(scope="session", autouse=True)
def engine_where_needed(request: pytest.FixtureRequest) -> None:
    """Each test marked `stack` may take an engine for granted, whichever of them is the first."""
    if any(item.get_closest_marker("stack") for item in request.session.items):
        request.getfixturevalue("engine")
