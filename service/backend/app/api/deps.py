"""What endpoints may ask for.

All of them async, though some wait for nothing: FastAPI would send a plain function to a thread,
which costs more than all it does here.
"""

from typing import Annotated, TypedDict, cast

from fastapi import Depends, Header, Path, Request

from app.core.config import Settings
from app.core.database import Database
from app.payments import PaymentsClient
from app.schemas import MAX_ID


class State(TypedDict):
    """What the application makes at start-up and hands to every request."""

    settings: Settings
    database: Database
    payments: PaymentsClient


async def get_settings(request: Request) -> Settings:
    """The settings the application was started with."""
    return cast("Settings", request.state.settings)


async def get_database(request: Request) -> Database:
    """The database. An endpoint holds a session of it no longer than its queries take.

    A dependency that held one for the length of the request would hold the connection while the
    answer is put together and sent, and costs as much again as the endpoint itself.
    """
    return cast("Database", request.state.database)


async def get_payments(request: Request) -> PaymentsClient:
    """The client of the payments service."""
    return cast("PaymentsClient", request.state.payments)


SettingsDep = Annotated[Settings, Depends(get_settings)]
DatabaseDep = Annotated[Database, Depends(get_database)]
PaymentsDep = Annotated[PaymentsClient, Depends(get_payments)]


IdPath = Annotated[int, Path(ge=1, le=MAX_ID)]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="Chosen by the client, one for each order it means to place.",
    ),
]
