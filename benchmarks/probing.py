"""``python -m benchmarks.probing``: what a probe costs, beside blackbox exporter's.

Both ask the same trivial target on loopback over a new connection each time, four at once, and take
turns in one run. What is measured is the processor time of the process that probes (its memory, its
rate a core): of ours with everything that belongs to a probe (detector, damping, states, history in
a file), and of the bare request under it. ``--targets`` are the numbers of targets to measure at.

blackbox exporter is Debian's package prometheus-blackbox-exporter: on PATH, or given by --blackbox.
Exits 1 where a probe of ours costs more, or a core holds fewer than 1,000 a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from drillbook.machine import environment
from drillbook.runbook import load as load_runbook
from probes.client import Client, Line, Request
from probes.history import History
from probes.provenance import Provenances
from probes.target import load
from probes.watch import Watch, watch

ROOT = Path(__file__).parents[1]
AT_ONCE = 4
GOAL_A_SECOND = 1000
TICKS = os.sysconf("SC_CLK_TCK")
PROBING, BARE, BLACKBOX = "a probe of ours", "its bare request", "blackbox exporter"


def say(words: str) -> None:
    """A line for the person who measures. (That of ``stage`` brings the whole engine with it.)"""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


# --- the target ------------------------------------------------------------------------------
class Trivial(asyncio.Protocol):
    """Answers anything with 200 and closes."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        """Answer; requests of a probe fit one packet."""
        self.transport.write(self.ANSWER)
        self.transport.close()


async def serve_trivial(port: int) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Trivial, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


# --- ours ------------------------------------------------------------------------------------
def made(folder: Path, port: int, targets: int, client: Client) -> list[Watch]:
    """So many targets, each with one probe, and one history in a file for all."""
    runbook = load_runbook(ROOT / "runbook.md")
    history = History(folder / "history.db", keep_days=31, say=say)
    watches = []
    for number in range(targets):
        file = folder / f"target-{number}.toml"
        file.write_text(
            f'url = "http://127.0.0.1:{port}"\nhealth = "/{number}"\nallow_private = true\n'
            'entries = ["4.2"]\n[limits]\nper_second = 1e6\n'
        )
        watches.append(watch(load(file), client, runbook, Provenances([], runbook), history))
    return watches


async def probing(port: int, probes: int, targets: int, *, bare: bool) -> dict[str, float]:
    """Probe all targets in turn until there were so many probes; what one cost."""
    client = Client()
    with tempfile.TemporaryDirectory() as folder:
        watches = made(Path(folder), port, targets, client)
        line = Line(client, allow_private=True, deadline_s=5)
        turn = iter(range(probes + targets))

        async def work(until: int) -> None:
            for number in turn:
                if bare:
                    answer = await line.ask(Request("GET", f"http://127.0.0.1:{port}/"))
                    assert answer.status == 200, answer
                else:
                    [result] = await watches[number % targets].round(5)
                    assert result.outcome == "up", result
                if number >= until:
                    return

        await asyncio.gather(*(work(targets - AT_ONCE) for _ in range(AT_ONCE)))  # warm-up
        began_s, wall_s = time.process_time(), time.monotonic()
        done = probes
        await asyncio.gather(*(work(probes + targets) for _ in range(AT_ONCE)))
        taken = {
            "ms": (time.process_time() - began_s) / done * 1000,
            "a_second": done / (time.monotonic() - wall_s),
            "memory_mb": memory_mb(os.getpid()),
        }
        await client.close()
        return taken


def ours(port: int, probes: int, targets: int, *, bare: bool = False) -> dict[str, float]:
    """The same in a process of its own, whose memory is that of nothing else."""
    words = ["--worker", str(port), str(probes), str(targets), "bare" if bare else "whole"]
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks.probing", *words],
        env=environment.python(),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout
    taken: dict[str, float] = json.loads(shown)
    return taken


# --- blackbox exporter -----------------------------------------------------------------------
@contextmanager
def blackbox(program: str) -> Iterator[tuple[int, int]]:
    """Run it on a free loopback port; yields its process id and the port."""
    port = free_port()
    module = "modules: {http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}}"
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as config:
        config.write(module)
        config.flush()
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config.name}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ],
            env={**environment.plain(), "GOMAXPROCS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            listening(port)
            yield process.pid, port
        finally:
            process.terminate()
            process.wait(timeout=10)


async def asked(exporter: int, port: int, probes: int, targets: int) -> None:
    """Have it probe all targets in turn, over connections that stay."""
    turn = iter(range(probes))
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for number in turn:
                target = f"http://127.0.0.1:{port}/{number % targets}"
                query = {"target": target, "module": "http_2xx"}
                url = f"http://127.0.0.1:{exporter}/probe"
                async with session.get(url, params=query) as answer:
                    assert "probe_success 1" in await answer.text()

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def theirs(pid: int, exporter: int, port: int, probes: int, targets: int) -> dict[str, float]:
    """What one of its probes cost."""
    asyncio.run(asked(exporter, port, 50, targets))
    began_s, wall_s = processor_s(pid), time.monotonic()
    asyncio.run(asked(exporter, port, probes, targets))
    return {
        "ms": (processor_s(pid) - began_s) / probes * 1000,
        "a_second": probes / (time.monotonic() - wall_s),
        "memory_mb": memory_mb(pid),
    }


# --- measuring -------------------------------------------------------------------------------
def processor_s(pid: int) -> float:
    """The processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> float:
    """The memory that a process holds, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listening(port: int, within_s: float = 60.0) -> None:
    """Wait until somebody listens on a port. Raises TimeoutError."""
    give_up_s = time.monotonic() + within_s
    while time.monotonic() < give_up_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


@contextmanager
def trivial() -> Iterator[int]:
    """The target, in a process of its own; yields its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.probing", "--serve", str(port)],
        cwd=ROOT,
        env=environment.python(),
    )
    try:
        listening(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def main(argv: Sequence[str]) -> int:
    """Measure, say so; 1 where a goal is missed."""
    if argv[:1] == ["--serve"]:
        asyncio.run(serve_trivial(int(argv[1])))
    if argv[:1] == ["--worker"]:
        port, probes, targets = map(int, argv[1:4])
        taken = asyncio.run(probing(port, probes, targets, bare=argv[4] == "bare"))
        sys.stdout.write(json.dumps(taken))
        return 0
    options = _parser().parse_args(argv)
    program = options.blackbox or shutil.which("prometheus-blackbox-exporter")
    if program is None:
        say("prometheus-blackbox-exporter is not on PATH: apt-get install it, or give --blackbox")
        return 3
    met = True
    with trivial() as port, blackbox(program) as (pid, exporter):
        for targets in options.targets:
            found: dict[str, list[dict[str, float]]] = {PROBING: [], BARE: [], BLACKBOX: []}
            for _ in range(options.rounds):
                found[BLACKBOX].append(theirs(pid, exporter, port, options.probes, targets))
                found[PROBING].append(ours(port, options.probes, targets))
                found[BARE].append(ours(port, options.probes, targets, bare=True))
            met = report(targets, found) and met
    return 0 if met else 1


def report(targets: int, found: dict[str, list[dict[str, float]]]) -> bool:
    """Say the medians; whether the goals are met."""
    say(f"{targets} targets, {os.getloadavg()[0]:.1f} load:")
    for name, rounds in found.items():
        ms = [one["ms"] for one in rounds]
        mb = statistics.median(one["memory_mb"] for one in rounds)
        median = statistics.median(ms)
        say(
            f"  {name:<18} {median:.3f} ms of processor ({min(ms):.3f} to {max(ms):.3f}),"
            f" {1000 / median:.0f} a core a second, {mb:.0f} MB"
        )
    medians = {
        name: statistics.median(one["ms"] for one in rounds) for name, rounds in found.items()
    }
    ratio = medians[PROBING] / medians[BLACKBOX]
    met = ratio <= 1 and 1000 / medians[PROBING] >= GOAL_A_SECOND
    say(
        f"  ours / blackbox exporter = {ratio:.2f}; a detector and its record add"
        f" {medians[PROBING] - medians[BARE]:.3f} ms; goals {'met' if met else 'missed'}"
    )
    return met


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--probes", type=int, default=3000, help="of each contender a round")
    parser.add_argument("--targets", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--blackbox", help="the program, where it is not on PATH")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
