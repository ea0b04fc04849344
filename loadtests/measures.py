"""What was measured of one endpoint, or of all requests together, in a stretch of time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from loadtests.histogram import Histogram
from loadtests.stream import Counted

ALL = "all"
"""The name under which all requests together go."""


@dataclass
class Measured:
    """Counts and latencies of the requests that were due within ``seconds``."""

    seconds: float = 0.0
    asked: float = 0.0
    """How many there should have been; 0 where the model asks for no rate."""
    fine: Histogram = field(default_factory=Histogram)
    """Latencies of what was served."""
    spoilt: Histogram = field(default_factory=Histogram)
    """Latencies of what failed."""
    late: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, row: Counted) -> None:
        """Count a row of the stream."""
        self.fine.merge(Histogram(row.served))
        self.spoilt.merge(Histogram(row.failed))
        self.late.merge(Histogram(row.late))
        self.errors.update(row.errors)

    def merge(self, other: Measured) -> None:
        """Count what another has counted; time and what was asked stay as they are."""
        self.fine.merge(other.fine)
        self.spoilt.merge(other.spoilt)
        self.late.merge(other.late)
        self.errors.update(other.errors)

    @property
    def served(self) -> int:
        """How many were answered as the customer wished."""
        return self.fine.total

    @property
    def failed(self) -> int:
        """How many were answered otherwise, or not at all."""
        return self.spoilt.total

    @property
    def answered(self) -> int:
        """All whose end was seen."""
        return self.served + self.failed

    @property
    def latency(self) -> Histogram:
        """Of all of them: a customer waits for a failure too."""
        return Histogram.of((self.fine, self.spoilt))

    @property
    def served_per_s(self) -> float:
        """The rate achieved."""
        return self.served / self.seconds if self.seconds else 0.0

    @property
    def asked_per_s(self) -> float:
        """The rate asked for."""
        return self.asked / self.seconds if self.seconds else 0.0

    @property
    def error_share(self) -> float:
        """Of what was answered, how much failed."""
        return self.failed / self.answered if self.answered else 0.0

    def p_ms(self, percent: int) -> float | None:
        """A percentile of the latency."""
        return self.latency.quantile_ms(percent / 100)
