"""Runbook entry 7.1 of the jukebox: no music."""

from __future__ import annotations

from drillbook.drill import Drill, compose, drills
from drillbook.faults import network, workloads
from drillbook.platforms.compose.stack import Stack
from drillbook.symptoms import http, logs


@drills("7.1", cause=1)
def test_library_does_not_run(drill: Drill, stack: Stack) -> None:
    """The library does not run."""
    player = stack.service("player")
    drill.inject(workloads.stopped(stack.service("library")))

    drill.symptom(1, http.answers(stack.address("users"), stack.http, status=503))
    drill.symptom(2, logs.mention(player, "no song"))

    drill.step(1, compose("docker compose ps -a", shows=r"library .*Exited"))
    drill.step(2, compose("docker compose logs player", shows="no song"))
    drill.fix(3, compose("docker compose start library", deadline_s=60))
    drill.recovered()


@drills("7.1", cause=2)
def test_way_to_library_is_cut(drill: Drill, stack: Stack) -> None:
    """The way to the library is cut."""
    drill.inject(network.cut(stack, "library"))

    drill.symptom(1, http.answers(stack.address("users"), stack.http, status=503))
    drill.symptom(2, logs.mention(stack.service("player"), "no song: .*refused"))

    drill.step(1, compose("docker compose ps -a", shows=r"library .*Up"))
    drill.fix(4, network.mend(stack, "library"))
    drill.recovered()
