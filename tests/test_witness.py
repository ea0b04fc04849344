"""The witness against a shop in this process: its rate, its ledger, and its sums."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbook.looking import until
from drillbook.traffic import FELT_MS, REQUEST_DEADLINE_S, Sample, Witness, percentiles
from fixtures.orders import ShopCustomer
from tests.tiny_shop import TinyShop, tiny_shop

RATE_PER_S = 40
ENOUGH_S = 10.0


@pytest.fixture
def shop() -> Iterator[TinyShop]:
    with tiny_shop() as shop:
        yield shop


@pytest.fixture
def witness(shop: TinyShop) -> Iterator[Witness]:
    witness = Witness(shop.url, ShopCustomer(), seed=1, rate_per_s=RATE_PER_S)
    witness.start()
    yield witness
    shop.resume()
    witness.stop()


def wait_for(condition: Callable[[], bool], words: str) -> None:
    def look() -> str:
        assert condition(), f"not yet: {words}"
        return words

    until(look, ENOUGH_S)


# --- the rate ----------------------------------------------------------------------------------
def test_requests_come_at_the_rate(witness: Witness, shop: TinyShop) -> None:
    wait_for(lambda: len(witness.samples) >= 2 * RATE_PER_S, "two seconds of requests")
    sent_s = [one.sent_s for one in witness.samples]
    span_s = max(sent_s) - min(sent_s)
    assert (len(sent_s) - 1) / span_s == pytest.approx(RATE_PER_S, rel=0.15)


def test_a_stalled_shop_does_not_hold_back_its_customers(witness: Witness, shop: TinyShop) -> None:
    """The open model: what a closed one would not send is what users would have felt."""
    wait_for(lambda: len(witness.samples) >= 10, "some requests")
    shop.stall()
    stalled_at, began_s = len(shop.arrived_s), time.monotonic()
    wait_for(lambda: len(shop.arrived_s) >= stalled_at + RATE_PER_S, "a second's worth, unanswered")
    assert time.monotonic() - began_s < 3.0  # on a busy machine too; a second on an idle one


def test_a_stalled_request_is_given_up_and_counted(witness: Witness, shop: TinyShop) -> None:
    shop.stall()
    wait_for(lambda: any(one.failed for one in witness.samples), "a request given up")
    one = next(one for one in witness.samples if one.failed)
    assert one.status is None
    assert one.error is not None
    assert "Time" in one.error
    assert REQUEST_DEADLINE_S - 0.1 < one.took_s < REQUEST_DEADLINE_S + 3.0


def test_nobody_listening_is_a_failed_request_not_a_dead_witness() -> None:
    witness = Witness("http://127.0.0.1:9", ShopCustomer(), seed=1, rate_per_s=RATE_PER_S)
    witness.start()
    wait_for(lambda: len(witness.samples) >= 5, "failed requests")
    witness.require_alive()
    witness.stop()
    assert all(one.failed and one.error and "Connect" in one.error for one in witness.samples)


def test_a_seed_repeats_the_traffic(shop: TinyShop) -> None:
    def asked_for(seed: int) -> list[str]:
        shop.paths.clear()
        witness = Witness(shop.url, ShopCustomer(), seed=seed, rate_per_s=100)
        witness.start()
        wait_for(lambda: len(shop.paths) >= 20, "requests")
        witness.stop()
        # two that were sent together may arrive in either order
        return sorted(shop.paths[:15])

    assert len(set(asked_for(7)) & set(asked_for(7))) > len(set(asked_for(7)) & set(asked_for(8)))


# --- the ledger --------------------------------------------------------------------------------
def test_every_acknowledged_order_is_in_the_ledger_and_no_other(
    witness: Witness, shop: TinyShop
) -> None:
    wait_for(lambda: len(witness.ledger.keys()) >= 5, "orders")
    witness.stop()
    assert witness.ledger.acknowledged == {k: str(n) for k, n in shop.orders.items()}
    orders = [one for one in witness.samples if one.kind == "order"]
    assert len(orders) == len(shop.orders)


@pytest.mark.parametrize("status", [200, 202, 500, 503])
def test_an_order_that_was_not_created_was_not_promised(shop: TinyShop, status: int) -> None:
    shop.status = status
    witness = Witness(shop.url, ShopCustomer(), seed=1, rate_per_s=100)
    witness.start()
    wait_for(lambda: sum(one.kind == "order" for one in witness.samples) >= 3, "orders")
    witness.stop()
    assert witness.ledger.keys() == []


@pytest.mark.parametrize("body", [b"<html>created</html>", b"{}", b"[]", b'{"id": null}'])
def test_an_acknowledgement_that_is_no_order_is_a_failure_and_counts(
    shop: TinyShop, body: bytes
) -> None:
    shop.order_body = body
    witness = Witness(shop.url, ShopCustomer(), seed=1, rate_per_s=100)
    witness.start()
    wait_for(lambda: len(shop.orders) >= 3, "orders")
    witness.stop()
    orders = [one for one in witness.samples if one.kind == "order"]
    assert len(orders) == len(shop.orders)
    assert all(one.failed and one.error for one in orders)
    assert witness.ledger.keys() == []


def test_a_customer_reads_and_orders_and_is_promised_it(witness: Witness, shop: TinyShop) -> None:
    witness.customer()()
    assert set(witness.ledger.keys()) <= set(shop.orders)
    shop.status = 503
    with pytest.raises(AssertionError, match="reading: HTTP 503"):
        witness.customer()()


def test_a_customer_of_a_closed_shop_got_no_answer() -> None:
    with pytest.raises(AssertionError, match="a customer got no answer"):
        Witness("http://127.0.0.1:9", ShopCustomer(), seed=1).customer()()


# --- its own health ----------------------------------------------------------------------------
def test_silence_is_not_health(shop: TinyShop) -> None:
    witness = Witness(shop.url, ShopCustomer(), seed=1)
    with pytest.raises(RuntimeError, match="not running"):
        witness.require_alive()
    witness.start()
    witness.require_alive()
    witness.stop()
    with pytest.raises(RuntimeError, match="not running"):
        witness.require_alive()


def test_a_witness_that_broke_says_why(shop: TinyShop) -> None:
    witness = Witness(
        "no url at all", ShopCustomer(), seed=1, rate_per_s=0
    )  # which cannot be divided by
    witness.start()
    wait_for(lambda: witness.error is not None, "its error")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        witness.require_alive()
    witness.stop()


# --- its sums ----------------------------------------------------------------------------------
def sample(sent_s: float, took_s: float = 0.01, status: int | None = 200) -> Sample:
    return Sample(sent_s, took_s, "read", status, None if status else "ConnectError")


def witness_of(*samples: Sample) -> Witness:
    witness = Witness("http://127.0.0.1:9", ShopCustomer(), seed=1)
    witness.samples.extend(sorted(samples, key=lambda one: one.sent_s + one.took_s))
    return witness


@pytest.mark.parametrize(
    ("one", "failed", "felt"),
    [
        (sample(0), False, False),
        (sample(0, status=404), False, False),
        (sample(0, status=499), False, False),
        (sample(0, status=500), True, True),
        (sample(0, status=None), True, True),
        (sample(0, took_s=FELT_MS / 1000 + 0.001), False, True),
        (sample(0, took_s=FELT_MS / 1000), False, False),
    ],
)
def test_what_users_feel(one: Sample, failed: bool, felt: bool) -> None:
    assert (one.failed, one.felt) == (failed, felt)


def test_felt_is_from_the_first_bad_request_to_the_end_of_the_last() -> None:
    witness = witness_of(
        sample(8.0),
        sample(10.5, status=500),
        sample(11.0),
        sample(11.4, took_s=2.1, status=None),
        sample(14.0),
    )
    report = witness.report(began_s=5.0, fault_s=10.0, healed_s=13.0, ended_s=20.0)
    assert report.felt_s == pytest.approx(13.5 - 10.5)
    assert (report.requests, report.failed) == (5, 2)
    assert [report.latency_ms[one]["count"] for one in ("before", "during", "after")] == [1, 3, 1]


def test_two_slow_requests_far_apart_are_two_short_stretches_and_no_long_one() -> None:
    witness = witness_of(sample(10.5, took_s=0.75), sample(12.0), sample(17.0, took_s=0.5625))
    report = witness.report(began_s=5.0, fault_s=10.0, healed_s=18.0, ended_s=20.0)
    assert report.felt_s == pytest.approx(0.75 + 0.5625)


def test_felt_begins_with_the_fault_for_a_request_that_was_under_way() -> None:
    report = witness_of(sample(9.5, took_s=2.0, status=None)).report(5.0, 10.0, 13.0, 20.0)
    assert report.felt_s == pytest.approx(11.5 - 10.0)


def test_a_failure_before_the_fault_is_not_the_faults() -> None:
    report = witness_of(sample(8.0, status=500), sample(11.0)).report(5.0, 10.0, 13.0, 20.0)
    assert report.felt_s == 0.0
    assert report.failed == 1


def test_a_drill_reports_of_its_own_time_alone() -> None:
    witness = witness_of(sample(1.0, status=500), sample(6.0), sample(25.0, status=500))
    report = witness.report(began_s=5.0, fault_s=7.0, healed_s=8.0, ended_s=20.0)
    assert (report.requests, report.failed, report.felt_s) == (1, 0, 0.0)


def test_a_drill_that_broke_nothing_has_only_a_before() -> None:
    report = witness_of(sample(6.0), sample(7.0)).report(5.0, None, None, 20.0)
    assert report.latency_ms["before"]["count"] == 2
    assert report.latency_ms["during"] == report.latency_ms["after"] == {}


def test_a_drill_without_a_single_request_reports_all_the_same() -> None:
    report = witness_of().report(5.0, 10.0, 13.0, 20.0)
    assert (report.felt_s, report.requests, report.failed) == (0.0, 0, 0)


MOMENT = st.floats(0, 30, allow_nan=False)
SAMPLES = st.lists(
    st.builds(sample, MOMENT, st.floats(0, 3), st.sampled_from([200, 404, 500, 503, None])),
    max_size=30,
)


@given(SAMPLES, st.lists(MOMENT, min_size=4, max_size=4).map(sorted))
def test_the_sums_hold_together(samples: list[Sample], moments: list[float]) -> None:
    began_s, fault_s, healed_s, ended_s = moments
    report = witness_of(*samples).report(began_s, fault_s, healed_s, ended_s)
    assert 0 <= report.failed <= report.requests <= len(samples)
    assert sum(int(part.get("count", 0)) for part in report.latency_ms.values()) == report.requests
    last_s = max((one.sent_s + one.took_s for one in samples), default=0.0)
    assert 0 <= report.felt_s <= max(0.0, last_s - fault_s) + 1e-9
    for part in report.latency_ms.values():
        assert not part or part["p50"] <= part["p95"] <= part["p99"]


def test_percentiles_of_a_hundred_and_one_even_steps() -> None:
    samples = [sample(0.0, took_s=number / 1000) for number in range(101)]
    assert percentiles(samples, lambda _: True) == {
        "p50": 50.0,
        "p95": 95.0,
        "p99": 99.0,
        "count": 101,
    }


def test_percentiles_of_one_and_of_none() -> None:
    assert percentiles([sample(0.0, took_s=0.25)], lambda _: True)["p99"] == 250.0
    assert percentiles([sample(0.0)], lambda _: False) == {}
