"""The outage as a drill, with all that makes it one: ledger, still-broken check, residue."""

from __future__ import annotations

from benchmarks.database_down.outage import READ, UNREACHABLE
from benchmarks.stage import Stage
from drillbook.drill import Drill
from drillbook.faults import workloads
from drillbook.symptoms import http, logs
from drillbook.symptoms import workloads as see


def drilled(stage: Stage) -> None:
    """Run the drill. Raises what a drill raises."""
    run, stack = stage.run, stage.stack
    title = "The database container crashed"
    drill = Drill(stack, stage.witness, run.journal, run.runbook, "1", (1,), title)
    with drill.closing():
        drill.begin()
        drill.inject(workloads.killed(stack.db))
        errors = range(500, 600)
        drill.symptom(1, http.answers(f"{stack.url}{READ}", stack.http, status=errors))
        drill.symptom(2, logs.mention(stack.backend, UNREACHABLE))
        drill.symptom(3, see.unhealthy(stack.db))
        drill.fix(1, workloads.restart(stack.db))
        drill.recovered()
