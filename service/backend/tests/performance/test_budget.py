"""A smoke test of what a request costs: statements, which are exact, and time, at its best.

The time is that of the fastest of several rounds: a busy machine slows some of them, and only
code that has become slower slows all.
"""

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncEngine
from support import shop_database

from app.core.database import Database
from app.models import Item

pytestmark = pytest.mark.performance
PAGE = 20
ROUNDS, REQUESTS = 8, 5
# Milliseconds in the application and an in-memory database: no network, no server.
BUDGET_MS = float(os.environ.get("PERFORMANCE_BUDGET_MS", "25"))


@pytest.fixture
async def engine() -> AsyncIterator[AsyncEngine]:
    async with shop_database() as engine:
        async with engine.begin() as connection:
            await connection.execute(
                insert(Item),
                [
                    {
                        "sku": f"DESK-{n}",
                        "name": f"Desk {n}",
                        "description": "",
                        "category": "desks",
                        "price_cents": 100 + n,
                    }
                    for n in range(2 * PAGE)
                ],
            )
        yield engine


@pytest.fixture
def database(engine: AsyncEngine) -> Database:
    return Database(engine)


@contextmanager
def _statements(engine: AsyncEngine) -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine.sync_engine, "before_cursor_execute", note)


@pytest.mark.parametrize("path", [f"/items?category=desks&limit={PAGE}", "/items/1"])
async def test_a_read_keeps_its_budget(
    client: httpx.AsyncClient, engine: AsyncEngine, path: str
) -> None:
    assert (await client.get(path)).status_code == 200
    with _statements(engine) as sent:
        await client.get(path)
    fastest_ms = min([await _round_ms(client, path) for _ in range(ROUNDS)])
    cost = f"{path} cost {len(sent)} statements and {fastest_ms:.1f} ms"
    assert len(sent) <= 1, f"{cost}; the budget is 1 statement"
    assert fastest_ms <= BUDGET_MS, f"{cost}; the budget is {BUDGET_MS:g} ms"


async def _round_ms(client: httpx.AsyncClient, path: str) -> float:
    """What one of a few requests in a row took, on average, in milliseconds."""
    began = time.perf_counter()
    for _ in range(REQUESTS):
        await client.get(path)
    return (time.perf_counter() - began) * 1000 / REQUESTS
