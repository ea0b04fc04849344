"""What can be said of a runbook without running anything: findings, each by a rule with an id."""

from drillbook.runbook.check.checking import check, check_paths
from drillbook.runbook.check.findings import RULES, Finding, Rule, Severity
from drillbook.runbook.check.settings import Settings, SettingsError

__all__ = [
    "RULES",
    "Finding",
    "Rule",
    "Settings",
    "SettingsError",
    "Severity",
    "check",
    "check_paths",
]
