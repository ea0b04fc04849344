"""What every answer has in common: request ids, CORS, errors, logs and metrics."""

import re
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from support import ORIGIN, FakePayments, assemble, client_of, make_settings

from app.core.database import Database
from app.core.errors import UNEXPECTED
from app.main import create_app
from app.middleware.cors import log_origins

LogLines = Callable[[], list[dict[str, object]]]
STRANGER = "http://evil.example"


@pytest.fixture
def broken_app(app: FastAPI) -> FastAPI:
    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("division by zero, of all things")

    return app


async def test_a_usable_request_id_is_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/items/1", headers={"X-Request-ID": "order-7.retry_2"})
    assert answer.headers["X-Request-ID"] == "order-7.retry_2"


@pytest.mark.parametrize("given", [None, "", "two words", 'in"jection', "x" * 129, "\u00e9"])
async def test_any_other_request_is_given_an_id(
    client: httpx.AsyncClient, given: str | None
) -> None:
    headers = None if given is None else httpx.Headers({"X-Request-ID": given}, "latin-1")
    answer = await client.get("/items/1", headers=headers)
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


async def test_an_unhandled_error_gives_nothing_away_and_can_be_found(
    broken_app: FastAPI, log_lines: LogLines
) -> None:
    async with client_of(broken_app) as client:
        answer = await client.get("/broken", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.json()) == (500, {"detail": UNEXPECTED})
    # a browser may read it
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    (line,) = [line for line in log_lines() if line["logger"] == "app.errors"]
    assert line["level"] == "error"
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert "ZeroDivisionError: division by zero, of all things" in str(line["traceback"])
    assert str(line["traceback"]).startswith("Traceback")


async def test_each_request_is_logged_once_with_its_route(
    client: httpx.AsyncClient, log_lines: LogLines
) -> None:
    await client.get("/items/1", headers={"X-Request-ID": "find-me"})
    (line,) = [line for line in log_lines() if line["logger"] == "app.access"]
    assert line["message"] == "GET /items/1 200"
    assert (line["route"], line["status"]) == ("/items/{item_id}", 200)
    assert line["request_id"] == "find-me"
    assert isinstance(line["duration_ms"], float)


async def test_routine_questions_are_logged_only_when_debugging(
    client: httpx.AsyncClient, log_lines: LogLines
) -> None:
    await client.get("/health")
    await client.get("/metrics")
    access = [line for line in log_lines() if line["logger"] == "app.access"]
    assert {line["level"] for line in access} == {"debug"}


async def test_an_allowed_origin_may_read(client: httpx.AsyncClient, log_lines: LogLines) -> None:
    answer = await client.get("/items/1", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert not [line for line in log_lines() if line["logger"] == "app.cors"]


async def test_a_refused_origin_is_answered_without_permission_and_logged(
    client: httpx.AsyncClient, log_lines: LogLines
) -> None:
    answer = await client.get("/items/1", headers={"Origin": STRANGER})
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers
    (line,) = [line for line in log_lines() if line["logger"] == "app.cors"]
    assert line["level"] == "warning"
    assert STRANGER in str(line["message"])
    assert line["allowed_origins"] == [ORIGIN]


@pytest.mark.parametrize(("origin", "status"), [(ORIGIN, 200), (STRANGER, 400)])
async def test_a_browser_asks_before_it_orders(
    client: httpx.AsyncClient, origin: str, status: int
) -> None:
    answer = await client.options(
        "/orders",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, idempotency-key",
        },
    )
    assert answer.status_code == status
    assert ("Access-Control-Allow-Origin" in answer.headers) == (status == 200)


def test_the_allowed_origins_are_logged_at_start(log_lines: LogLines) -> None:
    log_origins((ORIGIN, "https://shop.example"))
    log_origins(())
    allowed, nobody = log_lines()
    assert allowed["message"] == f"CORS: allowed origins: {ORIGIN}, https://shop.example"
    assert (nobody["level"], "CORS_ORIGINS is empty" in str(nobody["message"])) == ("warning", True)


async def test_a_log_line_is_one_line(broken_app: FastAPI, log_lines: LogLines) -> None:
    async with client_of(broken_app) as client:
        await client.get("/broken%0Aforged")
        await client.get("/broken")
    assert all(line["time"] and line["level"] and line["message"] for line in log_lines())


def _value(exposition: str, name: str, **labels: str) -> float:
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    return 0.0


async def test_requests_are_counted_and_timed_by_route_and_status(
    client: httpx.AsyncClient,
) -> None:
    labels = {"method": "GET", "route": "/items/{item_id}"}
    before = (await client.get("/metrics")).text
    for path in ("/items/1", "/items/2", "/items/99", "/items/x"):
        await client.get(path)
    after = (await client.get("/metrics")).text
    counted = {
        status: _value(after, "http_requests_total", status=status, **labels)
        - _value(before, "http_requests_total", status=status, **labels)
        for status in ("200", "404", "422")
    }
    assert counted == {"200": 2, "404": 1, "422": 1}
    timed = _value(after, "http_request_duration_seconds_count", status="200", **labels)
    assert timed >= 2


async def test_a_stranger_cannot_make_the_metrics_grow(client: httpx.AsyncClient) -> None:
    await client.get("/no/such/path")
    await client.request("BREW", "/coffee")
    after = (await client.get("/metrics")).text
    assert "no/such/path" not in after
    assert "BREW" not in after
    assert _value(after, "http_requests_total", route="unmatched", method="OTHER") >= 1


async def test_pool_gauges_return_to_rest(client: httpx.AsyncClient) -> None:
    await client.get("/items/1")
    after = (await client.get("/metrics")).text
    assert _value(after, "db_pool_connections_in_use") == 0
    assert _value(after, "db_pool_requests_waiting") == 0


async def test_the_schema_is_published(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()
    assert set(schema["paths"]) == {
        "/health",
        "/items",
        "/items/{item_id}",
        "/orders",
        "/orders/{order_id}",
    }
    assert (await client.get("/docs")).status_code == 200


async def test_the_application_starts_and_stops(
    database: Database, payments: FakePayments, log_lines: LogLines
) -> None:
    app = assemble(make_settings(cors_origins=""), database, payments.client())
    async with app.router.lifespan_context(app) as state:
        assert set(state or {}) == {"settings", "database", "payments"}
    assert any("CORS_ORIGINS is empty" in str(line["message"]) for line in log_lines())


async def test_metrics_can_be_switched_off() -> None:
    app = create_app(make_settings(metrics_enabled=False))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        assert (await client.get("/metrics")).status_code == httpx.codes.NOT_FOUND
