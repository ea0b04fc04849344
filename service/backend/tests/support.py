"""The application on an in-memory database, with a payments service made of a few lines."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import httpx
from fastapi import FastAPI
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from app.api.deps import get_database, get_payments, get_settings
from app.core.config import Settings
from app.core.database import Database
from app.main import create_app
from app.models import Base, Item
from app.payments import PaymentsClient

if TYPE_CHECKING:
    import aiohttp

ORIGIN = "http://localhost:3000"


def make_settings(**changes: object) -> Settings:
    """Settings as in production but for what the test changes."""
    return Settings.model_validate(
        {
            "database_url": "postgresql+asyncpg://user:hush@db:5432/mydatabase",
            "payments_url": "http://payments:9000",
            "cors_origins": ORIGIN,
            **changes,
        }
    )


@dataclass
class FakeAnswer:
    """What the payments service answers, as far as its client looks at it."""

    status: int
    body: bytes

    async def read(self) -> bytes:
        """The body."""
        return self.body


class FakePayments:
    """Charges a key once, and can be told to fail."""

    def __init__(self) -> None:
        self.references: dict[str, str] = {}
        self.requests = 0
        self.failure: FakeAnswer | Exception | None = None

    @asynccontextmanager
    async def post(
        self, _path: str, *, json: Mapping[str, int], headers: Mapping[str, str]
    ) -> AsyncIterator[FakeAnswer]:
        """What aiohttp's session would do."""
        self.requests += 1
        assert json["amount_cents"] > 0
        if isinstance(self.failure, Exception):
            raise self.failure
        if self.failure is not None:
            yield self.failure
            return
        key = headers["Idempotency-Key"]
        reference = self.references.setdefault(key, f"ch_{len(self.references)}")
        yield FakeAnswer(201, f'{{"reference": "{reference}"}}'.encode())

    def client(self) -> PaymentsClient:
        """The service's own client, connected to this."""
        return PaymentsClient(cast("aiohttp.ClientSession", self))


@asynccontextmanager
async def shop_database() -> AsyncIterator[AsyncEngine]:
    """An in-memory database with three items."""
    engine = create_async_engine(
        "sqlite+aiosqlite://",
        poolclass=StaticPool,  # one connection, since each would be a database of its own
        isolation_level="AUTOCOMMIT",
    )
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        # By which a migrated database is known.
        await connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        await connection.execute(
            insert(Item),
            [
                {
                    "sku": f"SKU-{n}",
                    "name": name,
                    "description": "",
                    "category": "lamps",
                    "price_cents": price,
                }
                for n, (name, price) in enumerate(
                    [("Copper lamp", 900), ("100% wool", 700), ("Plain oak lamp", 800)]
                )
            ],
        )
    yield engine
    await engine.dispose()


def assemble(settings: Settings, database: Database, payments: PaymentsClient) -> FastAPI:
    """The real application with its resources replaced."""
    app = create_app(settings)
    app.dependency_overrides[get_settings] = lambda: settings
    app.dependency_overrides[get_database] = lambda: database
    app.dependency_overrides[get_payments] = lambda: payments
    return app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """A client that talks to `app` without a network."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop")
