"""The steady state: what "healthy" means for a stack, before a drill and again at its end."""

from __future__ import annotations

from drillbook.looking import Look
from drillbook.platforms import Stack
from drillbook.symptoms import http, workloads
from drillbook.traffic import Witness


def serving(stack: Stack, witness: Witness) -> Look:
    """A look that succeeds while everything works and nothing disturbs it.

    Every service runs, the health endpoint answers where users come in, a customer is served,
    and no link between services is cut, slowed or nameless.
    """
    health = http.answers(stack.address("users") + stack.system.health, stack.http, status=200)

    def look() -> str:
        health()
        workloads.all_running(stack)()
        disturbed = stack.disturbed()
        assert not disturbed, disturbed
        witness.require_alive()
        return witness.customer()()

    return Look("the steady state", look)


def steady(stack: Stack, witness: Witness) -> Look:
    """Like ``serving``, and every service's own health check has said so too.

    Platforms ask those checks once an interval, so this can lag behind what users see; a drill
    begins with it, and the end of one does not wait for it.
    """

    def look() -> str:
        workloads.all_healthy(stack)()
        return serving(stack, witness)()

    return Look("the steady state", look)
