"""``--load SHAPE``: drills with customers on the shop throughout, and a page of what those saw.

Connected in ``conftest.py``. The drills know nothing of it: what it needs of a run it takes from
pytest, and what it finds out goes into the run's journal.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from drillbook.drill import Drill
from drillbook.run import RUN, Run
from loadtests import drilled, objectives, shapes, under_load
from loadtests.generator import GeneratorError, Plan
from loadtests.visits import ENDPOINTS

USERS = 10


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of load to the suite's own."""
    group = parser.getgroup("drills")
    group.addoption("--load", choices=sorted(shapes.SHAPES), help="drill while customers shop")
    group.addoption("--load-users", type=int, default=USERS, help=f"how many, at 5/s ({USERS})")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what cannot be: load without the generator. Raises pytest.UsageError."""
    if config.getoption("--load") and not under_load.has_locust():
        raise pytest.UsageError(
            "--load needs Locust, which this environment has not: ./run drills --load …, or "
            "python -m drillbook in an environment with the dependency group `load`"
        )
    if config.getoption("--load-users") < 1:
        raise pytest.UsageError("--load-users takes a whole number of 1 or more")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Have customers on the shop before, while and after a scenario runs."""
    shape = pyfuncitem.config.getoption("--load")
    run = pyfuncitem.config.stash.get(RUN, None)
    drill = pyfuncitem.funcargs.get("drill")
    if not shape or run is None or not isinstance(drill, Drill):
        return (yield)
    plan = _plan(run, drill, pyfuncitem)
    promised = objectives.load(objectives.DEFAULT, ENDPOINTS)
    run.say(f"Load: {shape}, {plan.users} users at {plan.pace_per_s:g}/s each, on {plan.host}")
    try:
        with under_load.customers(run.journal, pyfuncitem.nodeid, plan, promised):
            return (yield)
    except GeneratorError as error:
        pytest.fail(f"no load was put on this drill: {error}", pytrace=False)


def _plan(run: Run, drill: Drill, item: pytest.Function) -> Plan:
    shape = shapes.SHAPES[item.config.getoption("--load")]
    return Plan(
        host=drill.stack.address("users"),
        directory=run.directory / under_load.FOLDER / under_load.folder_of(item.nodeid),
        shape=shape.name,
        users=item.config.getoption("--load-users"),
        duration_s=shape.duration_s,
        seed=run.seed,
        hold=True,  # until the drill is over, however long it takes
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Write the page, and say what the faults cost."""
    run = config.stash.get(RUN, None)
    if run is None or not config.getoption("--load") or not run.journal.path.exists():
        return
    written = drilled.write(run.directory, objectives.load(objectives.DEFAULT, ENDPOINTS))
    if written is None:
        return
    page, lines = written
    terminalreporter.section("load")
    for line in lines:
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"page: {page}")
