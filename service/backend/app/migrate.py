"""Brings the database's schema up to date: `python -m app.migrate [--wait SECONDS]`.

Exit status: 0 up to date; 1 a migration failed; 75 (EX_TEMPFAIL) the database could not be
reached within the wait; 78 (EX_CONFIG) the settings are wrong.
"""

import argparse
import asyncio
import logging
import os
import sys
import time
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config

from app.core.config import Settings, settings_or_exit
from app.core.logging import configure_logging

logger = logging.getLogger("app.migrate")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
_ALEMBIC_INI = Path(__file__).parents[1] / "alembic.ini"


def main() -> int:
    """Wait for the database, then migrate it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.migrate")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS")
    arguments = parser.parse_args()
    settings = settings_or_exit()
    configure_logging(settings.log_level)
    if not _reachable_within(settings, arguments.wait):
        return os.EX_TEMPFAIL
    try:
        command.upgrade(Config(_ALEMBIC_INI), "head")
    except Exception:
        logger.exception("a migration failed")
        return 1
    logger.info("the database schema is up to date")
    return 0


def _reachable_within(settings: Settings, wait_s: float) -> bool:
    """Whether the database lets us in before `wait_s` is over; each refusal is logged."""
    give_up_at = time.monotonic() + wait_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            asyncio.run(_connect_once(settings))
        except Exception as error:  # noqa: BLE001 - refused, unknown, full, wrong password, …
            logger.error("database connection failed: %s: %s", type(error).__name__, error)  # noqa: TRY400
        else:
            return True
        if time.monotonic() + pause_s > give_up_at:
            return False
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _connect_once(settings: Settings) -> None:
    url = settings.database_url.replace("+asyncpg", "", 1)
    connection = await asyncpg.connect(url, timeout=settings.db_connect_deadline_s)
    await connection.close()


if __name__ == "__main__":
    sys.exit(main())
