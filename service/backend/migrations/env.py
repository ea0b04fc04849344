"""How Alembic connects: over the service's own driver, one migrator at a time."""

import asyncio

from alembic import context
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.config import settings_or_exit
from app.models import Base

# Any number will do, as long as every migrator uses this one.
MIGRATION_LOCK = 4_017_200_451


def migrate(connection: Connection) -> None:
    """Run all pending migrations in one transaction."""
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        # Several containers may start at once. Held until the transaction ends; whoever comes
        # second then finds nothing left to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()


async def run() -> None:
    """Connect and migrate."""
    engine = create_async_engine(
        settings_or_exit().database_url, poolclass=NullPool, connect_args={"timeout": 5}
    )
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(run())
