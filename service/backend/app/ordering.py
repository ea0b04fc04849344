"""Placing orders so that each is placed and paid exactly once, however often it is asked for.

An order is recorded as pending, charged under its own key, then marked paid. Whatever breaks in
between leaves a pending order behind, and asking again with the same key carries it on: the
record is found by its unique key, and the payments service charges a key once. No database
connection is held while the payments service is being waited for.
"""

from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Integer,
    String,
    bindparam,
    cast,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.core.errors import IdempotencyKeyReused, ItemNotFound, OrderNotFound
from app.models import Base, Item, Order, OrderStatus
from app.payments import PaymentsClient
from app.schemas import OrderIn

# Statements are built once; a request brings only its parameters.
_orders = Base.metadata.tables["orders"]
_quantity = bindparam("quantity", type_=Integer)
# At the item's present price, and nothing where there is no such item.
_INSERT = select(Order).from_statement(
    insert(_orders)
    .from_select(
        ["idempotency_key", "item_id", "quantity", "total_cents", "status"],
        select(
            bindparam("key", type_=String),
            Item.id,
            _quantity,
            cast(Item.price_cents, BigInteger) * _quantity,
            literal(OrderStatus.PENDING.value),
        ).where(Item.id == bindparam("item")),
    )
    .returning(*_orders.columns)
)
_BY_KEY = select(Order).where(Order.idempotency_key == bindparam("key"))
_MARK_PAID = select(Order).from_statement(
    update(_orders)
    .where(_orders.c.id == bindparam("order"))
    .values(status=OrderStatus.PAID.value, payment_reference=bindparam("reference"))
    .returning(*_orders.columns)
)


class PlacedOrder(NamedTuple):
    """A paid order, and whether this very request recorded it."""

    order: Order
    created: bool


async def place_order(
    database: Database, payments: PaymentsClient, key: str, wanted: OrderIn
) -> PlacedOrder:
    """Place the order, or carry on and return the one that already has this key.

    Raises ItemNotFound, IdempotencyKeyReused (the key belongs to other contents), PaymentsError.
    """
    async with database.session() as session:
        placed = await _record(session, key, wanted)
    if placed.order.status == OrderStatus.PAID:
        return placed
    reference = await payments.charge(key, placed.order.total_cents)
    async with database.session() as session:
        return placed._replace(order=await _mark_paid(session, placed.order.id, reference))


async def get_order(session: AsyncSession, order_id: int) -> Order:
    """One order; raises OrderNotFound."""
    order = await session.get(Order, order_id)
    if order is None:
        raise OrderNotFound(order_id)
    return order


async def _record(session: AsyncSession, key: str, wanted: OrderIn) -> PlacedOrder:
    try:
        parameters = {"key": key, "item": wanted.item_id, "quantity": wanted.quantity}
        order = await session.scalar(_INSERT, parameters)
    except IntegrityError:
        # Another request with this key was first. The unique key decides, not a look
        # beforehand, so that two at the same moment cannot both win.
        await session.rollback()
        order = None
    if order is not None:
        return PlacedOrder(order, created=True)
    existing = await session.scalar(_BY_KEY, {"key": key})
    if existing is None:
        raise ItemNotFound(wanted.item_id)
    if (existing.item_id, existing.quantity) != (wanted.item_id, wanted.quantity):
        raise IdempotencyKeyReused
    return PlacedOrder(existing, created=False)


async def _mark_paid(session: AsyncSession, order_id: int, reference: str) -> Order:
    parameters = {"order": order_id, "reference": reference}
    order: Order | None = await session.scalar(_MARK_PAID, parameters)
    if order is None:
        raise OrderNotFound(order_id)
    return order
