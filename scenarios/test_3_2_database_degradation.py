"""Runbook entry 3.2: the database has become slow."""

from __future__ import annotations

from drillbook.drill import Drill, drills
from drillbook.faults import database
from drillbook.looking import absent
from drillbook.symptoms import database as asks
from drillbook.symptoms import http, logs, metrics
from drillbook.symptoms import workloads as see
from fixtures import customers
from fixtures.shop import Shop

INDEX = "ix_items_category_price"
PATH = "/items?category=lamps&limit=20"
QUERY = "SELECT * FROM items WHERE category = 'lamps' ORDER BY price_cents LIMIT 20"
SESSIONS = 'rate(pg_stat_database_active_time_seconds_total{datname="mydatabase"}[8s])'
ROWS_READ = 'rate(pg_stat_user_tables_seq_tup_read{relname="items"}[8s])'


@drills("3.2", cause=1, exclusive=True)
def test_missing_index(drill: Drill, stack: Shop) -> None:
    """An index is missing, and a query that needs it is slow."""
    url = f"{stack.url}{PATH}"
    definition = asks.indexes(stack)[INDEX]
    log_slow = database.slow_query_log(stack, over_ms=20)

    with customers.asking_for(url, per_second=50), log_slow as log:
        before_ms = drill.measure("an answer, ms", lambda: http.median_ms(url, stack.http))
        drill.check("db is not busy", absent(see.busiest(stack.db)))

        drill.inject(database.without_index(stack, INDEX))

        drill.symptom(1, http.slower(url, stack.http, than_ms=before_ms, times=5))
        drill.symptom(2, see.busiest(stack.db))
        drill.symptom(3, asks.connections(stack, at_least=4))
        # Slow queries hold every connection of the pools: some requests get none, others late.
        drill.alert(
            "DatabaseSlow", expected=("DatabaseUnreachable", "BackendErrors", "HighLatency")
        )

        drill.step(1, metrics.value(drill.prometheus, SESSIONS, above=2))
        drill.step(1, metrics.value(drill.prometheus, ROWS_READ, above=100_000))
        drill.step(2, log)
        drill.step(2, logs.mention(stack.db, r"duration: \d.*items"))
        drill.step(2, asks.explain(stack, QUERY, shows="Seq Scan on items"))
        drill.step(6, asks.connections_below(stack, bound=60))

        drill.fix(3, database.create_index(stack, definition))
        drill.step(2, asks.explain(stack, QUERY, shows=f"Index Scan using {INDEX}"))
    drill.recovered()
