"""wrk, a load generator in C: so what it reaches is the service's ceiling, not the generator's.

It sends over so many connections, each as fast as it is answered (a closed model).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drillbook.machine import environment
from drillbook.machine.host import Apt, Host, PackageError

SCRIPT = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 32
THREADS = 2
ENDS_WITHIN_S = 15.0


class WrkError(Exception):
    """wrk is not here, or failed; with what it said."""


@dataclass(frozen=True)
class Reached:
    """What was reached on one path."""

    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    generator_share: float
    """Of the machine's processors, what the generator took."""


def make_ready(say: Callable[[str], None], host: Host | None = None) -> None:
    """Have wrk here: installed where we are root on Debian or Ubuntu. Raises WrkError."""
    host = host or Host()
    if host.which("wrk"):
        return
    apt = Apt(host)
    if not apt.usable:
        raise WrkError("wrk is not installed: apt-get install wrk, or brew install wrk")
    say("wrk: installing it, since its rate is the service's ceiling and not the generator's …")
    try:
        with host.alone():
            apt.install("wrk")
    except PackageError as error:
        raise WrkError(f"wrk could not be installed: {error}") from error


def run(url: str, paths: list[str], duration_s: float, *, post: bool = False) -> Reached:
    """Ask for the paths in turn; with ``post``, place orders instead. Raises WrkError."""
    command = [
        "wrk", "--threads", str(THREADS), "--connections", str(CONNECTIONS),
        "--duration", f"{duration_s:.0f}s", "--timeout", "5s", "--script", str(SCRIPT), url,
        "--", "POST" if post else "GET", *paths,
    ]  # fmt: skip
    before, began_s = _children_s(), time.monotonic()
    done = subprocess.run(
        command,
        env=environment.plain(),
        capture_output=True,
        text=True,
        check=False,
        timeout=duration_s + ENDS_WITHIN_S,
    )
    span_s = time.monotonic() - began_s
    told = [line for line in done.stdout.splitlines() if line.startswith('{"wrk"')]
    if done.returncode or not told:
        raise WrkError(f"wrk ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    figures = json.loads(told[-1])
    share = (_children_s() - before) / span_s / (os.cpu_count() or 1)
    return Reached(figures["per_s"], figures["p50_ms"], figures["p99_ms"], figures["failed"], share)


def _children_s() -> float:
    """Processor time of all child processes that have ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
