"""Runbook entry 2.3: the application is slow, or does not answer at all."""

from __future__ import annotations

from drillbook.drill import Drill, drills
from drillbook.faults import network
from drillbook.symptoms import database, http, metrics
from fixtures.shop import Shop

PATH = "/items?category=lamps&limit=20"
QUERY = "SELECT * FROM items WHERE category = 'lamps' ORDER BY price_cents LIMIT 20"
LATENCY = (
    "histogram_quantile(0.95, sum by (le) "
    '(rate(http_request_duration_seconds_bucket{route!~"/health|/metrics"}[8s])))'
)


@drills("2.3", cause=3, exclusive=True)
def test_network_latency(drill: Drill, stack: Shop) -> None:
    """The network adds latency between the application and its database."""
    url, behind = f"{stack.url}{PATH}", f"{stack.backend_url}{PATH}"
    before_ms = drill.measure("an answer, ms", lambda: http.median_ms(url, stack.http))

    drill.inject(network.slow(stack, "db", latency_ms=700))

    drill.symptom(1, http.slower(url, stack.http, than_ms=before_ms, times=10, requests=1))
    drill.symptom(2, http.no_answer(url, stack.http, within_s=1.0))
    drill.symptom(3, http.no_answer(behind, stack.http, within_s=1.0))

    # Of so slow a network some requests get no connection in time: 3.1 calls as well, or 2.1.
    drill.alert("HighLatency", expected=("DatabaseUnreachable", "BackendErrors"))

    drill.step(1, metrics.value(drill.prometheus, LATENCY, above=0.5))
    drill.step(2, database.explain(stack, QUERY, shows=r"Execution Time: \d{1,2}\.\d+ ms"))
    drill.step(6, database.far(stack.backend, "db", above_ms=600))

    drill.note(
        "cause",
        3,
        "The query itself is quick (step 2) while its answer is slow: only step 6, measuring the "
        "way to the database, tells a slow network from a slow database.",
    )

    drill.fix(6, network.calm(stack, "db"))
    drill.step(6, database.near(stack.backend, "db", below_ms=300))
    drill.recovered()
