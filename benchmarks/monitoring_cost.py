"""``python -m benchmarks.monitoring_cost [--rounds N]``: what it costs to have the stack watched.

One stack, with users: watched and not watched in turn (the monitoring's containers are paused
where it is not), so that whatever else the machine does happens to both. Told: the seconds that
starting the monitoring takes, the processor and the memory that each of its parts uses while it
scrapes every second, and how long users wait with it and without.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from benchmarks import timing
from benchmarks.stage import Stage, say, staged
from drillbook.machine import environment
from drillbook.run import DEFAULT_RUNBOOK
from drillbook.runbook import load
from fixtures.monitoring import Monitoring

ROUND_S = 10.0
MB = 1024 * 1024


@dataclass
class Part:
    """What one container of the monitoring used, a figure a round."""

    cpu_percent: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)


def used(container: Container) -> tuple[float, float]:
    """Processor seconds since it started, and memory without the file cache (MB)."""
    told: Any = container.stats(stream=False, one_shot=True)
    memory = told["memory_stats"]
    cached = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    return told["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, (memory["usage"] - cached) / MB


def felt_ms(stage: Stage) -> list[float]:
    """The times of the users' requests of one round, in ms."""
    began_s = time.monotonic()
    time.sleep(ROUND_S)  # a round is so many seconds of users
    return [one.took_s * 1000 for one in stage.witness.samples if one.sent_s >= began_s]


def watched_round(stage: Stage, monitoring: Monitoring, parts: dict[str, Part]) -> list[float]:
    """One round with the monitoring at work; what its parts used goes into ``parts``."""
    containers = {one.name: one.container() for one in monitoring.services}
    before = {name: used(container)[0] for name, container in containers.items()}
    began_s = time.monotonic()
    took_ms = felt_ms(stage)
    for name, container in containers.items():
        cpu_s, memory_mb = used(container)
        part = parts.setdefault(name, Part())
        part.cpu_percent.append(100 * (cpu_s - before[name]) / (time.monotonic() - began_s))
        part.memory_mb.append(memory_mb)
    return took_ms


def tell(parts: dict[str, Part], waits: dict[str, list[float]], start_s: float) -> None:
    """Print the figures: medians over the rounds."""
    say(f"start                {start_s:5.1f} s, from its images to every target scraped")
    total = Part()
    for name, part in parts.items():
        cpu, memory = statistics.median(part.cpu_percent), statistics.median(part.memory_mb)
        total.cpu_percent.append(cpu)
        total.memory_mb.append(memory)
        say(f"{name:<20} {cpu:5.1f} % of a core  {memory:6.1f} MB")
    cpu, memory = sum(total.cpu_percent), sum(total.memory_mb)
    say(f"{'together':<20} {cpu:5.1f} % of a core  {memory:6.1f} MB")
    for name, took_ms in waits.items():
        cuts = statistics.quantiles(took_ms, n=20)
        say(f"{name:<20} p50 {cuts[9]:6.1f} ms  p95 {cuts[18]:6.1f} ms  of {len(took_ms)} requests")


def measure(rounds: int) -> None:
    """Bring everything up, measure, print. Raises what the run raises."""
    with (
        tempfile.TemporaryDirectory() as folder,
        staged(load(DEFAULT_RUNBOOK), Path(folder) / "run") as stage,
    ):
        began_s = time.monotonic()
        monitoring = stage.run.watch()
        assert isinstance(monitoring, Monitoring)
        start_s = time.monotonic() - began_s
        parts: dict[str, Part] = {}
        waits: dict[str, list[float]] = {"users, watched": [], "users, not watched": []}
        for _ in range(rounds):
            stage.settle()
            waits["users, watched"] += watched_round(stage, monitoring, parts)
            for service in monitoring.services:
                service.container().pause()
            waits["users, not watched"] += felt_ms(stage)
            for service in monitoring.services:
                service.container().unpause()
        tell(parts, waits, start_s)


def main() -> int:
    """Measure and print; always 0: there is no goal but to know it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring_cost")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    before = timing.machine()
    measure(rounds)
    say(f"{before} at first, {timing.machine()} at last")
    return 0


if __name__ == "__main__":
    environment.enter("benchmarks.monitoring_cost")
    sys.exit(main())
