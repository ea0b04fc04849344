"""Orders are placed and paid once, whatever happens and however often they are asked for."""

import asyncio
import json
import math
from typing import Any

import aiohttp
import httpx
import pytest
from fastapi import FastAPI
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from support import FakeAnswer, FakePayments, assemble, client_of, make_settings, shop_database

from app.core.database import Database
from app.core.errors import UNEXPECTED
from app.models import Order

LAMPS = {"item_id": 1, "quantity": 2}


def _place(client: httpx.AsyncClient, key: str, body: object = LAMPS) -> Any:  # noqa: ANN401
    # Not httpx's own encoder: it refuses Infinity and half characters, which others send.
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    return client.post("/orders", content=json.dumps(body), headers=headers)


async def _count(database: Database) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(Order)) or 0


async def test_a_new_order_is_paid_and_can_be_looked_up(client: httpx.AsyncClient) -> None:
    answer = await _place(client, "a")
    assert answer.status_code == 201
    order = answer.json()
    assert order["total_cents"] == 1800
    assert (order["status"], order["payment_reference"]) == ("paid", "ch_0")
    assert (await client.get(f"/orders/{order['id']}")).json() == order


async def test_the_same_order_again_is_the_same_order(
    client: httpx.AsyncClient, payments: FakePayments
) -> None:
    first = await _place(client, "a")
    again = await _place(client, "a")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert payments.requests == 1


@pytest.mark.parametrize("other", [{"item_id": 2, "quantity": 2}, {"item_id": 1, "quantity": 3}])
async def test_a_key_cannot_be_used_for_other_contents(
    client: httpx.AsyncClient, other: dict[str, int]
) -> None:
    first = (await _place(client, "a")).json()
    assert (await _place(client, "a", other)).status_code == 409
    assert (await client.get(f"/orders/{first['id']}")).json() == first


async def test_a_used_key_with_an_unknown_item_is_a_conflict(client: httpx.AsyncClient) -> None:
    await _place(client, "a")
    assert (await _place(client, "a", {"item_id": 99, "quantity": 2})).status_code == 409


async def test_an_unknown_item(client: httpx.AsyncClient, database: Database) -> None:
    answer = await _place(client, "a", {"item_id": 99, "quantity": 1})
    assert (answer.status_code, answer.json()) == (404, {"detail": "There is no item 99"})
    assert await _count(database) == 0


async def test_an_unknown_order(client: httpx.AsyncClient) -> None:
    assert (await client.get("/orders/99")).status_code == 404


async def test_duplicates_at_the_same_moment_make_one_order(
    client: httpx.AsyncClient, database: Database, payments: FakePayments
) -> None:
    answers = await asyncio.gather(*(_place(client, "a") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(payments.references) == 1
    assert await _count(database) == 1


@pytest.mark.parametrize(
    "failure",
    [
        aiohttp.ClientConnectionError("connection refused"),
        TimeoutError(),
        FakeAnswer(503, b""),
        FakeAnswer(201, b'["nonsense"]'),
        FakeAnswer(201, b"nonsense"),
    ],
)
async def test_an_order_whose_payment_failed_is_carried_on_by_asking_again(
    client: httpx.AsyncClient,
    database: Database,
    payments: FakePayments,
    failure: FakeAnswer | Exception,
) -> None:
    payments.failure = failure
    refused = await _place(client, "a")
    assert (refused.status_code, refused.json()) == (500, {"detail": UNEXPECTED})

    payments.failure = None
    answer = await _place(client, "a")
    assert (answer.status_code, answer.json()["status"]) == (200, "paid")
    assert await _count(database) == 1
    assert len(payments.references) == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 129, None])
async def test_an_order_needs_a_usable_key(app: FastAPI, key: str | None) -> None:
    async with client_of(app) as client:
        headers = None if key is None else httpx.Headers({"Idempotency-Key": key}, "latin-1")
        assert (await client.post("/orders", json=LAMPS, headers=headers)).status_code == 422


_text = st.text(st.characters())  # halves of surrogate pairs included
_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=5,
)
_bodies = st.one_of(
    st.fixed_dictionaries({"item_id": st.integers(1, 4), "quantity": st.integers(-1, 1001)}),
    st.fixed_dictionaries({"item_id": _anything, "quantity": _anything}),
    _anything,
)


def _acceptable(body: object) -> bool:
    match body:
        case {"item_id": int(item), "quantity": int(quantity), **rest} if not rest:
            booleans = isinstance(item, bool) or isinstance(quantity, bool)
            return not booleans and 1 <= item < 2**31 and 1 <= quantity <= 1000
    return False


@settings(deadline=None, max_examples=100)
@given(body=_bodies, asked=st.integers(1, 3))
@example(body={"item_id": 1, "quantity": math.inf}, asked=1)
@example(body={"item_id": math.nan, "quantity": "\ud800"}, asked=1)
@example(body={"item_id": 1, "quantity": 1, "\ud800": 1}, asked=1)
async def test_any_body_is_refused_or_ordered_once(body: object, asked: int) -> None:
    """Whatever is sent, however often: never an error of ours, never a second order."""
    payments = FakePayments()
    async with shop_database() as engine:
        database = Database(engine)
        app = assemble(make_settings(), database, payments.client())
        async with client_of(app) as client:
            answers = [await _place(client, "key", body) for _ in range(asked)]
        orders = await _count(database)

    statuses = [answer.status_code for answer in answers]
    if not _acceptable(body):
        assert statuses == [422] * asked
    elif isinstance(body, dict) and body["item_id"] > 3:
        assert statuses == [404] * asked
    else:
        assert statuses == [201] + [200] * (asked - 1)
    assert orders == len(payments.references) == statuses.count(201)
