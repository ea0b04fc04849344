"""Prometheus metrics, kept so that they are right with several worker processes.

Where PROMETHEUS_MULTIPROC_DIR is set, each worker writes its values to a file of its own there
and a scrape of any worker adds up the files of all.
"""

import os

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

REQUESTS = Counter(
    "http_requests_total",
    "Requests answered, by method, route template and status.",
    ["method", "route", "status"],
)
LATENCY = Histogram(
    "http_request_duration_seconds",
    "Time from a request's first byte to its answer's last.",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
IN_FLIGHT = Gauge(
    "http_requests_in_flight",
    "Requests being worked on.",
    multiprocess_mode="livesum",
)
POOL_CAPACITY = Gauge(
    "db_pool_connections_max",
    "Database connections the pools may open together.",
    multiprocess_mode="livesum",
)
POOL_IN_USE = Gauge(
    "db_pool_connections_in_use",
    "Database connections held by requests.",
    multiprocess_mode="livesum",
)
POOL_WAITING = Gauge(
    "db_pool_requests_waiting",
    "Requests waiting for a database connection.",
    multiprocess_mode="livesum",
)
POOL_FAILURES = Counter(
    "db_pool_failures_total",
    "Requests that got no database connection, by the error they got instead.",
    ["error"],
)


def exposition() -> bytes:
    """All metrics of all live workers, in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
