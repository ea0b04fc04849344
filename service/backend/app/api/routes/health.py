"""Whether this instance can do its work."""

import asyncio
import logging
from typing import Literal

from fastapi import APIRouter, Response, status
from pydantic import BaseModel
from sqlalchemy import text

from app.api.deps import DatabaseDep, SettingsDep
from app.core.database import driver_error

logger = logging.getLogger("app.health")

router = APIRouter(tags=["health"])


@router.get("/alive", status_code=status.HTTP_204_NO_CONTENT, include_in_schema=False)
async def read_alive() -> None:
    """204 wherever the process answers at all. What would not, a restart may mend."""


class Health(BaseModel):
    """The answer of /health."""

    status: Literal["ok", "unavailable"]
    database: str


@router.head("/health", include_in_schema=False)  # the same, of which the server sends no body
@router.get("/health", responses={503: {"model": Health, "description": "No database"}})
async def read_health(settings: SettingsDep, database: DatabaseDep, response: Response) -> Health:
    """200 where the migrated database answers in time, else 503 with the kind of error."""
    try:
        async with asyncio.timeout(settings.health_deadline_s), database.session() as session:
            # One without the shop's tables could not serve: they are there once this one is.
            await session.execute(text("SELECT 1 FROM alembic_version"))
    except Exception as error:  # noqa: BLE001 - whatever it is, this instance is not healthy
        reason = driver_error(error)
        kind = type(reason).__name__
        logger.warning("health: the database does not answer: %s: %s", kind, reason)
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Health(status="unavailable", database=kind)
    return Health(status="ok", database="ok")
