"""Runbook entry 4.4: since a deployment the application is broken, or slower."""

from __future__ import annotations

from pathlib import Path

from drillbook.drill import Drill, compose, drills
from drillbook.symptoms import http, versions
from fixtures.faults import releases
from fixtures.shop import Shop
from fixtures.symptoms import orders

PATHS = ("/items?category=lamps&limit=20", "/items?search=oak&limit=20")
UP = compose(
    "docker compose -f docker-compose.prod.yml up -d --force-recreate backend", deadline_s=60
)


@drills("4.4", exclusive=True)
def test_slower_release(drill: Drill, stack: Shop, workdir: Path) -> None:
    """A new release is slower than the one before it."""
    deployed = drill.enter_context(releases.deployed_from(stack, workdir))
    before = drill.enter_context(stack.beside(stack.backend, deployed.good, releases.PORT))

    drill.inject(releases.slower(deployed))

    drill.symptom(1, versions.slower_than(before, stack.backend_url, PATHS))

    drill.step(1, releases.last_good(deployed))
    drill.step(2, releases.put_back(deployed))

    drill.fix(2, UP)
    drill.step(3, http.answers(f"{stack.backend_url}/health", stack.http, status=200))
    drill.step(3, orders.placed(stack.url, stack.http))
    drill.recovered()
