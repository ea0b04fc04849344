"""Queries on items."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ItemNotFound
from app.models import Item


async def find_items(
    session: AsyncSession, *, category: str | None, search: str | None, limit: int, offset: int
) -> Sequence[Item]:
    """A page of the catalogue.

    Within a category the cheapest come first, which `ix_items_category_price` serves without
    sorting; otherwise in catalogue order. `search` finds names that contain it, by
    `ix_items_name_trigrams`.
    """
    query = select(Item).limit(limit).offset(offset)
    if search is not None:
        query = query.where(Item.name.icontains(search, autoescape=True))
    if category is None:
        query = query.order_by(Item.id)
    else:
        query = query.where(Item.category == category).order_by(Item.price_cents, Item.id)
    return (await session.scalars(query)).all()


async def get_item(session: AsyncSession, item_id: int) -> Item:
    """One item; raises ItemNotFound."""
    item = await session.get(Item, item_id)
    if item is None:
        raise ItemNotFound(item_id)
    return item
