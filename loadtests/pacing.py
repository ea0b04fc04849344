"""When customers come: at moments set beforehand, whether or not those before were served.

A client that waits for each answer before it sends the next request asks for less as soon as
answers are slow, and so hides that they are. Here a request has a moment at which it is due, and
its latency counts from then.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


def moments(began_s: float, per_s: float, dice: random.Random) -> Iterator[float]:
    """When each arrival is due, for ever; sources that start together do not come in step."""
    due_s = began_s + dice.random() / per_s
    while True:
        yield due_s
        due_s += 1 / per_s


def dealt(weights: Mapping[T, int], dice: random.Random) -> Iterator[T]:
    """Choices in exactly these proportions, in no order: dealt from a deck, shuffled anew."""
    deck = [choice for choice, weight in weights.items() for _ in range(weight)]
    while True:
        dice.shuffle(deck)
        yield from deck
