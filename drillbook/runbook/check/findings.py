"""The rules, and what they find."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
"""From the least to the gravest."""


@dataclass(frozen=True)
class Rule:
    """One thing that is looked for."""

    id: str
    name: str
    severity: Severity
    summary: str


@dataclass(frozen=True)
class Finding:
    """What a rule says of a line."""

    path: Path
    line: int
    rule: Rule
    severity: Severity
    reason: str
    write: str = ""
    """What to write instead."""

    @property
    def order(self) -> tuple[str, int, str, str]:
        """Where it comes in a list."""
        return str(self.path), self.line, self.rule.id, self.reason


_TABLE = """
RB001 unreadable          error    the file, or a part of it, cannot be read
RB002 no-entry            warning  a runbook has no heading with parts such as Symptoms
RB003 duplicate-entry     error    two entries have one number
RB004 misnumbered-line    error    a line's number is not its position
RB005 empty-line          error    a line has no words
RB006 not-a-list          error    lines below a label are no list, and look like one
RB007 unknown-label       warning  bold words or a heading nearly name a part of an entry
RB008 swallowed-label     warning  a label is part of the list above it
RB009 repeated-part       warning  an entry has a part twice
RB010 no-steps            warning  an entry does not say what to do
RB011 wrong-section       warning  an entry's number is not that of its section
RB012 stray-list          info     a list in an entry is in no part of it
RB013 stray-command       info     a command is in no part of an entry: it is never drilled
RB014 broken-command      warning  a shell would not read a command as it stands
RB015 not-a-command       info     something in a block of shell is not read as a command
RB016 unread-code         info     code in a sentence may be a command, and is not read as one
RB017 not-shell           warning  a block is too long, or too much of it no shell, to be read
RB018 unclosed-block      warning  a block of code has no end
RB019 control-character   warning  a character that nobody sees
RB101 unknown-service     error    no Compose file has this service
RB102 unknown-container   error    no service's container has this name
RB103 unpublished-port    error    no service publishes this port
RB104 unknown-profile     error    no service has this profile
RB105 unknown-volume      error    no Compose file has this volume
RB201 unknown-resource    error    no manifest has this resource
RB202 unknown-target      error    no Makefile has this target
RB203 missing-path        error    there is no such file
RB204 unknown-variable    warning  nothing beside the runbook names this environment variable
RB205 unknown-script      error    no package has this script
RB301 compose-v1          error    docker-compose, which is gone
RB302 ps-without-all      warning  a list of containers that leaves out the one that has stopped
RB303 never-ends          warning  a command that does not end by itself
RB304 unknown-option      error    the tool's own help does not know this option
RB305 removed-command     error    a command that its tool no longer has
RB401 open-placeholder    error    a placeholder has one bracket
RB402 secret              error    a secret stands in clear
RB403 no-warning          warning  a command destroys, and nothing beside it says so
RB501 dead-link           error    a link leads to no file
RB502 dead-anchor         error    a link leads to no heading
RB503 alert-to-nowhere    error    an alert's runbook_url leads to no entry
RB504 no-alert            info     no alert leads to an entry
RB601 stale-review        warning  the last review is long ago
RB602 no-owner            info     the front matter names no owner
RB603 stale-proof         info     an entry's last proof is long ago
RB901 no-reason           error    a rule is switched off, and nothing says why
RB902 unused-ignore       warning  a rule is switched off where it finds nothing
"""


def _rules() -> dict[str, Rule]:
    rules = {}
    for row in _TABLE.strip().splitlines():
        identifier, name, severity, summary = row.split(maxsplit=3)
        grade: Severity = next(one for one in SEVERITIES if one == severity)
        rules[name] = Rule(identifier, name, grade, summary)
    return rules


RULES = _rules()
"""Every rule, by its name."""
BY_ID = {rule.id: rule for rule in RULES.values()}


def named(words: str) -> Rule | None:
    """The rule with this id or name."""
    return BY_ID.get(words.upper()) or RULES.get(words.lower())
