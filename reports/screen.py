"""How wide the terminal is at this moment: the real one, however pytest captures output."""

from __future__ import annotations

import os
from typing import TextIO

NARROWEST_KNOWN = 80
"""What is taken for its width where a terminal does not know its own."""


class Screen:
    """The terminal behind a stream, kept under a descriptor of its own.

    Pytest puts a file in the place of descriptor 1 while a test runs, and a file has no width.
    Raises OSError where the stream has no descriptor.
    """

    def __init__(self, stream: TextIO) -> None:
        self._descriptor = os.dup(stream.fileno())

    @property
    def columns(self) -> int:
        """Its width now, in columns: a person may change it in mid-run."""
        try:
            return os.get_terminal_size(self._descriptor).columns or NARROWEST_KNOWN
        except OSError:  # no terminal, or one that was closed
            return NARROWEST_KNOWN

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
