"""What travels over HTTP. Bounds are those of the columns behind them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_ID = 2**31 - 1

RowId = Annotated[int, Field(ge=1, le=MAX_ID)]


class ItemOut(BaseModel):
    """An item as customers see it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    sku: str
    name: str
    description: str
    category: str
    price_cents: int


class ItemPage(BaseModel):
    """A page of items."""

    items: list[ItemOut]
    limit: int
    offset: int


class OrderIn(BaseModel):
    """What a customer asks for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    item_id: RowId
    quantity: Annotated[int, Field(ge=1, le=1000)]


class OrderOut(BaseModel):
    """An order as it is on record."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    item_id: int
    quantity: int
    total_cents: int
    status: str
    payment_reference: str | None
    created_at: datetime
