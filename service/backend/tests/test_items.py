"""The catalogue."""

import httpx
import pytest
from sqlalchemy import Table, inspect

from app.models import Item


async def test_a_category_is_listed_cheapest_first(client: httpx.AsyncClient) -> None:
    page = (await client.get("/items", params={"category": "lamps"})).json()
    assert [item["price_cents"] for item in page["items"]] == [700, 800, 900]
    assert (page["limit"], page["offset"]) == (20, 0)


async def test_pages_follow_one_another(client: httpx.AsyncClient) -> None:
    first = (await client.get("/items", params={"limit": 2})).json()["items"]
    second = (await client.get("/items", params={"limit": 2, "offset": 2})).json()["items"]
    assert [item["id"] for item in first + second] == [1, 2, 3]


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("LAMP", ["Copper lamp", "Plain oak lamp"]),
        ("oak", ["Plain oak lamp"]),
        ("%", ["100% wool"]),
        ("_", []),
        ("/", []),
        ("'; DROP TABLE items; --", []),
    ],
)
async def test_search_takes_text_literally(
    client: httpx.AsyncClient, search: str, names: list[str]
) -> None:
    page = (await client.get("/items", params={"search": search})).json()
    assert [item["name"] for item in page["items"]] == names


async def test_one_item(client: httpx.AsyncClient) -> None:
    assert (await client.get("/items/1")).json()["sku"] == "SKU-0"


async def test_an_unknown_item(client: httpx.AsyncClient) -> None:
    answer = await client.get("/items/99")
    assert (answer.status_code, answer.json()) == (404, {"detail": "There is no item 99"})


@pytest.mark.parametrize(
    "path",
    [
        "/items/0",
        "/items/2147483648",
        "/items/one",
        "/items?limit=0",
        "/items?limit=101",
        "/items?offset=-1",
        "/items?offset=99999999999999999999",
        "/items?search=",
        "/items?search=%00",
        "/items?category=" + "x" * 101,
    ],
)
async def test_what_the_database_would_choke_on_is_refused(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"]


def test_the_model_has_the_index_that_serves_a_category() -> None:
    table = inspect(Item).local_table
    assert isinstance(table, Table)
    (index,) = [index for index in table.indexes if index.name == "ix_items_category_price"]
    assert list(index.columns.keys()) == ["category", "price_cents", "id"]
