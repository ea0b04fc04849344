"""Queries on items. Each is built once; a request brings only its parameters."""

import re
from collections.abc import Sequence
from functools import cache

from sqlalchemy import Select, bindparam, select
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
    query = _listing(by_category=category is not None, by_name=search is not None)
    parameters: dict[str, object] = {"limit": limit, "offset": offset}
    if category is not None:
        parameters["category"] = category
    if search is not None:
        parameters["search"] = re.sub(r"[%_/]", r"/\g<0>", search)
    return (await session.scalars(query, parameters)).all()


async def get_item(session: AsyncSession, item_id: int) -> Item:
    """One item; raises ItemNotFound."""
    item = await session.get(Item, item_id)
    if item is None:
        raise ItemNotFound(item_id)
    return item


@cache
def _listing(*, by_category: bool, by_name: bool) -> Select[Item]:
    query = select(Item).limit(bindparam("limit")).offset(bindparam("offset"))
    if by_name:
        query = query.where(Item.name.icontains(bindparam("search"), escape="/"))
    if by_category:
        query = query.where(Item.category == bindparam("category"))
        return query.order_by(Item.price_cents, Item.id)
    return query.order_by(Item.id)
