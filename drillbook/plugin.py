"""What pytest needs to run drills: options, the session's stack, and a drill for each test.

Output is not made here: everything goes into the journal, and ``conftest.py`` connects the
journal to the reports.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from drillbook import interrupts, paths
from drillbook import journal as events
from drillbook import system as systems
from drillbook.drill import Drill
from drillbook.journal import FILE_NAME, Journal
from drillbook.lanes import Lane, Queue, Scheduler, names_a_port, number_of, read_kinds
from drillbook.machine import ready as machine
from drillbook.platforms.compose.stack import Stack
from drillbook.run import CANNOT_WRITE, DEFAULT_RUNBOOK, RUN, RUNS, Run, RunError
from drillbook.runbook import Runbook, RunbookError, UnknownEntry, load, lock
from drillbook.symptoms import browser as browsers
from drillbook.system import Monitoring, NoSystem, System
from drillbook.traffic import Witness

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LANE = "drillbook"
CANNOT_RUN = 3  # pytest's status for an error that is not a test's


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's own options to pytest's."""
    group = parser.getgroup("drills")
    group.addoption("--entry", action="append", default=[], help="drill only this runbook entry")
    group.addoption("--runbook", type=Path, default=None, help="another edition of it")
    group.addoption("--system", type=Path, default=None, help="the folder of another system.py")
    parser.addini("drillbook_system", "the module that has the SYSTEM to drill", default="")
    group.addoption("--seed", type=int, default=None, help="of the witness' traffic")
    group.addoption("--keep", action="store_true", help="leave the stack up at the end")
    group.addoption(
        "--lock", action="store_true", help="record the words of proven lines in the lock"
    )
    group.addoption(
        "--alerts", action="store_true", help="have every drill watched, and hold its alert to it"
    )
    group.addoption("--run-dir", type=Path, default=None, help="where the run writes")


def pytest_configure(config: pytest.Config) -> None:
    """Read the runbook, and make the run. Raises pytest.UsageError naming the runbook's line."""
    config.addinivalue_line("markers", "drills(entry, causes): the drill of an entry's causes")
    system = _system(config)
    own = system.runbook or DEFAULT_RUNBOOK
    path = config.getoption("--runbook") or own
    config.option.runbook = path
    try:
        runbook = load(paths.recorded(path))
        locks = lock.of_edition(runbook.path, own)
        if config.getoption("--lock"):
            lock.require_writable(locks.own)
    except (RunbookError, lock.LockError) as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[RUN] = _run(config, system, runbook)
    interrupts.heed()


def _run(config: pytest.Config, system: System, runbook: Runbook) -> Run:
    """The run of this process: the whole of it, one of its lanes, or what starts its lanes."""
    lane, seed = _lane(config), config.getoption("--seed")
    if lane is None:
        directory = config.getoption("--run-dir")
        if directory is not None and (directory / FILE_NAME).exists():
            raise pytest.UsageError(
                f"--run-dir {directory} holds a run already: name another folder"
            )
        if directory is None:
            directory = paths.unused(RUNS / time.strftime("%Y-%m-%dT%H-%M-%S"))
        journal = Journal(directory / FILE_NAME)
    else:
        directory, seed = lane.journal.parent, config.workerinput[LANE]["seed"]  # type: ignore[attr-defined]
        journal = Journal(lane.journal, started_s=lane.origin_s)
    return Run(
        system,
        runbook,
        random.SystemRandom().randrange(2**32) if seed is None else seed,
        directory,
        journal,
        _past_capture(config),
        keep=config.getoption("--keep"),
        lane=lane,
        lanes=0 if lane else len(config.getoption("tx", default=None) or ()),
    )


