"""``python -m benchmarks.rendering [--rounds N]``: what reports cost as a run grows.

Renders every report of a made-up run, and of the same run 10 and 100 times as large: once with so
many more entries, lines and drills, once with so much longer texts in those that there are. The
three take turns, and the least that each took counts. Exits 1 where a ratio is over its goal: a
little more than in proportion.

Processor time is what counts: rendering waits for nothing, and the machine's other work is not
the reports'.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks import timing
from benchmarks.stage import say
from drillbook import journal as events
from drillbook.journal import FILE_NAME, Event, Ref
from drillbook.runbook import PLATFORMS, Entry, Runbook, load
from drillbook.runbook.lock import Lock, LockedLine, Locks
from reports.render import write_all

ENTRIES = 10
"""Of the run at its smallest; each has a drill."""
LINES = 4
"""Below each heading, in each entry."""
HEADINGS = ("Symptoms", "Potential Causes", "Resolution Steps")
TEXT = 500
"""Characters of each transcript, message and observation of the run at its smallest."""
SAMPLES = 300
SIZES = (1, 10, 100)
GOALS = {10: 12.0, 100: 140.0}

WORDS = (
    "connection",
    "refused:",
    "`db`",
    "|",
    "5432",
    "\x1b[31mERROR\x1b[0m",
    "<b>",
    "took",
    "9 ms",
)


def written_runbook(path: Path, entries: int) -> Runbook:
    """A runbook with so many entries, written to a file and read."""
    parts = ["# A runbook"]
    for at in range(entries):
        parts.append(f"### {at // 100 + 2}.{at % 100 + 1} Something fails, number {at}")
        for heading in HEADINGS:
            lines = (f"{n}. Look at `docker ps` for {heading}, {n}." for n in range(1, LINES + 1))
            parts.append(f"**{heading}:**\n\n" + "\n".join(lines))
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return load(path)


def run_of(runbook: Runbook, text_length: int) -> Iterator[Event]:
    """The events of a run that drills each entry, with texts of so many characters."""
    dice = random.Random(7)  # noqa: S311 - repeatable on purpose
    text = " ".join(dice.choice(WORDS) for _ in range(text_length // 6))[:text_length]
    yield events.RunStarted(
        "a-run", ["./run", "drills"], 7, "compose", str(runbook.path), runbook.digest, {}, {}
    )
    for entry in runbook.entries.values():
        yield from drill_of(entry, text, dice)
    yield events.RunEnded(1, interrupted=False)


def drill_of(entry: Entry, text: str, dice: random.Random) -> Iterator[Event]:
    """A drill that sees every symptom and follows every step, of which the last does not hold."""
    title = f"Drill of {entry.number}"
    yield events.DrillStarted(title, entry.number, [Ref.to(entry.causes[0])], "compose")
    yield events.PhaseEntered("fault", "break it")
    yield events.FaultInjected("broken", text, 0.1)
    for symptom in entry.symptoms:
        yield events.PhaseEntered("symptom", symptom.text)
        yield events.SymptomSeen(Ref.to(symptom), text, 0.2)
    *good, bad = entry.steps
    for step in good:
        yield events.PhaseEntered("step", step.text)
        yield events.StepTaken(Ref.to(step), "typed", ["docker ps"], True, text, text, 0.1)
    message = f"expected   something else\nlast seen  {text}"
    yield events.ClaimFailed(Ref.to(bad), "StepShowedOtherwise", message)
    yield events.StepTaken(Ref.to(bad), "typed", ["docker ps"], False, text, text, 0.1)
    yield events.Recovered(0.4)
    samples = [(at / 20, dice.expovariate(0.1), False) for at in range(SAMPLES)]
    latency = {when: {"p50": 9.0, "p95": 20.0, "p99": 30.0} for when in ("before", "during")}
    yield events.WitnessReport(0.2, 1.0, SAMPLES, 0, latency, SAMPLES, 0, samples)
    yield events.DrillEnded("failed", True, "StepShowedOtherwise", message, 15.0, 0.1)


def write_journal(directory: Path, runbook: Runbook, text_length: int) -> None:
    """Write the run's journal, a second between events."""
    drill: str | None = None
    with (directory / FILE_NAME).open("w", encoding="utf-8") as file:
        for at, event in enumerate(run_of(runbook, text_length)):
            if isinstance(event, events.DrillStarted):
                drill = f"scenarios/test_{event.entry}.py::test_it"
            name = type(event).__name__
            record = {"event": name, "at": 1e9 + at, "t_s": float(at), "drill": drill}
            file.write(json.dumps({**record, **asdict(event)}, ensure_ascii=False) + "\n")


def contenders(kind: str, folder: Path) -> Iterator[Callable[[], timing.Taken]]:
    """The rendering of the run at each size; ``kind`` says what grows."""
    for size in SIZES:
        directory = folder / f"{kind}-{size}"
        directory.mkdir()
        more_drills, longer = (size, 1) if kind == "drills" else (1, size)
        runbook = written_runbook(directory / "runbook.md", ENTRIES * more_drills)
        write_journal(directory, runbook, TEXT * longer)
        yield rendered(named(kind, size), directory, runbook)


def rendered(name: str, directory: Path, runbook: Runbook) -> Callable[[], timing.Taken]:
    """Render all reports of a folder; takes seconds of processor time."""
    locks = all_read(runbook)

    def act() -> timing.Taken:
        began_s = time.process_time()
        write_all(directory, runbook, locks)
        return {name: time.process_time() - began_s}

    return act


def all_read(runbook: Runbook) -> Locks:
    """A lock that has every line in its present words, so that it can be proven."""
    lines = (LockedLine(one.name, p, one.text) for one in runbook.lines() for p in PLATFORMS)
    return Locks(Lock(Path("runbook.lock"), tuple(lines)))


def named(kind: str, size: int) -> str:
    """The series' name: ``drills x 10``."""
    return f"{kind} x {size}"


def main() -> int:
    """Print what each size took and the ratios; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rendering")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    all_met = True
    for kind in ("drills", "text"):
        with tempfile.TemporaryDirectory() as folder:
            taking_turns = list(contenders(kind, Path(folder)))
            found = timing.alternate(taking_turns, rounds, settle=_settle, say=say)
        say("\n" + "\n".join(str(series) for series in found.values()))
        for size, most in GOALS.items():
            ratio = least_s(found[named(kind, size)]) / least_s(found[named(kind, 1)])
            met = ratio <= most
            say(f"{kind} x {size}: {ratio:.1f} times (goal: at most {most:g}; {_word(met)})")
            all_met = all_met and met
        say(f"{timing.machine()}\n")
    return 0 if all_met else 1


def least_s(series: timing.Series) -> float:
    """The least that a size took: what others do on the machine can only add to it."""
    return min(series.took_s)


def _word(met: bool) -> str:
    return "met" if met else "missed"


def _settle() -> None:
    """Each begins without the garbage of the one before."""
    gc.collect()


if __name__ == "__main__":
    sys.exit(main())
