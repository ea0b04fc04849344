"""A clock that does not wait: looking takes as long as the test says, waiting takes no time."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FakeClock:
    """Satisfies drillbook.looking.Clock. ``waits`` are the pauses that were asked for, seconds."""

    time_s: float = 0.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time_s

    def wait(self, seconds: float) -> None:
        assert seconds >= 0, f"nobody can wait {seconds} s"
        self.waits.append(seconds)
        self.time_s += seconds

    def pass_(self, seconds: float) -> None:
        """Let time pass within a look."""
        self.time_s += seconds
