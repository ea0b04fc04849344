"""The errors of a drill.

Each phase has an error of its own::

    DrillError
    ├── NotSteady            the stack was not healthy before anything was broken
    ├── FaultDidNotTake      the fault was injected, and nothing is broken
    ├── SymptomAbsent        a documented symptom did not appear within its deadline
    ├── SelfHealed           the fault was gone before the fix
    ├── StepError
    │   ├── StepNotInRunbook       the entry has no such step
    │   ├── CommandNotInRunbook    the step does not contain what was typed
    │   └── StepShowedOtherwise    the step was followed, and did not show what it should
    ├── AlertError
    │   ├── AlertAbsent        the entry's own alert did not page anybody
    │   ├── AlertOutOfPlace    an alert that leads to another entry paged as well
    │   └── AlertNotOver       the service is back, and its alert still fires
    ├── FixDidNotHeal        the fix was applied, and the service did not come back
    ├── NotInRunbook         the entry has no such symptom or cause
    ├── WriteLost            a write that was acknowledged is gone
    ├── ResidueLeft          the drill is over, and the stack is not as it was
    └── DrillIncomplete      the scenario returned without reaching ``recovered``

A step or an alert that fails leaves the system as it is, so the drill goes on, to tell in one run
what else of the entry holds, and raises at its end. Every other error ends it at once.
"""

from __future__ import annotations


class DrillError(Exception):
    """A drill failed; the message says in which phase, on which line, and what was seen."""


class NotSteady(DrillError):
    """The stack was not healthy before anything was broken."""


class FaultDidNotTake(DrillError):
    """The fault was injected, and nothing is broken."""


class SymptomAbsent(DrillError):
    """A documented symptom did not appear within its deadline."""


class SelfHealed(DrillError):
    """The fault was gone before the fix."""


class StepError(DrillError):
    """A documented step did not hold."""


class StepNotInRunbook(StepError):
    """The entry has no such step."""


class CommandNotInRunbook(StepError):
    """The step of the runbook does not contain what was typed."""


class StepShowedOtherwise(StepError):
    """The step was followed, and did not show what it should."""


class AlertError(DrillError):
    """The alert path did not hold."""


class AlertAbsent(AlertError):
    """The entry's own alert did not page anybody, or leads elsewhere."""


class AlertOutOfPlace(AlertError):
    """An alert that leads to another entry paged as well, and was not expected."""


class AlertNotOver(AlertError):
    """The service is back, and its alert still fires."""


class FixDidNotHeal(DrillError):
    """The fix was applied, and the service did not come back."""


class NotInRunbook(DrillError):
    """The entry has no such symptom or cause."""


class WriteLost(DrillError):
    """A write that was acknowledged is gone."""


class ResidueLeft(DrillError):
    """The drill is over, and the stack is not as it was before."""


class DrillIncomplete(DrillError):
    """The scenario returned without reaching ``recovered``."""
