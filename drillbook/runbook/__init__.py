"""The runbook as data: its entries, their lines, and the commands that a person would type."""

from drillbook.runbook.document import Document, load, read_document, read_text
from drillbook.runbook.labels import Labels
from drillbook.runbook.model import (
    KINDS,
    PLATFORMS,
    Command,
    Entry,
    Kind,
    Line,
    Platform,
    Problem,
    Runbook,
    RunbookError,
    UnknownEntry,
)
from drillbook.runbook.text import anchor, spans

__all__ = [
    "KINDS",
    "PLATFORMS",
    "Command",
    "Document",
    "Entry",
    "Kind",
    "Labels",
    "Line",
    "Platform",
    "Problem",
    "Runbook",
    "RunbookError",
    "UnknownEntry",
    "anchor",
    "load",
    "read_document",
    "read_text",
    "spans",
]