# --- lanes (pytest -n 2) -----------------------------------------------------------------------
def _lane(config: pytest.Config) -> Lane | None:
    """The lane that this process is, if it is one."""
    given = getattr(config, "workerinput", {}).get(LANE)
    if given is None:
        return None
    return Lane(given["number"], Path(given["directory"]), given["origin_s"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a lane which one it is, and which run it belongs to."""
    run: Run = node.config.stash[RUN]
    node.workerinput[LANE] = {
        "number": number_of(node.gateway.id),
        "directory": str(run.directory.resolve()),
        "origin_s": run.journal.started_s,
        "seed": run.seed,
    }


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    """Have lanes take one drill at a time, and none that only another may do."""
    run = config.stash[RUN]
    assert log is not None
    run.lead()

    def choose(names: Sequence[str]) -> Queue:
        kinds = read_kinds(run.directory)
        at = {name: number for number, name in enumerate(names)}
        return Queue(
            list(range(len(names))),
            frozenset(at[name] for name in kinds["first lane only"]),
            frozenset(at[name] for name in kinds["exclusive"]),
        )

    return Scheduler(run.lanes, choose)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave for whoever starts the lanes what they need to know of each drill."""
    run = session.config.stash.get(RUN, None)
    if run is None or run.lane is None:
        return
    ports = [one.port for one in run.system.entrances.values()]
    drilled = [(one, one.get_closest_marker("drills")) for one in session.items]
    marks = [(one.nodeid, mark) for one, mark in drilled if mark is not None]
    first = [name for name, mark in marks if names_a_port(run.runbook, mark.args[0], ports)]
    exclusive = [name for name, mark in marks if mark.kwargs.get("exclusive")]
    run.lane.write_kinds({"first lane only": first, "exclusive": exclusive})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """Remember why a lane could not go on, for the run's own exit status."""
    if error is None and node.workeroutput.get("exitstatus") == CANNOT_RUN:
        node.config.stash[RUN].cannot_go_on = True


def _system(config: pytest.Config) -> System:
    """The system to drill: ``--system``, or else the project's own. Raises pytest.UsageError."""
    folder = config.getoption("--system")
    try:
        if folder is not None:
            return systems.load(folder)
        return systems.imported(config.getini("drillbook_system"))
    except NoSystem as error:
        raise pytest.UsageError(str(error)) from error


def _past_capture(config: pytest.Config) -> Callable[[str], None]:
    """Make a writer that reaches the terminal whatever pytest captures."""

    def write(text: str) -> None:
        capture = config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stdout.write(text)
            sys.stdout.flush()

    return write


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the drills of the entries asked for. Raises pytest.UsageError for an unknown one."""
    _require_marked_and_drilled(items)
    wanted = config.getoption("--entry")
    if not wanted:
        return
    runbook = config.stash[RUN].runbook
    entries: set[str] = set()
    for number in wanted:
        below = {one for one in runbook.entries if one.startswith(f"{number}.")}
        try:
            entries |= below or {runbook.entry(number).number}
        except UnknownEntry as error:
            raise pytest.UsageError(str(error)) from error
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        marker = item.get_closest_marker("drills")
        (kept if marker is not None and marker.args[0] in entries else dropped).append(item)
    if not kept:
        raise pytest.UsageError(f"no drill yet for entry {', '.join(wanted)}")
    items[:] = kept
    config.hook.pytest_deselected(items=dropped)


def _require_marked_and_drilled(items: list[pytest.Item]) -> None:
    """Raise pytest.UsageError for a test that is marked as a drill and never asks for one."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if item.get_closest_marker("drills") is not None and "drill" not in names:
            raise pytest.UsageError(f"{item.nodeid} is marked as a drill and does not use `drill`")


# --- the stack of the session ------------------------------------------------------------------
@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """The run, with a machine that is able, images, a stack and its users; all gone at its end."""
    run = request.config.stash[RUN]
    run.watched = request.config.getoption("--alerts") or any(
        "monitoring" in getattr(item, "fixturenames", ()) for item in request.session.items
    )
    try:
        run.start()
        yield run
    except RunError as error:
        pytest.exit(str(error), returncode=CANNOT_RUN)
    finally:
        run.stop()


@pytest.fixture
def stack(run: Run) -> Stack:
    """The stack; brought up anew where the drill before left it in doubt."""
    if run.dirty:
        try:
            run.renew()
        except RunError as error:
            pytest.exit(str(error), returncode=CANNOT_RUN)
    assert run.stack is not None
    return run.stack


@pytest.fixture
def witness(run: Run, stack: Stack) -> Witness:
    """The users of the stack, who send requests throughout."""
    assert run.witness is not None, f"{stack.project} has no witness"
    return run.witness


@pytest.fixture(scope="session")
def browser(run: Run) -> Iterator[Browser]:
    """A real, headless browser."""
    try:
        executable = machine.chromium(run.say)
    except machine.MachineNotReady as error:
        pytest.skip(f"unproven here: {error}")
    with browsers.launched(executable) as launched:
        yield launched


@pytest.fixture
def monitoring(run: Run, stack: Stack) -> Monitoring:
    """What watches the stack: started for the first drill that asks, ready for each."""
    assert run.stack is stack
    try:
        return run.watch()
    except RunError as error:
        pytest.exit(str(error), returncode=CANNOT_RUN)


# --- a drill -----------------------------------------------------------------------------------
@pytest.fixture
def drill(request: pytest.FixtureRequest, run: Run, stack: Stack, witness: Witness) -> Drill:
    """The drill of this test: ``@drills("3.1", cause=1)`` says of what."""
    marker = request.node.get_closest_marker("drills")
    if marker is None:
        raise pytest.UsageError(f"{request.node.nodeid}: say what it drills: @drills(entry, …)")
    entry, causes = marker.args
    watched = request.config.getoption("--alerts") or "monitoring" in request.fixturenames
    monitoring = request.getfixturevalue("monitoring") if watched else None
    return Drill(
        stack,
        witness,
        run.journal,
        run.runbook,
        entry,
        causes,
        _title(request),
        alertmanager=monitoring.alertmanager if monitoring else None,
        prometheus=monitoring.prometheus if monitoring else None,
    )


@pytest.fixture
def picture(request: pytest.FixtureRequest, run: Run) -> Path:
    """Where the picture of a page goes that this drill looks at: into the run's folder."""
    return run.directory / "pictures" / f"{_file_name(request)}.png"


@pytest.fixture
def workdir(request: pytest.FixtureRequest, run: Run) -> Path:
    """Where this drill keeps the files that it edits as a person would: in the run's folder."""
    return run.directory / "workdirs" / _file_name(request)


def _file_name(request: pytest.FixtureRequest) -> str:
    """The drill's name, fit for a file."""
    return re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")


def _title(request: pytest.FixtureRequest) -> str:
    """The first line of what the scenario says of itself, with the parameters of this one."""
    words: str = request.function.__doc__ or request.function.__name__
    title = words.strip().splitlines()[0]
    parameters = getattr(request.node, "callspec", None)
    return f"{title.removesuffix('.')} ({parameters.id})." if parameters else title


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Run a scenario's body within its drill: steady before, undone and journaled after."""
    if pyfuncitem.get_closest_marker("drills") is None:
        return (yield)
    drill = pyfuncitem.funcargs["drill"]
    assert isinstance(drill, Drill), f"{pyfuncitem.nodeid}: `drill` is not the plugin's"
    run = pyfuncitem.config.stash[RUN]
    run.journal.drill = pyfuncitem.nodeid
    marker = pyfuncitem.get_closest_marker("drills")
    try:
        with run.turn(exclusive=bool(marker and marker.kwargs.get("exclusive"))), drill.closing():
            drill.begin()
            return (yield)
    except OSError as error:
        if error.errno in CANNOT_WRITE:
            pytest.exit(f"the run cannot write its journal: {error}", returncode=CANNOT_RUN)
        raise
    finally:
        run.journal.drill = None
        run.dirty = not (drill.held or drill.untouched)
        _go_on_only_with_an_engine(run)


def _go_on_only_with_an_engine(run: Run) -> None:
    try:
        run.require_engine()
    except RunError as error:
        pytest.exit(str(error), returncode=CANNOT_RUN)


# --- the end -----------------------------------------------------------------------------------
@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the journal's last event, once all fixtures are torn down."""
    run = session.config.stash.get(RUN, None)
    if run is None or not run.journal.path.exists():
        return
    interrupted = int(exitstatus) == int(pytest.ExitCode.INTERRUPTED)
    if run.merger is not None:
        run.merger.stop()
    if run.cannot_go_on:
        session.exitstatus = exitstatus = CANNOT_RUN
    try:
        run.journal.write(events.RunEnded(int(exitstatus), interrupted))
    except OSError as error:
        run.say(f"the run cannot write its journal: {error}")
        session.exitstatus = CANNOT_RUN
    run.journal.close()
