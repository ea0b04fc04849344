"""Deploying a worse release, and telling that it is worse."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import cast

import httpx
import pytest

from drillbook.looking import NeverSeen, until
from drillbook.platforms import StackError
from drillbook.symptoms import http, versions
from fixtures.faults import releases
from fixtures.faults.releases import Releases
from fixtures.folders import SERVICE
from fixtures.shop import Shop
from fixtures.symptoms import orders
from tests.fake_shop import FakeShop, open_shop

DICE = random.Random  # repeatable on purpose
PATHS = ("/a", "/b")


def deployed(tmp_path: Path, image: str) -> Releases:
    file = tmp_path / "docker-compose.prod.yml"
    file.write_text(f"services:\n  db:\n    image: db:1\n  backend:\n    image: {image}\n")
    return Releases(cast("Shop", None), file, "shop:1", "shop:1-next")


# --- the file that is deployed from ------------------------------------------------------------
@pytest.mark.parametrize("image", ["shop:1", "shop:1-next"])
@pytest.mark.parametrize("wanted", ["shop:1", "shop:1-next"])
def test_a_release_is_put_into_the_file(tmp_path: Path, image: str, wanted: str) -> None:
    one = deployed(tmp_path, image)
    one.edit(wanted)
    assert one.file.read_text().splitlines()[2:] == [
        *("    image: db:1", "  backend:", f"    image: {wanted}")
    ]


def test_a_file_of_some_other_release_is_left_alone(tmp_path: Path) -> None:
    one = deployed(tmp_path, "shop:7")
    with pytest.raises(StackError, match="neither shop:1 nor shop:1-next"):
        one.edit("shop:1")


def test_the_worse_release_differs_from_the_code_in_one_place() -> None:
    source = (SERVICE / "backend" / releases.CODE).read_text()
    assert source.count(releases.GOOD) == 1
    compile(source.replace(releases.GOOD, releases.BAD), releases.CODE, "exec")


# --- telling that it is worse ------------------------------------------------------------------
def answering(monkeypatch: pytest.MonkeyPatch, **took_ms: float) -> None:
    """Hosts that take so long, give or take a tenth."""
    dice = DICE(1)

    def median_ms(url: str, _client: object, *, requests: int = 5) -> float:
        host, _, path = url.partition("/")
        assert f"/{path}" in PATHS
        assert requests > 0
        return took_ms[host] * dice.uniform(0.95, 1.05)

    monkeypatch.setattr(http, "median_ms", median_ms)


def test_a_slower_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, before=10, now=14)
    saw = versions.slower_than("before", "now", PATHS)()
    assert saw.count("regression") == 2
    assert "/a ms: 1" in saw


@pytest.mark.parametrize("now", [10, 7])
def test_one_that_is_as_fast_or_faster_is_not(monkeypatch: pytest.MonkeyPatch, now: float) -> None:
    answering(monkeypatch, before=10, now=now)
    with pytest.raises(AssertionError, match="/b ms"):
        versions.slower_than("before", "now", PATHS)()


def test_it_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, before=10, now=10)
    with pytest.raises(NeverSeen) as caught:
        until(versions.slower_than("before", "now", PATHS), 60.0)
    assert caught.value.looks == 1


def test_two_real_servers_are_compared() -> None:
    began_s = time.monotonic()
    with open_shop() as quick, open_shop() as slow:
        slow.delay_s = 0.01
        (one,) = versions.compare(quick.url, slow.url, ["/items/1"])
        assert one.word == "regression"
        assert one.now > one.was
        assert asked(quick) == asked(slow) == 5 + versions.ROUNDS * versions.REQUESTS
    assert time.monotonic() - began_s < 60


def asked(shop: FakeShop) -> int:
    return sum(shop.asked.values())


def test_a_customer_places_an_order_and_looks_at_it() -> None:
    with open_shop() as shop, httpx.Client() as client:
        assert "GET /orders/" in orders.placed(shop.url, client)()
        shop.status = 503
        with pytest.raises(AssertionError, match="HTTP 503"):
            orders.placed(shop.url, client)()
