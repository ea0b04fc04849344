"""What Locust loads: options, users, the shape, and the stream that tells what happens.

Used through ``python -m loadtests``, which starts Locust with this file, and by the containers
of ``docker-compose.yml``.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, TextIO, cast

import gevent
from locust import LoadTestShape, events, runners
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from loadtests import knee, objectives, shapes, users, visits
from loadtests.catalogue import Catalogue, CatalogueError, pages_of
from loadtests.recorder import Recorder, packed, unpacked
from loadtests.stream import Counted, Ended, Level, Started, Used, WorkerLost, write
from loadtests.trial import Trial

logger = logging.getLogger(__name__)

FLUSH_S = 0.5
SPAWNED_PER_S = 100  # by each worker; more, and Locust warns of trouble
CANNOT_BEGIN = 3
START_SHARE = 20  # the search for the knee begins at a twentieth of the most it may ask

# Locust would look for its own users here; these are what it finds.
CustomersArriving = users.CustomersArriving
PatientCustomer = users.PatientCustomer

runners.WORKER_REPORT_INTERVAL = 1.0  # else the search for the knee would wait for its figures


@events.init_command_line_parser.add_listener
def _options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("drillbook", "what loadtests asks of Locust")
    group.add_argument("--shape", choices=shapes.NAMES, default="steady")
    group.add_argument("--customers", type=int, default=20)
    group.add_argument("--duration-s", type=float, default=30.0)
    group.add_argument("--pace-per-s", type=float, default=5.0)
    group.add_argument("--seed", type=int, default=0)
    group.add_argument("--hold", action="store_true")
    group.add_argument("--step-s", type=float, default=5.0)
    group.add_argument("--searches", type=int, default=1)
    group.add_argument("--only", choices=visits.ENDPOINTS)
    group.add_argument("--objectives", default=str(objectives.DEFAULT))
    group.add_argument("--stream", default="load.jsonl")
    group.add_argument("--lifeline", type=int, default=-1)


class _Follow(LoadTestShape):
    """Has as many users as the shape, or the search for the knee, wants at this moment."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """How many users from now on; None when the run is over."""
        wanted = TELLER.users(self.get_run_time())
        return None if wanted is None else (wanted, SPAWNED_PER_S * TELLER.workers())


class _Teller:
    """One process' part in the run: counts, and in the master (or the only one) writes."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.environment: Environment
        self.options: Any
        self.trial: Trial | None = None
        self._file: TextIO | None = None
        self._lost: set[str] = set()
        self._level = (-1, -1)
        self._ended = False

    def begin(self, environment: Environment) -> None:
        self.environment, self.options = environment, environment.parsed_options
        self.recorder = Recorder()  # in each process its own, and its own processor time
        if self.options.shape == shapes.KNEE:
            most = self.options.customers
            start = max(1, most // START_SHARE)
            searches = [knee.Search(start, most) for _ in range(self.options.searches)]
            limits = objectives.load(Path(self.options.objectives), visits.ENDPOINTS)
            self.trial = Trial(searches, limits, self.options.pace_per_s, self.options.step_s)
        if self.tells:
            path = Path(self.options.stream)
            self._file = path.open("a", encoding="utf-8")
            gevent.spawn(self._tell_for_ever)

    @property
    def tells(self) -> bool:
        """Workers hand over to their master; whoever else there is writes."""
        return not isinstance(self.environment.runner, WorkerRunner)

    def users(self, elapsed_s: float) -> int | None:
        """How many users there should be now; None at the end."""
        if self.trial is not None:
            wanted = self.trial.users(time.time())
            for tried in self.trial.take_tried():
                self._write(tried)
        else:
            over = elapsed_s >= self.options.duration_s and not self.options.hold
            shape = shapes.SHAPES[self.options.shape]
            wanted = (
                None
                if over
                else shape.users(elapsed_s, self.options.duration_s, self.options.customers)
            )
        if wanted is not None:
            self._tell_level(wanted)
        return wanted

    def started(self) -> None:
        options = self.options
        self._write(
            Started(
                time.time(),
                str(self.environment.host),
                options.shape,
                options.customers,
                options.duration_s,
                options.pace_per_s,
                self._model(),
                self.workers(),
                options.seed,
                {options.only: 1.0} if options.only else visits.SHARES,
            )
        )

    def stopping(self) -> None:
        """From now on nothing is asked any more; answers are still on their way."""
        self._write(Level(time.time(), 0, 0.0, self.workers()))

    def ended(self) -> None:
        if not self._ended and self.tells:
            self._ended = True
            self.flush()
            self._write(Ended(time.time(), "stopped"))

    def take_in(self, client_id: str, data: dict[str, Any]) -> None:
        """What a worker hands over, with Locust's own report."""
        self._count(unpacked(data.get("counted", [])))
        self._write(Used(time.time(), client_id, data.get("cpu_s", 0.0)))

    def hand_over(self, data: dict[str, Any]) -> None:
        data["counted"] = packed(self.recorder.take())
        data["cpu_s"] = self.recorder.take_cpu_s()

    def flush(self) -> None:
        self._count(self.recorder.take())
        self._write(Used(time.time(), "master", self.recorder.take_cpu_s()))

    # --- within ------------------------------------------------------------------------------
    def _tell_for_ever(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self.flush()
            self._tell_lost()

    def _count(self, rows: list[Counted]) -> None:
        for row in rows:
            self._write(row)
            if self.trial is not None:
                self.trial.count(row)

    def _tell_level(self, wanted: int) -> None:
        level = (wanted, self.workers())
        if level != self._level:
            self._level = level
            asked_per_s = wanted * self.options.pace_per_s
            self._write(Level(time.time(), wanted, asked_per_s, level[1]))

    def _tell_lost(self) -> None:
        runner = self.environment.runner
        if not isinstance(runner, MasterRunner):
            return
        missing = {node.id for node in runner.clients.values() if node.state == STATE_MISSING}
        for who in sorted(missing - self._lost):
            self._write(WorkerLost(time.time(), who, self.workers()))
        self._lost |= missing

    def _model(self) -> str:
        return str(getattr(self.environment.user_classes[0], "model", "open"))

    def workers(self) -> int:
        """How many processes send requests now; at least one."""
        runner = self.environment.runner
        return max(1, int(runner.worker_count)) if isinstance(runner, MasterRunner) else 1

    def _write(self, row: Any) -> None:
        if self._file is not None:
            write(self._file, row)


TELLER = _Teller()


@events.init.add_listener
def _begin(environment: Environment, **_: Any) -> None:
    options: Any = environment.parsed_options
    if options.lifeline >= 0:
        gevent.spawn(_die_with, options.lifeline)
    if not isinstance(environment.runner, WorkerRunner):
        # Locust's own handler comes only after a shape has run its course
        gevent.signal_handler(signal.SIGTERM, _quit, environment)
    TELLER.begin(environment)


def _quit(environment: Environment) -> None:
    if environment.runner is not None:
        environment.runner.quit()
    if environment.web_ui is not None:
        environment.web_ui.stop()


def _die_with(lifeline: int) -> None:
    """End at once when whoever started the run is gone: its end of the pipe closes then."""
    gevent.socket.wait_read(lifeline)
    os.kill(os.getpid(), signal.SIGKILL)


@events.test_start.add_listener
def _learn(environment: Environment, **_: Any) -> None:
    # a worker has its master's options only now
    runner, options = environment.runner, cast("Any", environment.parsed_options)
    index = runner.worker_index if isinstance(runner, WorkerRunner) else 0
    users.Customer.pace_per_s = options.pace_per_s
    if options.only:
        users.do_only(options.only)
    users.Customer.seed = options.seed + index
    if TELLER.tells:
        TELLER.started()
    if isinstance(runner, MasterRunner):
        return
    try:
        users.Customer.catalogue = Catalogue.learn(pages_of(str(environment.host)))
    except (CatalogueError, OSError) as error:
        logger.error("the catalogue cannot be learnt: %s", error)  # noqa: TRY400 - it says it all
        environment.process_exit_code = CANNOT_BEGIN
        if runner is not None:
            runner.quit()


@events.request.add_listener
def _note(
    name: str,
    response_time: float,
    exception: Exception | None,
    start_time: float,
    context: dict[str, Any],
    **_: Any,
) -> None:
    late_ms = context.get("late_ms", 0.0)
    TELLER.recorder.note(
        name,
        start_time - late_ms / 1000,
        response_time + late_ms,
        late_ms=late_ms,
        error=str(exception) if exception else "",
    )


@events.report_to_master.add_listener
def _hand_over(data: dict[str, Any], **_: Any) -> None:
    TELLER.hand_over(data)


@events.worker_report.add_listener
def _take_in(client_id: str, data: dict[str, Any], **_: Any) -> None:
    TELLER.take_in(client_id, data)


@events.test_stopping.add_listener
def _stop(**_: Any) -> None:
    TELLER.stopping()


@events.test_stop.add_listener
def _await_answers(**_: Any) -> None:
    """Those who are still waiting are waited for: they have a deadline."""
    users.under_way.join(timeout=users.ANSWER_DEADLINE_S + users.CONNECT_DEADLINE_S)


@events.quit.add_listener
def _end(**_: Any) -> None:
    TELLER.ended()
