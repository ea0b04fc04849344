"""What only PostgreSQL can tell: the migrations, its locks, its way of comparing text."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from alembic import command
from alembic.config import Config
from fastapi import FastAPI
from sqlalchemy import func, insert, select, text
from support import FakePayments, assemble, make_settings

from app.core.config import Settings
from app.core.database import Database, create_engine
from app.models import Item, Order

pytestmark = pytest.mark.integration
BACKEND = Path(__file__).parents[2]
SCHEMA = "0001"  # the next revision fills the catalogue, which these tests have no use for


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest) -> Settings:
    """The settings of a database that may be emptied: its schema is made anew."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        leave = pytest.fail if request.config.getoption("--require-database") else pytest.skip
        leave("DATABASE_URL is not set: which database may these tests use?")
    return make_settings(database_url=url)


@pytest.fixture(scope="module")
def schema(settings: Settings) -> Iterator[None]:
    """The tables, as the migrations make them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", settings.database_url)
        patch.setenv("PAYMENTS_URL", str(settings.payments_url))
        patch.setenv("CORS_ORIGINS", ",".join(settings.cors_origins))
        alembic = Config(BACKEND / "alembic.ini")
        command.upgrade(alembic, SCHEMA)
        yield
        command.downgrade(alembic, "base")


@pytest.fixture
async def database(settings: Settings, schema: None) -> AsyncIterator[Database]:
    database = Database(create_engine(settings))
    async with database.session() as session:
        await session.execute(text("TRUNCATE items, orders RESTART IDENTITY"))
        await session.execute(
            insert(Item),
            [
                {
                    "sku": f"SKU-{name}",
                    "name": name,
                    "description": "",
                    "category": "rugs",
                    "price_cents": 700,
                }
                for name in ("100% wool", "1000 knots", "Wool, undyed")
            ],
        )
    yield database
    await database.dispose()


@pytest.fixture
def app(settings: Settings, database: Database, payments: FakePayments) -> FastAPI:
    return assemble(settings, database, payments.client())


async def test_an_order_is_recorded(client: httpx.AsyncClient, database: Database) -> None:
    placed = await client.post(
        "/orders", json={"item_id": 1, "quantity": 2}, headers={"Idempotency-Key": "a"}
    )
    assert placed.status_code == 201, placed.text
    async with database.session() as session:
        order = await session.get_one(Order, placed.json()["id"])
    assert (order.total_cents, order.status, order.payment_reference) == (1400, "paid", "ch_0")


async def test_duplicates_at_the_same_moment_make_one_order(
    client: httpx.AsyncClient, database: Database
) -> None:
    answers = await asyncio.gather(
        *(
            client.post(
                "/orders", json={"item_id": 1, "quantity": 1}, headers={"Idempotency-Key": "same"}
            )
            for _ in range(8)
        )
    )
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(Order)) == 1


@pytest.mark.parametrize(
    ("search", "names"), [("WOOL", {"100% wool", "Wool, undyed"}), ("100%", {"100% wool"})]
)
async def test_a_search_takes_text_literally_and_ignores_case(
    client: httpx.AsyncClient, search: str, names: set[str]
) -> None:
    answer = await client.get("/items", params={"search": search})
    assert {item["name"] for item in answer.json()["items"]} == names


async def test_healthy(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).status_code == 200
