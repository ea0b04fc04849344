"""What a customer does: browse, search, look at an item, place an order, look at the order.

Knows nothing of Locust, so that it can be tested without: a customer is whoever can ``ask``.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

from loadtests.catalogue import Catalogue

OK, CREATED = 200, 201
PAGE = 20
REMEMBERED = 50
"""So many of their last orders customers look at again."""


class Customer(Protocol):
    """Who visits the shop."""

    dice: random.Random
    catalogue: Catalogue
    orders: Orders

    def ask(  # noqa: PLR0913 - what makes up a request
        self,
        name: str,
        method: str,
        path: str,
        *,
        expect: int = OK,
        contains: bytes = b"",
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request and count its answer; the answer, or None where it is not as expected."""


@dataclass
class Orders:
    """The orders that were acknowledged: how many, and the numbers of the last ones."""

    acknowledged: int = 0
    last: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def remember(self, number: int) -> None:
        """Note an acknowledged order."""
        self.acknowledged += 1
        self.last.append(number)


def browse(customer: Customer) -> None:
    """Look at a page of a category, mostly the first."""
    category = customer.dice.choice(customer.catalogue.categories)
    offset = customer.dice.choice((0, 0, 0, PAGE, 2 * PAGE))
    query = urlencode({"category": category, "limit": PAGE, "offset": offset})
    customer.ask("browse", "GET", f"/items?{query}", contains=b'"sku"')


def search(customer: Customer) -> None:
    """Search for a word that occurs in names."""
    query = urlencode({"search": customer.dice.choice(customer.catalogue.words), "limit": PAGE})
    customer.ask("search", "GET", f"/items?{query}", contains=b'"sku"')


def item(customer: Customer) -> None:
    """Look at one item."""
    number = customer.dice.randint(1, customer.catalogue.items)
    customer.ask("item", "GET", f"/items/{number}", contains=b'"sku"')


def order(customer: Customer) -> None:
    """Place an order."""
    body = {"item_id": customer.dice.randint(1, customer.catalogue.items), "quantity": 1}
    key = uuid.uuid4()  # not of the seed: an order of an earlier run would only be repeated
    answer = customer.ask(
        "order",
        "POST",
        "/orders",
        expect=CREATED,
        body=body,
        headers={"Idempotency-Key": f"load-{key}"},
    )
    if answer is not None:
        customer.orders.remember(int(answer["id"]))


def order_status(customer: Customer) -> None:
    """Look at an order placed before; whoever has none yet places one."""
    if not customer.orders.last:
        order(customer)
        return
    number = customer.dice.choice(customer.orders.last)
    customer.ask("order_status", "GET", f"/orders/{number}", contains=b'"status"')


Visit = Callable[[Customer], None]

WEIGHTS: dict[Visit, int] = {browse: 8, search: 5, item: 4, order: 2, order_status: 1}
"""Of 20 requests, how many are of each kind."""
ENDPOINTS = tuple(visit.__name__ for visit in WEIGHTS)
SHARES = {visit.__name__: weight / sum(WEIGHTS.values()) for visit, weight in WEIGHTS.items()}
