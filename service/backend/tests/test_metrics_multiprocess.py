"""Metrics of several processes add up, whichever of them is asked."""

import os
import subprocess
import sys
from pathlib import Path

BACKEND = Path(__file__).parents[1]
WORKER = """
from app.core.metrics import IN_FLIGHT, POOL_CAPACITY, REQUESTS
REQUESTS.labels("GET", "/items", 200).inc(3)
POOL_CAPACITY.set(12)
"""
SCRAPE = """
import sys
from prometheus_client import multiprocess
from app.core.metrics import exposition
for pid in sys.argv[1:]:
    multiprocess.mark_process_dead(int(pid))
sys.stdout.write(exposition().decode())
"""


def _run(code: str, directory: Path, *arguments: str) -> tuple[int, str]:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code, *arguments],
        cwd=BACKEND,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return process.pid, output


def test_counters_outlive_a_worker_and_gauges_do_not(tmp_path: Path) -> None:
    first, _ = _run(WORKER, tmp_path)
    _run(WORKER, tmp_path)
    _, both = _run(SCRAPE, tmp_path)
    assert 'http_requests_total{method="GET",route="/items",status="200"} 6.0' in both
    assert "db_pool_connections_max 24.0" in both
    _, one = _run(SCRAPE, tmp_path, str(first))
    assert 'http_requests_total{method="GET",route="/items",status="200"} 6.0' in one
    assert "db_pool_connections_max 12.0" in one
