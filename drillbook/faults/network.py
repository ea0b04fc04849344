"""Breaking the network between two services: toxiproxy's toxics on the link they talk over."""

from __future__ import annotations

from collections.abc import Iterator

from drillbook.faults import Holds, fault
from drillbook.looking import Action, Look
from drillbook.platforms import Connects, Links, Stack, require


def _links(stack: Stack) -> Links:
    return require(stack, Connects).links


def _disturbed(stack: Stack, link: str, by: str) -> Look:
    def look() -> str:
        toxics = _links(stack).toxics().get(link, [])
        assert by in toxics, f"the link to {link} is {', '.join(toxics) or 'undisturbed'}"
        return f"the link to {link}: {by}"

    return Look(f"the link to {link} is disturbed ({by})", look)


@fault("every connection to {link} is refused")
def cut(stack: Stack, link: str) -> Iterator[Holds]:
    """Drop a link's connections and refuse new ones, as a firewall that rejects does."""
    _links(stack).cut(link)
    try:
        yield _disturbed(stack, link, "cut")
    finally:
        _links(stack).mend(link)


def mend(stack: Stack, link: str) -> Action:
    """Let connections over a link pass again."""

    def act() -> str:
        _links(stack).mend(link)
        return f"connections to {link} pass again"

    return Action(f"whoever owns the network lets connections to {link} pass again", act)


@fault("every answer from {link} takes {latency_ms} ms longer")
def slow(stack: Stack, link: str, *, latency_ms: int) -> Iterator[Holds]:
    """Delay all that comes back over a link, by so many milliseconds."""
    name = _links(stack).disturb(link, "latency", "downstream", latency=latency_ms, jitter=0)
    try:
        yield _disturbed(stack, link, name)
    finally:
        _links(stack).calm(link, name)


def calm(stack: Stack, link: str) -> Action:
    """Take the delay off a link."""

    def act() -> str:
        _links(stack).calm(link, "latency_downstream")
        return f"answers from {link} take no longer than they did"

    return Action(f"whoever owns the network takes the delay off the way to {link}", act)
