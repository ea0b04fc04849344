"""The runbook as data: its entries, their lines, and the commands that a person would type."""

from drillbook.runbook.document import (
    KINDS,
    Entry,
    Kind,
    Line,
    Platform,
    Runbook,
    RunbookError,
    UnknownEntry,
    load,
    spans,
)

__all__ = [
    "KINDS",
    "Entry",
    "Kind",
    "Line",
    "Platform",
    "Runbook",
    "RunbookError",
    "UnknownEntry",
    "load",
    "spans",
]
