"""Fixtures for all tests."""

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI
from support import FakePayments, assemble, client_of, make_settings, shop_database

from app.core.database import Database
from app.core.logging import JsonFormatter


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-database",
        action="store_true",
        help="fail the integration tests, rather than skip them, where DATABASE_URL is not set",
    )


@pytest.fixture
def payments() -> FakePayments:
    return FakePayments()


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    async with shop_database() as engine:
        yield Database(engine)


@pytest.fixture
def app(database: Database, payments: FakePayments) -> FastAPI:
    return assemble(make_settings(), database, payments.client())


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, object]]]]:
    """What the application has logged so far, as the JSON that a container would print.

    Libraries log as well, at this level, and their threads do so even after the test that used
    them: none of it counts.
    """
    rendered: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name.partition(".")[0] == "app":
                rendered.append(JsonFormatter().format(record))

    root = logging.getLogger()
    collector, before = Collector(), root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in rendered]
    root.removeHandler(collector)
    root.setLevel(before)
