"""A setting of the caller's that cannot be honoured, told in one line."""

from __future__ import annotations

WRONG_USE = 4
"""The exit status of a run that was asked for what cannot be."""
MOST_SHOWN = 120


class Refused(Exception):
    """A variable, or a file that one names, cannot be honoured: one line, which and why."""


def one_line(value: str) -> str:
    """A value as a message can show it: no line ends, no control characters, not for ever."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in value)
    return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…"
