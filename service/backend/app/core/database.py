"""The connection pool, tuned to fail fast while the database is gone and to be back with it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import await_only

from app.core.config import Settings
from app.core.metrics import POOL_FAILURES, POOL_IN_USE, POOL_WAITING

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection  # generic in its stubs only

# A connection used this recently is not pinged again: the ping would double a request's round
# trips, and a connection that the server closed is known as closed without one.
TRUSTED_IDLE_S = 1.0
GOODBYE_S = 0.1
SHORT_TRIES_S = (0.15, 0.3)


class Database:
    """Sessions on one engine.

    Each holds a connection from its first moment, and commits each statement by itself.
    """

    def __init__(self, engine: AsyncEngine, *, connections: int = 12, wait_s: float = 2.0) -> None:
        self._engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        # The pool hands a connection that comes back to whoever asks next, so that a busy service
        # would leave some to wait until their time is up. Here each waits for its turn.
        self._turns = asyncio.Semaphore(connections)
        self._connections = connections
        self._wait_s = wait_s

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session with a live connection.

        Raises what the pool or the driver raises where no connection can be had: OSError
        (refused, unknown host, timed out), sqlalchemy's TimeoutError (pool exhausted), or the
        server's own error. Bounded by db_pool_wait_s + db_ping_deadline_s +
        db_connect_deadline_s.
        """
        async with self._turn(), self._sessions() as session:
            await self._connect(session)
            with POOL_IN_USE.track_inprogress():
                yield session

    async def dispose(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The right to hold a connection, in the order of asking."""
        if self._turns.locked():
            await self._wait_for_turn()
        else:
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    async def _wait_for_turn(self) -> None:
        try:
            with POOL_WAITING.track_inprogress():
                async with asyncio.timeout(self._wait_s):
                    await self._turns.acquire()
        except TimeoutError as error:
            POOL_FAILURES.labels(type(error).__name__).inc()
            raise PoolTimeout(
                f"QueuePool limit of {self._connections} connections reached: none was free "
                f"within {self._wait_s:g} s"
            ) from None

    async def _connect(self, session: AsyncSession) -> None:
        try:
            await session.connection()
        except Exception as error:
            POOL_FAILURES.labels(type(driver_error(error)).__name__).inc()
            raise


class _PromptlyClosed(_Connection):
    """A connection that says goodbye quickly or not at all.

    SQLAlchemy closes a broken connection politely first, and allows two seconds for it. From a
    server that has fallen silent no answer will come, and a request is waiting.
    """

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's
        await super().close(timeout=GOODBYE_S if timeout is None else min(timeout, GOODBYE_S))


def driver_error(error: Exception) -> BaseException:
    """What the driver said, where SQLAlchemy wrapped it in words of its own."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return error
    return error.orig.__cause__ or error.orig


def create_engine(settings: Settings) -> AsyncEngine:
    """An engine for PostgreSQL with deadlines on everything that could wait for the server."""

    async def connect() -> _Connection:
        return await _connect(settings)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        # Each unit of work here is one statement, so it needs no BEGIN and COMMIT around it: two
        # round trips less, and nothing to roll back on a connection that has just died.
        isolation_level="AUTOCOMMIT",
        pool_size=settings.db_pool_size,
        # None beyond the pool: under load they would be opened and closed for every request.
        max_overflow=0,
        pool_timeout=settings.db_pool_wait_s,
        # the last connection returned is the first one reused, so idle ones can be told apart
        pool_use_lifo=True,
    )
    _check_on_checkout(engine, settings.db_ping_deadline_s)
    return engine


async def _connect(settings: Settings) -> _Connection:
    """A new connection, within db_connect_deadline_s.

    The first tries are short: a packet sent to a database whose container is just coming up is
    lost, and the kernel would wait a whole second before it sends another.
    """
    left_s = settings.db_connect_deadline_s
    for try_s in SHORT_TRIES_S:
        left_s -= try_s
        try:
            return await _connect_once(settings, try_s)
        except TimeoutError:
            continue
    return await _connect_once(settings, left_s)


async def _connect_once(settings: Settings, deadline_s: float) -> _Connection:
    return await asyncpg.connect(
        settings.database_url.replace("+asyncpg", "", 1),
        connection_class=_PromptlyClosed,
        timeout=deadline_s,
        # The server ends a slow statement by itself; the client's deadline, a little later, is
        # for a server that no longer answers at all.
        command_timeout=settings.db_statement_deadline_s + 0.5,
        server_settings={
            "application_name": "shop-backend",
            "statement_timeout": f"{settings.db_statement_deadline_s * 1000:.0f}",
            "idle_in_transaction_session_timeout": "10s",
            # Which index serves a search depends on the words searched for, so a plan made for
            # any words at all is a bad one.
            "plan_cache_mode": "force_custom_plan",
        },
    )


def _check_on_checkout(engine: AsyncEngine, deadline_s: float) -> None:
    """Replace a pooled connection that died, before a request gets it.

    Instead of `pool_pre_ping`, which has no deadline of its own: on a network that swallows
    packets it would wait as long as a statement may.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def remember(_connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info["idle_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def check(
        connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection
    ) -> None:
        driver = connection.driver_connection
        if driver.is_closed():
            raise DisconnectionError("the server closed this connection")
        idle_since = entry.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < TRUSTED_IDLE_S:
            return
        try:
            await_only(asyncio.wait_for(driver.execute("SELECT 1"), deadline_s))
        except Exception as error:
            raise DisconnectionError(f"no answer to a ping: {error!r}") from error
