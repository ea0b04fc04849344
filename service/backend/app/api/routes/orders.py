"""Placing and looking at orders."""

from fastapi import APIRouter, Response, status

from app import ordering
from app.api.deps import DatabaseDep, IdempotencyKey, IdPath, PaymentsDep
from app.models import Order
from app.schemas import OrderIn, OrderOut

router = APIRouter(prefix="/orders", tags=["orders"])


@router.post(
    "",
    response_model=OrderOut,
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": OrderOut, "description": "Placed before, under the same key"},
        404: {"description": "No such item"},
        409: {"description": "The key was used for other contents"},
    },
)
async def place_order(
    database: DatabaseDep,
    payments: PaymentsDep,
    key: IdempotencyKey,
    wanted: OrderIn,
    response: Response,
) -> Order:
    """Place an order and pay for it. Safe to repeat with the same key until it is answered."""
    placed = await ordering.place_order(database, payments, key, wanted)
    if not placed.created:
        response.status_code = status.HTTP_200_OK
    return placed.order


@router.get(
    "/{order_id}", response_model=OrderOut, responses={404: {"description": "No such order"}}
)
async def read_order(database: DatabaseDep, order_id: IdPath) -> Order:
    """One order."""
    async with database.session() as session:
        return await ordering.get_order(session, order_id)
