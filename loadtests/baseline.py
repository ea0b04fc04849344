"""Two versions of the service, compared under the same load in one session.

Both stacks are up throughout, and the load goes to one and the other in turn (A B, B A, A B …),
so that whatever else the machine does happens to both. A difference is called one only where a
permutation test over the rounds says so (``drillbook.significance``).
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from drillbook.machine import environment
from drillbook.significance import (
    AFTER,
    BEFORE,
    LEAST_EFFECT,
    SIGNIFICANT,
    Comparison,
    corrected,
    rounds_needed,
    turns,
)
from fixtures.folders import ROOT
from fixtures.shop import Shop
from loadtests import own_stack
from loadtests.generator import Plan
from loadtests.measures import Measured
from loadtests.session import measure
from loadtests.target import TargetError
from loadtests.visits import ENDPOINTS

if TYPE_CHECKING:
    from loadtests.arguments import Options

Say = Callable[[str], None]
Figures = Mapping[str, Measured]
ROUND_S = 12.0
PERCENTS = (50, 95)


@contextmanager
def checked_out(ref: str) -> Iterator[tuple[Path, str]]:
    """The service as it was at a commit, in a folder of its own; and its short name.

    Raises TargetError where there is no such commit.
    """
    with tempfile.TemporaryDirectory(prefix="drillbook-") as folder:
        try:
            commit = _git("rev-parse", "--short=12", f"{ref}^{{commit}}").decode().strip()
            archive = Path(folder, "service.tar")
            archive.write_bytes(_git("archive", commit, "service"))
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode().strip()
            raise TargetError(f"there is no service at {ref!r}: {said}") from error
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        yield Path(folder), commit


def _git(*arguments: str) -> bytes:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, env=environment.plain(), capture_output=True, check=True
    )
    return done.stdout


@contextmanager
def both(ref: str, say: Say) -> Iterator[dict[str, Shop]]:
    """The stacks of a commit and of the working tree, side by side. Raises TargetError."""
    variables = own_stack.ready(say)
    with ExitStack() as held:
        tree, commit = held.enter_context(checked_out(ref))
        old = own_stack.running(variables, say, tree=tree, tag=f"at-{commit}", any_ports=True)
        new = own_stack.running(variables, say, any_ports=True)
        yield {BEFORE: held.enter_context(old), AFTER: held.enter_context(new)}


def compare(before: Sequence[Figures], after: Sequence[Figures]) -> list[Comparison]:
    """Each endpoint's p50 and p95, a value a round, tested and corrected.

    Raises TargetError where an endpoint was not answered in some round.
    """
    comparisons = []
    for name in ENDPOINTS:
        for percent in PERCENTS:
            was, now = (
                tuple(_figure(one, name, percent) for one in rounds) for rounds in (before, after)
            )
            what = f"{name} p{percent} ms"
            comparisons.append(Comparison.of(what, was, now))
    return corrected(comparisons)


def _figure(figures: Figures, name: str, percent: int) -> float:
    value = figures[name].p_ms(percent)
    if value is None:
        raise TargetError(
            f"no {name} was answered in a round, so there is nothing to compare: give it a longer "
            "--duration or more --users"
        )
    return value


def run(options: Options, directory: Path, say: Say) -> int:
    """Compare the working tree with a commit: 1 where it is slower, 0 where it is not."""
    needed = rounds_needed(len(ENDPOINTS) * len(PERCENTS))
    if options.rounds < needed:
        raise TargetError(
            f"{options.rounds} rounds could show nothing: it takes {needed} for any difference to "
            f"reach p <= {SIGNIFICANT} over {len(ENDPOINTS) * len(PERCENTS)} comparisons"
        )
    assert options.baseline is not None
    measured: dict[str, list[Figures]] = {BEFORE: [], AFTER: []}
    with both(options.baseline, say) as stacks:
        for number, version in enumerate(turns(options.rounds), 1):
            say(f"Round {number} of {2 * options.rounds}: {version}")
            plan = Plan(
                host=stacks[version].url,
                directory=directory / f"{number:02d}-{version}",
                shape=options.shape,
                users=options.users,
                duration_s=options.duration_s or ROUND_S,
                pace_per_s=options.pace_per_s,
                model=options.model,
                seed=options.seed + number // 2,
            )
            figures = measure(plan, say).measured()
            for name in ENDPOINTS:
                _figure(figures, name, PERCENTS[0])  # tell now, not after the last round
            measured[version].append(figures)
    comparisons = compare(measured[BEFORE], measured[AFTER])
    _write(directory, options.baseline, comparisons)
    return _conclude(comparisons, options.baseline, directory, say)


def _conclude(comparisons: list[Comparison], ref: str, directory: Path, say: Say) -> int:
    say(f"\nMeans of the rounds' percentiles, {ref} -> the working tree:")
    for one in comparisons:
        say(f"  {one}")
    say(
        "Test: two-sided permutation of the rounds, looked at once, Holm-corrected; a difference "
        f"counts at p <= {SIGNIFICANT} and {LEAST_EFFECT:.0%} or more. "
        f"Written to {directory}/baseline.json"
    )
    return int(any(one.word == "regression" for one in comparisons))


def _write(directory: Path, ref: str, comparisons: list[Comparison]) -> None:
    told = [
        {**asdict(one), "was": one.was, "now": one.now, "effect": one.effect, "word": one.word}
        for one in comparisons
    ]
    text = json.dumps({"before": ref, "after": "working tree", "comparisons": told}, indent=1)
    (directory / "baseline.json").write_text(text, encoding="utf-8")
