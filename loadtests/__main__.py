"""``python -m loadtests [SHAPE]``: put load on the shop and hold it to its objectives."""

from __future__ import annotations

import sys

from drillbook.machine import environment

if __name__ == "__main__":  # before anything that the caller's environment could change
    environment.enter("loadtests")

import signal
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from drillbook import paths
from drillbook.machine.refused import WRONG_USE
from drillbook.platforms import StackError
from fixtures.folders import ROOT
from fixtures.shop import Shop
from loadtests import baseline, ceiling, own_stack, shapes, target
from loadtests.arguments import Options, parse
from loadtests.generator import GeneratorError, Plan
from loadtests.objectives import Objectives, ObjectivesError, load
from loadtests.results import NothingMeasured, Result
from loadtests.session import PAGE, measure, reread, write_all
from loadtests.told import table
from loadtests.visits import ENDPOINTS

RUNS = ROOT / "reports" / "runs"
MISSED, INTERRUPTED, CANNOT_RUN = 1, 2, 3
REPRODUCIBLE = 0.10


def say(text: str) -> None:
    """Show a line of progress."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; the exit status."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        options = parse(arguments)
        objectives = load(options.objectives, ENDPOINTS)
    except ObjectivesError as error:
        say(str(error))
        return WRONG_USE
    try:
        return _dispatch(options, objectives)
    except (StackError, GeneratorError, NothingMeasured, OSError, ValueError) as error:
        say(f"\nNo load was measured: {error}")
        return CANNOT_RUN
    except KeyboardInterrupt:
        say("\nInterrupted: the generator is stopped, and what was ours is taken down")
        return INTERRUPTED


def _terminated(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt("SIGTERM")


def _dispatch(options: Options, objectives: Objectives) -> int:
    if options.report is not None:
        return _conclude(reread(options.report), objectives, options.report)
    directory = options.directory or paths.unused(
        RUNS / f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-load"
    )
    if options.baseline is not None:
        return baseline.run(options, directory, say)
    if options.ceiling:
        ceiling.make_ready(say)
    with _shop(options) as stack:
        host = options.host if stack is None else stack.url
        if options.ceiling:
            return ceiling.run(host, directory, say)
        plan = _plan(options, host, directory)
        result = _measured(plan, objectives)
        status = _conclude(result, objectives, directory)
        if stack is not None:
            status = max(status, _require_orders(stack, result))
        return status


def _shop(options: Options) -> AbstractContextManager[Shop | None]:
    if options.host:
        return nullcontext(None)
    return own_stack.running(own_stack.ready(say), say)


def _plan(options: Options, host: str, directory: Path) -> Plan:
    shape = shapes.SHAPES.get(options.shape)
    return Plan(
        host=host,
        directory=directory,
        shape=options.shape,
        users=options.users,
        duration_s=options.duration_s or (shape.duration_s if shape else 0.0),
        pace_per_s=options.pace_per_s,
        model=options.model,
        seed=options.seed,
        processes=options.processes,
        objectives=options.objectives,
        web_port=options.web_port,
        searches=options.times,
    )


def _measured(plan: Plan, objectives: Objectives) -> Result:
    """Run a plan; if it is interrupted, keep and show what was measured until then."""
    say(f"Load: {plan.shape}, {plan.users} users at {plan.pace_per_s:g}/s each, on {plan.host}")
    if plan.web_port is not None:
        say(f"Load: Locust's own page is http://127.0.0.1:{plan.web_port} (Ctrl-C ends it)")
    try:
        return measure(plan, say)
    except KeyboardInterrupt:
        try:
            _conclude(reread(plan.directory), objectives, plan.directory)
        except NothingMeasured:
            say("Nothing had been measured yet")
        raise


def _conclude(result: Result, objectives: Objectives, directory: Path) -> int:
    verdicts = write_all(result, objectives, directory)
    say("\n" + table(result))
    for warning in result.warnings:
        say(f"note: {warning}")
    for loss in result.losses:
        say(f"LOST: {loss}")
    if result.tried:  # its steps broke the objectives on purpose
        status = _knee(result)
        say(f"\npage: {paths.shown(directory / PAGE)}")
        return MISSED if result.losses else status
    missed = [one for one in verdicts if not one.held]
    for one in missed:
        say(f"MISSED: {one.told}")
    if not missed:
        say(f"All {len(verdicts)} objectives held.")
    say(f"\npage: {paths.shown(directory / PAGE)}  (CSV, JSON and JUnit beside it)")
    return MISSED if missed or result.losses else 0


def _knee(result: Result) -> int:
    """Say what each search found, and how far they agree."""
    knees = [one for one in result.knees if one is not None]
    if len(knees) < len(result.knees):
        say("no knee: not even the lowest rate held the objectives, or the search did not end")
        return MISSED
    found = " and ".join(f"{one:.0f}" for one in knees)
    if not result.broke:
        say(f"knee: {found} requests/s held, the most that was tried: give it more --users")
        return 0
    told = f"knee: {found} requests/s; above it the objectives break more often than they hold"
    if len(knees) == 1:
        say(told)
        return 0
    apart = max(knees) / min(knees) - 1
    say(f"{told} ({len(knees)} searches, {apart:.1%} apart)")
    return MISSED if apart > REPRODUCIBLE else 0


def _require_orders(stack: Shop, result: Result) -> int:
    """Every order that was acknowledged is in the database, paid."""
    acknowledged = sum(cell.served for (_, name), cell in result.cells.items() if name == "order")
    kept = int(
        target.sql(
            stack,
            "SELECT count(*) FROM orders WHERE idempotency_key LIKE 'load-%' AND status = 'paid'",
        )
    )
    if kept < acknowledged:
        say(f"LOST: of {acknowledged} acknowledged orders, the database has {kept}")
        return MISSED
    say(f"All {acknowledged} acknowledged orders are in the database.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
