"""What the shop sells, learnt from the shop itself: so the same load fits any stock."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LEARN_DEADLINE_S = 10.0
OFFSETS = (0, 100, 200, 50_000, 99_900)


class CatalogueError(Exception):
    """What answers is not the shop, or it has nothing to sell."""


@dataclass(frozen=True)
class Catalogue:
    """What there is to browse and search for, learnt from the shop itself."""

    categories: tuple[str, ...]
    words: tuple[str, ...]
    items: int

    @classmethod
    def learn(cls, page: Callable[[int], Mapping[str, Any]]) -> Catalogue:
        """Read some pages of the catalogue: ``page(offset)`` gives one as parsed JSON.

        Raises CatalogueError.
        """
        found: list[Mapping[str, Any]] = []
        try:
            for offset in OFFSETS:
                found += page(offset)["items"]
            categories = {str(one["category"]) for one in found}
            words = {str(one["name"]).split()[-1] for one in found}
            largest = max((int(one["id"]) for one in found), default=0)
        except (KeyError, TypeError, ValueError) as error:
            told = f"GET /items does not answer as the shop does: {error!r}"
            raise CatalogueError(told) from error
        if not found:
            raise CatalogueError("the shop has no items")
        return cls(tuple(sorted(categories)), tuple(sorted(words)), largest)


def pages_of(host: str) -> Callable[[int], Mapping[str, Any]]:
    """Read pages of a shop at an address, past any proxy. The pages raise OSError, ValueError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def page(offset: int) -> Mapping[str, Any]:
        url = f"{host}/items?limit=100&offset={offset}"
        with opener.open(url, timeout=LEARN_DEADLINE_S) as answer:
            read: Mapping[str, Any] = json.load(answer)
            return read

    return page
