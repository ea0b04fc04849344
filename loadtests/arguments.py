"""The command line of ``python -m loadtests``."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from drillbook import significance
from drillbook.machine.refused import WRONG_USE
from loadtests import objectives, shapes, target
from loadtests.stream import FILE_NAME

KNEE_USERS = 400
USERS = 20
WEB_PORT = 8089
_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    shape: str
    users: int
    pace_per_s: float
    duration_s: float | None
    host: str
    model: str
    processes: int
    seed: int
    objectives: Path
    web_port: int | None
    directory: Path | None
    report: Path | None
    times: int
    baseline: str | None
    rounds: int
    ceiling: bool


def duration(text: str) -> float:
    """Seconds of ``45``, ``30s``, ``5m`` or ``1h``. Raises argparse's error for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|m|min|h)?", text.strip())
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 45, 30s, 5m or 1h")
    return float(found[1]) * _UNITS[found[2] or ""]


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def rounds(text: str) -> int:
    """How many rounds of each version. Raises argparse's error for what is no such number."""
    count = _count(text)
    if count > significance.MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"{text} rounds: at most {significance.MOST_ROUNDS}")
    return count


def _pace(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no rate of 0 or more")
    return value


class _Parser(argparse.ArgumentParser):
    """Exits as a run of drills does where it is asked for what cannot be."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and exit 4."""
        self.print_usage(sys.stderr)
        self.exit(WRONG_USE, f"{self.prog}: error: {message}\n")


def parser() -> argparse.ArgumentParser:
    """The parser; its help is the reference of the options."""
    one = _Parser(
        prog="./run load",
        description="Put load on the shop and hold it to its objectives: exits 1 where one is "
        "missed. Without --host, on the project's own stack, brought up for it.",
        epilog="Shapes: "
        + "; ".join(f"{shape.name}, {shape.what}" for shape in shapes.SHAPES.values())
        + "; knee, climb up and down around the rate at which the objectives break, and name it.",
    )
    add = one.add_argument
    add("shape", nargs="?", default="steady", choices=shapes.NAMES, metavar="SHAPE")
    add("--users", type=_count, help=f"sources of requests ({USERS}; knee: at most {KNEE_USERS})")
    add("--pace", type=_pace, default=5.0, help="requests/s of each (5); 0: as fast as answered")
    add("--duration", type=duration, help="30s, 5m; by default the shape's own")
    add("--host", default="", help="load this address instead")
    add("--i-may-load-this-host", action="store_true", help="though it is not this machine")
    add("--closed", action="store_true", help="users who wait for an answer before they ask again")
    add("--processes", type=_count, default=0, help="Locust workers on this machine")
    add("--seed", type=int, default=0, help="of who asks for what (0)")
    add("--objectives", type=Path, default=objectives.DEFAULT, help="another file of objectives")
    add("--web", nargs="?", type=_count, const=WEB_PORT, help=f"Locust's own page ({WEB_PORT})")
    add("--directory", type=Path, help="where results go (reports/runs/<time>-load)")
    add("--report", type=Path, metavar="DIRECTORY", help="judge and draw a finished run again")
    add("--times", type=_count, default=1, help="knee: so many searches, in turns, compared")
    add("--baseline", metavar="REF", help="compare with the service of another commit")
    most = significance.MOST_ROUNDS
    add("--rounds", type=rounds, default=6, help=f"baseline: rounds of each version (6; to {most})")
    add("--ceiling", action="store_true", help="what wrk and Locust reach at most, side by side")
    return one


def parse(arguments: list[str] | None = None) -> Options:
    """Options from the command line; exits 4 with a message where it makes no sense."""
    one = parser()
    given = one.parse_args(arguments)
    host = ""
    if given.directory and (given.directory / FILE_NAME).exists():
        one.error(f"--directory {given.directory} holds a run already: name another folder")
    if given.host:
        try:
            host = target.checked(given.host, may_harm=given.i_may_load_this_host)
        except target.TargetError as error:
            one.error(f"--host: {error}")
    if not given.pace and not given.closed:
        one.error("--pace 0 needs --closed: an open model needs a rate")
    if given.baseline and (given.host or given.shape == shapes.KNEE):
        one.error("--baseline brings up both versions itself, and needs a shape, not a search")
    knee = given.shape == shapes.KNEE
    return Options(
        shape=given.shape,
        users=given.users or (KNEE_USERS if knee else USERS),
        pace_per_s=given.pace,
        duration_s=given.duration,
        host=host,
        model="closed" if given.closed else "open",
        processes=given.processes,
        seed=given.seed,
        objectives=given.objectives,
        web_port=given.web,
        directory=given.directory,
        report=given.report,
        times=given.times,
        baseline=given.baseline,
        rounds=given.rounds,
        ceiling=given.ceiling,
    )
