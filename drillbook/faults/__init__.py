"""Faults, by what is broken. A fault brings about one cause of the runbook and can be undone.

A fault is a generator: it breaks something, yields a look that succeeds while the thing is
broken, and undoes itself afterwards, whatever happened in between; undoing what a fix has healed
already does nothing. The drill enters it on a stack that it closes at its end, so nothing heals
a fault but the fix.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import ParamSpec

from drillbook.looking import Look

P = ParamSpec("P")
Holds = Look


class Fault(AbstractContextManager[Holds]):
    """One way to break the stack; entering it breaks, leaving it undoes."""

    def __init__(self, what: str, manager: AbstractContextManager[Holds]) -> None:
        self.what = what
        self._manager = manager

    def __enter__(self) -> Holds:
        """Break it; returns the look that succeeds while it is broken."""
        return self._manager.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Undo it. Raises what undoing raises."""
        return self._manager.__exit__(kind, error, trace)


def fault(what: str) -> Callable[[Callable[P, Iterator[Holds]]], Callable[P, Fault]]:
    """Make a fault of a generator. ``what`` says what is broken, with its arguments by name."""

    def decorate(generator: Callable[P, Iterator[Holds]]) -> Callable[P, Fault]:
        signature = inspect.signature(generator)
        managed = contextmanager(generator)

        @functools.wraps(generator)
        def make(*args: P.args, **kwargs: P.kwargs) -> Fault:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return Fault(what.format(**bound.arguments), managed(*args, **kwargs))

        return make

    return decorate
