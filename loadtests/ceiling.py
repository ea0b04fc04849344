"""What wrk and Locust reach at most on the same paths, in turn in one run.

Both keep the same number of connections busy. The difference between them is what Locust costs
where the generator shares its machine with the service; the share of the processors that each
takes says how far the figure is the service's own.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlencode

from loadtests import wrk
from loadtests.catalogue import Catalogue, pages_of
from loadtests.generator import Plan
from loadtests.session import measure
from loadtests.target import TargetError
from loadtests.visits import PAGE
from loadtests.wrk import CONNECTIONS, Reached, WrkError

Say = Callable[[str], None]
ROUNDS = 3
ROUND_S = 6.0
WARM_UP_S = 2.0
ORDER = "order"


def paths(host: str) -> dict[str, list[str]]:
    """For each endpoint what wrk asks for; nothing where it places orders."""
    shop = Catalogue.learn(pages_of(host))
    browse = [f"/items?{urlencode({'category': c, 'limit': PAGE})}" for c in shop.categories]
    search = [f"/items?{urlencode({'search': word, 'limit': PAGE})}" for word in shop.words]
    return {"browse": browse, "search": search, ORDER: []}


def by_wrk(host: str, endpoint: str, asked: list[str], duration_s: float = ROUND_S) -> Reached:
    """What wrk reaches on an endpoint. Raises WrkError."""
    return wrk.run(host, asked, duration_s, post=endpoint == ORDER)


def by_locust(host: str, endpoint: str, directory: Path) -> Reached:
    """What Locust reaches on an endpoint, with as many users as wrk has connections."""
    plan = Plan(
        host=host,
        directory=directory,
        users=CONNECTIONS,
        duration_s=ROUND_S + WARM_UP_S,
        pace_per_s=0,
        model="closed",
        only=endpoint,
    )
    result = measure(plan, lambda _: None, warm_up_s=WARM_UP_S)
    one = result.measured()[endpoint]
    return Reached(
        one.served_per_s,
        one.p_ms(50) or 0.0,
        one.p_ms(99) or 0.0,
        one.failed,
        result.generator_share,
    )


def make_ready(say: Say) -> None:
    """Have what it takes, before a stack is brought up for it. Raises TargetError."""
    try:
        wrk.make_ready(say)
    except WrkError as error:
        raise TargetError(str(error)) from error


def run(host: str, directory: Path, say: Say) -> int:
    """Measure and tell. Raises TargetError where wrk fails."""
    say(f"{CONNECTIONS} connections, {ROUNDS} rounds of {ROUND_S:.0f} s each in turn, on {host}")
    try:
        for endpoint, asked in paths(host).items():
            found: dict[str, list[Reached]] = {"wrk": [], "Locust": []}
            for number in range(ROUNDS):
                found["wrk"].append(by_wrk(host, endpoint, asked))
                folder = directory / f"{endpoint}-{number}"
                found["Locust"].append(by_locust(host, endpoint, folder))
            for name, rounds in found.items():
                say(f"  {endpoint:8} {name:7} {told(rounds)}")
    except WrkError as error:
        raise TargetError(str(error)) from error
    return 0


def told(rounds: list[Reached]) -> str:
    """The medians of some rounds, for people."""
    figures = {
        name: statistics.median(asdict(one)[name] for one in rounds)
        for name in ("per_s", "p50_ms", "p99_ms", "generator_share")
    }
    failed = sum(one.failed for one in rounds)
    return (
        f"{figures['per_s']:7.0f}/s  p50 {figures['p50_ms']:6.1f} ms  p99 {figures['p99_ms']:6.1f}"
        f" ms  generator {figures['generator_share']:4.0%} of the machine  {failed} failed"
    )
