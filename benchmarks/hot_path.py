"""The shop's hot paths, before and after: two versions of the service side by side in one run.

``python -m benchmarks.hot_path REF``: the service as it was at a commit, and as it is in the
working tree. Both stacks are up throughout, and wrk (which takes next to nothing of the machine
itself) asks one and the other in turn through nginx, so that whatever else the machine does
happens to both. Told for each path: the rate, the latency, the processor time that a request
costs in each service, what the generator took, and whether the difference can be chance.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import docker

from drillbook.machine import docker_client, environment
from drillbook.platforms import StackError
from drillbook.reaper import PROJECT_LABEL
from drillbook.significance import AFTER, BEFORE, Comparison, corrected, rounds_needed, turns
from fixtures.shop import Shop
from loadtests import arguments, ceiling, wrk
from loadtests.baseline import both
from loadtests.wrk import CONNECTIONS, Reached, WrkError

WARM_UP_S = 2.0
SERVICES = ("nginx", "backend", "db", "payments")
FIGURES = {"rate /s": True, "p50 ms": False, "p99 ms": False, "backend CPU ms/request": False}
"""What is compared, and whether higher is better."""


@dataclass(frozen=True)
class Round:
    """What one version reached on one path."""

    reached: Reached
    cpu_ms: dict[str, float]
    """Processor time of each service for a request."""

    def figure(self, name: str) -> float:
        """One of FIGURES."""
        return {
            "rate /s": self.reached.per_s,
            "p50 ms": self.reached.p50_ms,
            "p99 ms": self.reached.p99_ms,
            "backend CPU ms/request": self.cpu_ms["backend"],
        }[name]


def cpu_ms(engine: docker.DockerClient, stack: Shop) -> dict[str, float]:
    """Processor time that each service has used since it started."""
    used = dict.fromkeys(SERVICES, 0.0)
    for container in engine.containers.list(filters={"label": f"{PROJECT_LABEL}={stack.project}"}):
        told: Any = container.stats(stream=False, one_shot=True)
        name = container.labels["com.docker.compose.service"]
        used[name] = told["cpu_stats"]["cpu_usage"]["total_usage"] / 1e6
    return used


def measure(engine: docker.DockerClient, stack: Shop, endpoint: str, round_s: float) -> Round:
    """One round of one path on one version. Raises WrkError."""
    asked = ceiling.paths(stack.url)[endpoint]
    ceiling.by_wrk(stack.url, endpoint, asked, WARM_UP_S)
    before = cpu_ms(engine, stack)
    reached = ceiling.by_wrk(stack.url, endpoint, asked, round_s)
    after = cpu_ms(engine, stack)
    requests = max(1.0, reached.per_s * round_s)
    return Round(reached, {name: (after[name] - before[name]) / requests for name in SERVICES})


def compared(
    endpoint: str, before: Sequence[Round], after: Sequence[Round]
) -> Iterator[Comparison]:
    """Each figure of one path, its p value not yet corrected."""
    for name, higher_is_better in FIGURES.items():
        was = [one.figure(name) for one in before]
        now = [one.figure(name) for one in after]
        yield Comparison.of(f"{endpoint} {name}", was, now, higher_is_worse=not higher_is_better)


def say(text: str) -> None:
    """Show a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hot_path", description=__doc__)
    parser.add_argument("ref", help="the commit to compare the working tree with")
    parser.add_argument("--rounds", type=arguments.rounds, default=6)
    parser.add_argument("--round-s", type=float, default=6.0)
    parser.add_argument("--paths", nargs="*", default=["browse", "search", "order"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    engine = docker_client.connected(60)
    found: dict[str, dict[str, list[Round]]] = {}
    try:
        wrk.make_ready(say)
        with both(options.ref, say) as stacks:
            for endpoint in options.paths:
                found[endpoint] = {BEFORE: [], AFTER: []}
                for version in turns(options.rounds):
                    one = measure(engine, stacks[version], endpoint, options.round_s)
                    found[endpoint][version].append(one)
                    say(f"  {endpoint:7} {version:6} {ceiling.told([one.reached])}")
    except (StackError, WrkError) as error:
        say(f"not measured: {error}")
        return 3
    tell(found, options.ref)
    if options.json:
        options.json.write_text(json.dumps(_plain(found), indent=1), encoding="utf-8")
    return 0


def tell(found: dict[str, dict[str, list[Round]]], ref: str) -> None:
    """Show the means that were compared, and then the medians of each version."""
    say(
        f"\n{CONNECTIONS} connections through nginx; means, then medians; {ref} -> the working tree"
    )
    comparisons = corrected(
        [one for path, by in found.items() for one in compared(path, by[BEFORE], by[AFTER])]
    )
    for one in comparisons:
        say(f"  {one}")
    needed = rounds_needed(len(comparisons))
    if len(next(iter(found.values()))[BEFORE]) < needed:
        say(f"  (fewer than {needed} rounds can show no difference for certain)")
    for path, by in found.items():
        for version, rounds in by.items():
            each = ", ".join(
                f"{name} {statistics.median(one.cpu_ms[name] for one in rounds):.2f}"
                for name in SERVICES
            )
            say(
                f"  {path:7} {version:6} CPU ms a request: {each}; {ceiling.told(_reached(rounds))}"
            )


def _reached(rounds: Sequence[Round]) -> list[Reached]:
    return [one.reached for one in rounds]


def _plain(found: dict[str, dict[str, list[Round]]]) -> object:
    return {
        path: {version: [asdict(one) for one in rounds] for version, rounds in by.items()}
        for path, by in found.items()
    }


if __name__ == "__main__":
    environment.enter("benchmarks.hot_path")
    sys.exit(main())
