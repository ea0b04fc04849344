"""The project's own production stack for the length of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drillbook.machine import images, readable
from drillbook.machine import ready as machine
from drillbook.machine.refused import Refused
from fixtures.folders import ROOT
from fixtures.images import SERVICES
from fixtures.shop import Shop
from loadtests.target import TargetError, production


def ready(say: Callable[[str], None]) -> dict[str, str]:
    """Make the machine able and choose images; the variables that name them. Raises TargetError."""
    try:
        readable.make_readable()
        machine.make_ready(say)
        return images.environment(images.choose(SERVICES, say))
    except (machine.MachineNotReady, images.ImageError, Refused) as error:
        raise TargetError(str(error)) from error


@contextmanager
def running(
    environment: dict[str, str],
    say: Callable[[str], None],
    *,
    tree: Path = ROOT,
    tag: str = "current",
    any_ports: bool = False,
) -> Iterator[Shop]:
    """A stack that is up while inside, and gone after. Raises StackError."""
    stack = production(environment, tree=tree, tag=tag, any_ports=any_ports)
    say(f"Stack: building and starting {tag} as in production …")
    try:
        stack.up()
        say(f"Stack: {stack.url} (nginx), {stack.backend_url} (backend)")
        yield stack
    finally:
        say(f"Stack: taking {tag} down …")
        stack.down()
