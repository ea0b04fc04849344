"""The outage as a Chaos Toolkit experiment, run by its own command."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from benchmarks.database_down.outage import DEADLINE_S, UNREACHABLE, names
from benchmarks.stage import Stage
from drillbook.machine import environment

HERE = Path(__file__).parent


class ToolkitError(Exception):
    """Chaos Toolkit is not there, or its experiment did not end as it should."""


@dataclass(frozen=True)
class Journal:
    """What Chaos Toolkit says of a run of its experiment."""

    experiment_s: float
    """From the first look to the last, without starting Python."""


def command() -> str:
    """The path of ``chaos``, beside this Python or on PATH. Raises ToolkitError."""
    beside = Path(sys.executable).with_name("chaos")
    found = str(beside) if beside.exists() else shutil.which("chaos")
    if found is None:
        raise ToolkitError("there is no `chaos`; run `tox -e benchmarks`, which installs it")
    return found


def experimented(stage: Stage, directory: Path) -> Journal:
    """Run the experiment once. Raises ToolkitError with what it said."""
    journal = directory / "chaos-journal.json"
    done = subprocess.run(
        [
            *(command(), "--no-version-check", "--no-log-file"),
            *("run", "--journal-path", str(journal), str(HERE / "experiment.json")),
        ],
        env={**environment.docker(), **_configuration(stage)},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=4 * DEADLINE_S,
        check=False,
    )
    if done.returncode:
        raise ToolkitError(f"chaos run exited {done.returncode}:\n{done.stdout}{done.stderr}")
    told = json.loads(journal.read_text())
    otherwise = [one["activity"]["name"] for one in told["run"] if not _as_wanted(one)]
    if otherwise or told["status"] != "completed" or told["deviated"]:
        raise ToolkitError(f"{told['status']}; not as they should be: {otherwise or 'none'}")
    return Journal(float(told["duration"]))


def _as_wanted(activity: dict[str, object]) -> bool:
    output = activity.get("output")
    return isinstance(output, dict) and output.get("status") == 0


def _configuration(stage: Stage) -> dict[str, str]:
    containers = names(stage)
    return {
        "SHOP_URL": stage.stack.url,
        "BEGAN_AT": str(time.time()),
        "UNREACHABLE": UNREACHABLE,
        "LOOK": str(HERE / "look.sh"),
        "DB_CONTAINER": containers["db"],
        "BACKEND_CONTAINER": containers["backend"],
        "ORDER_KEY": str(uuid.uuid4()),
        "CONTAINERS": " ".join(containers.values()),
    }
