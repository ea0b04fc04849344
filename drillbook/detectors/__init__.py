"""Detectors: the judgement of an answer, apart from how it was fetched.

A drill's look fetches something and judges it; a probe fetches the like from a target that it may
not harm and has the *same* detector judge it. That is what makes a drill's word count for a probe:
the code that fired in the drill is the code that is silent now. A detector is pure, imports no
client of anything, and has the outcomes of a look (``drillbook.looking``): it returns what it saw,
raises AssertionError with what it saw instead, or CouldNotLook where the answer tells neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from drillbook.looking import Look, function_of

A = TypeVar("A")


@dataclass(frozen=True)
class Detector(Generic[A]):
    """Judges an answer, and can say in words what it looks for."""

    what: str
    judge: Callable[[A], str]

    @property
    def name(self) -> str:
        """The function that made it, as Python names it: what journals and the lock call it."""
        return function_of(self.judge)

    def __call__(self, answer: A) -> str:
        """Return what was seen; raises AssertionError or CouldNotLook as a look does."""
        return self.judge(answer)

    def look(self, fetch: Callable[[], A], what: str = "") -> Look:
        """A look that fetches an answer and has this detector judge it."""
        return Look(what or self.what, lambda: self.judge(fetch()), judged_by=self.name)
