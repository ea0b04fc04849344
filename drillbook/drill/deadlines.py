"""How long a drill waits for what, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deadlines:
    """The deadlines of a drill's phases, in seconds. A scenario can give a call one of its own."""

    steady_s: float = 30.0
    takes_s: float = 10.0
    symptom_s: float = 15.0
    still_holds_s: float = 15.0
    """One that comes and goes, as in a crash loop, is waited for again."""
    look_s: float = 15.0
    recovered_s: float = 30.0
    residue_s: float = 10.0
    quiet_s: float = 0.2
    """Several requests of the witness."""
    alert_fires_s: float = 30.0
    alert_settles_s: float = 10.0
    """What is held back can fire a moment before what holds it back."""
    alert_over_s: float = 45.0
