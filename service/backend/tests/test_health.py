"""Health, and what a request sees while the database is away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from support import FakePayments, assemble, client_of, make_settings

from app.core.database import Database, create_engine
from app.core.errors import UNEXPECTED


class Unreachable(Database):
    """A database that refuses, or that never answers."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__(create_engine(make_settings()))
        self._error = error

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        if self._error is None:
            await asyncio.Event().wait()
        else:
            raise self._error
        yield AsyncSession()


def _client(error: Exception | None, **changes: object) -> httpx.AsyncClient:
    settings = make_settings(**changes)
    return client_of(assemble(settings, Unreachable(error), FakePayments().client()))


async def test_healthy(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": "ok"})


async def test_a_refused_connection_is_503_and_logged(
    log_lines: Callable[[], list[dict[str, object]]],
) -> None:
    async with _client(ConnectionRefusedError(111, "Connection refused")) as client:
        answer = await client.get("/health")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": "ConnectionRefusedError"}
    (line,) = [line for line in log_lines() if line["logger"] == "app.health"]
    assert "Connection refused" in str(line["message"])
    assert line["level"] == "warning"


async def test_a_process_is_alive_without_a_database() -> None:
    async with _client(ConnectionRefusedError(111, "Connection refused")) as client:
        assert (await client.get("/alive")).status_code == 204


async def test_head_answers_as_get_does(client: httpx.AsyncClient) -> None:
    async with _client(ConnectionRefusedError(111, "Connection refused")) as ill:
        for asked, status in ((client, 200), (ill, 503)):
            got, headed = await asked.get("/health"), await asked.head("/health")
            assert (got.status_code, headed.status_code) == (status, status)
            del got.headers["X-Request-ID"], headed.headers["X-Request-ID"]
            assert headed.headers == got.headers


async def test_a_silent_database_is_503_within_the_deadline() -> None:
    async with _client(None, health_deadline_s=0.05) as client, asyncio.timeout(2):
        answer = await client.get("/health")
    assert (answer.status_code, answer.json()["database"]) == (503, "TimeoutError")


@pytest.mark.parametrize("path", ["/items?category=lamps", "/items/1", "/orders/1"])
async def test_other_requests_get_the_generic_500(
    path: str, log_lines: Callable[[], list[dict[str, object]]]
) -> None:
    async with _client(ConnectionRefusedError(111, "Connection refused")) as client:
        answer = await client.get(path, headers={"X-Request-ID": "find-me"})
    assert (answer.status_code, answer.json()) == (500, {"detail": UNEXPECTED})
    (line,) = [line for line in log_lines() if line["logger"] == "app.errors"]
    assert "Connection refused" in str(line["traceback"])
    assert line["request_id"] == "find-me"


async def test_a_dead_port_is_reported_at_once() -> None:
    settings = make_settings(database_url="postgresql+asyncpg://user:hush@127.0.0.1:1/mydatabase")
    database = Database(create_engine(settings))
    app = assemble(settings, database, FakePayments().client())
    async with client_of(app) as client, asyncio.timeout(1):
        answer = await client.get("/health")
    await database.dispose()
    assert (answer.status_code, answer.json()["database"]) == (503, "ConnectionRefusedError")


async def test_a_port_that_never_speaks_is_given_up_within_the_connect_deadline() -> None:
    async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(stay_silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = make_settings(
        database_url=f"postgresql+asyncpg://user:hush@127.0.0.1:{port}/mydatabase",
        db_connect_deadline_s=1,
    )
    database = Database(create_engine(settings))
    app = assemble(settings, database, FakePayments().client())
    started = asyncio.get_running_loop().time()
    async with client_of(app) as client:
        answer = await client.get("/items/1")
    took_s = asyncio.get_running_loop().time() - started
    await database.dispose()
    server.close()
    await server.wait_closed()
    assert answer.status_code == 500
    assert 0.9 < took_s < 5


async def test_connections_are_handed_out_in_the_order_of_asking(database: Database) -> None:
    queue = Database(database._engine, connections=1, wait_s=5)
    served: list[int] = []

    async def ask(number: int) -> None:
        async with queue.session():
            served.append(number)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(ask(number))
    assert served == list(range(20))


async def test_who_waits_too_long_for_a_connection_is_told_so(database: Database) -> None:
    queue = Database(database._engine, connections=1, wait_s=0.05)
    async with queue.session():
        with pytest.raises(PoolTimeout, match="none was free within"):
            async with queue.session():
                pass
    async with queue.session():
        pass  # and the next one gets it again


async def test_a_database_that_is_not_migrated_yet_is_503(database: Database) -> None:
    async with database.session() as session:
        await session.execute(text("DROP TABLE alembic_version"))
    async with client_of(assemble(make_settings(), database, FakePayments().client())) as client:
        assert (await client.get("/health")).status_code == 503
