"""The steady state: what "healthy" means for the stack, before a drill and again at its end."""

from __future__ import annotations

from drillbook.looking import Look
from drillbook.platforms.compose.stack import Stack
from drillbook.symptoms import containers, http
from drillbook.traffic import Witness


def serving(stack: Stack, witness: Witness) -> Look:
    """A look that succeeds while everything works and nothing disturbs it.

    Every service runs, the health endpoint answers through nginx, a customer can read and order,
    and no link between services is cut, slowed or nameless.
    """

    def look() -> str:
        http.answers(f"{stack.url}/health", stack.http, status=200)()
        containers.all_running(stack)()
        disturbed = stack.links.toxics()
        assert not disturbed, f"links are disturbed: {disturbed}"
        nameless = stack.links.missing_names()
        assert not nameless, f"names do not resolve: {', '.join(nameless)}"
        witness.require_alive()
        return witness.customer()()

    return Look("the steady state", look)


def steady(stack: Stack, witness: Witness) -> Look:
    """Like ``serving``, and every container's own health check has said so too.

    Docker asks those checks once an interval, so this can lag behind what users see; a drill
    begins with it, and the end of one does not wait for it.
    """

    def look() -> str:
        containers.all_healthy(stack)()
        return serving(stack, witness)()

    return Look("the steady state", look)
