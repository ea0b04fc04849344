"""A drill: its phases, in order, and an error for each."""

from drillbook.drill.drill import Drill, drills

__all__ = ["Drill", "drills"]
