"""Browsing and searching the catalogue."""

from typing import Annotated

from fastapi import APIRouter, Query

from app import catalogue
from app.api.deps import DatabaseDep, IdPath
from app.models import Item
from app.schemas import ItemOut, ItemPage

router = APIRouter(prefix="/items", tags=["items"])

# PostgreSQL cannot store the character NUL, nor look for it.
_Text = Annotated[str | None, Query(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]


@router.get("")
async def list_items(
    database: DatabaseDep,
    category: _Text = None,
    search: _Text = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> ItemPage:
    """A page of items, cheapest first within a category."""
    async with database.session() as session:
        found = await catalogue.find_items(
            session, category=category, search=search, limit=limit, offset=offset
        )
    return ItemPage(
        items=[ItemOut.model_validate(item) for item in found], limit=limit, offset=offset
    )


@router.get("/{item_id}", response_model=ItemOut, responses={404: {"description": "No such item"}})
async def read_item(database: DatabaseDep, item_id: IdPath) -> Item:
    """One item."""
    async with database.session() as session:
        return await catalogue.get_item(session, item_id)
