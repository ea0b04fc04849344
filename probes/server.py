"""Goes on: every target's rounds, its reports, and a server for the status page and metrics."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client import write_to_textfile as _write_to_textfile
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from probes import output, page
from probes.metrics import registry_of
from probes.states import Outcome, Result
from probes.watch import Watch

if TYPE_CHECKING:
    from probes.arguments import Options

LATE_ROUNDS = 3
Print = Callable[[str], None]


class _Ended(Exception):
    """SIGTERM: the usual end of a service."""


class PortTaken(Exception):
    """The port of the status page is in use."""


async def serve(options: Options, watches: Sequence[Watch], print_: Print) -> None:
    """Watch until a signal ends it. Raises PortTaken."""
    every_s = options.every_s or 0.0
    listening = _listening(options.listen)
    watching = Watching(watches, every_s, print_, options.textfile)
    app = application(watching, watches, every_s)
    host, port = listening.getsockname()[:2]
    print_(
        f"watching {len(watches)} target(s) every {every_s:g} s; status page: http://{host}:{port}/"
    )
    config = uvicorn.Config(app, log_level="warning", log_config=None, access_log=False)
    config.timeout_graceful_shutdown = 5
    signal.signal(signal.SIGTERM, _end)
    try:
        await uvicorn.Server(config).serve(sockets=[listening])
    except _Ended:
        pass  # uvicorn has shut down, and raises the signal once more
    finally:
        listening.close()
    if watching.broken:
        raise watching.broken[0]


class Watching:
    """The rounds and the reports of all targets, while the server runs."""

    def __init__(
        self, watches: Sequence[Watch], every_s: float, print_: Print, textfile: Path | None
    ) -> None:
        self._watches, self._every_s, self._print = watches, every_s, print_
        self._textfile = textfile
        self.registry = registry_of(watches)
        self.broken: list[BaseException] = []
        """What ended a watch that should never end."""

    @asynccontextmanager
    async def run(self, _: Starlette) -> AsyncIterator[None]:
        """Starlette's lifespan."""
        tasks = list(self._tasks())
        for task in tasks:
            task.add_done_callback(self._ended)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _tasks(self) -> Iterator[asyncio.Task[None]]:
        for number, one in enumerate(self._watches):
            offset_s = self._every_s * number / len(self._watches)  # not all at the same moment
            each = partial(self._after, Teller(one, self._print))
            yield asyncio.create_task(one.every(self._every_s, offset_s, each))
            yield asyncio.create_task(one.deliver())

    def _after(self, tell: Teller, results: list[Result]) -> None:
        tell(results)
        if self._textfile is not None:
            write_textfile(self._textfile, self.registry)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A watch that breaks by a fault of its own ends the prober: silence reads as green."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.broken.append(error)
            signal.raise_signal(signal.SIGTERM)


def application(watching: Watching, watches: Sequence[Watch], every_s: float) -> Starlette:
    """The server; while it runs, so do the rounds."""

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(watching.registry), media_type=CONTENT_TYPE_LATEST)

    async def health(_: Request) -> Response:
        """200 while every target's rounds come; 503 where one has not come for long."""
        late = [one.state.name for one in watches if _late(one, every_s)]
        words = f"no round for long: {', '.join(late)}" if late else "ok"
        return PlainTextResponse(words, 503 if late else 200)

    routes = [Route("/metrics", metrics), Route("/health", health), *page.routes(watches, every_s)]
    return Starlette(routes=routes, lifespan=watching.run)


def write_textfile(path: Path, registry: CollectorRegistry) -> None:
    """Write the metrics for node exporter's textfile collector: whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_to_textfile(str(path), registry)


class Teller:
    """Says a line a probe at first, and then only what changed."""

    def __init__(self, watch: Watch, print_: Print) -> None:
        self._watch, self._print = watch, print_
        self._before: dict[str, Outcome] = {}

    def __call__(self, results: Sequence[Result]) -> None:
        """Say what is new in a round."""
        for one in results:
            name = one.probe.name
            state = self._watch.state.watched[name].state
            if self._before.get(name) != state:
                vouched = self._watch.provenance[name]
                self._print(
                    f"{self._watch.state.name}{output.line(replace(one, outcome=state), vouched)}"
                )
                if state == "down":
                    self._print(f"       follow {output.follow(one.probe.entry, self._watch)}")
            self._before[name] = state


def _late(watch: Watch, every_s: float) -> bool:
    ended = watch.counts.last_ended
    return bool(ended) and watch.clock.wall() - ended > LATE_ROUNDS * every_s + LATE_ROUNDS


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise _Ended


def _listening(address: tuple[str, int]) -> socket.socket:
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
    except OSError as error:
        made.close()
        raise PortTaken(
            f"cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}); set --listen"
        ) from error
    return made
