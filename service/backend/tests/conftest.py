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
    """What has been logged so far, as the JSON that a container would print."""
    rendered: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            rendered.append(JsonFormatter().format(record))

    root = logging.getLogger()
    collector, before = Collector(), root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in rendered]
    root.removeHandler(collector)
    root.setLevel(before)
