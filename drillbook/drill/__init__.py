"""A drill: its phases, in order, and an error for each."""

from drillbook.drill.commands import Command, anywhere, compose, kubectl
from drillbook.drill.drill import Drill, drills

__all__ = ["Command", "Drill", "anywhere", "compose", "drills", "kubectl"]
