"""What all three ways of causing the outage have in common."""

from __future__ import annotations

from benchmarks.stage import Stage

READ = "/items/1"
EVERY_S = 0.02
DEADLINE_S = 30.0
# What the backend's log says while the database is away.
UNREACHABLE = (
    "connection refused|name resolution|Name or service not known|No address associated"
    "|ConnectionDoesNotExist|connection was closed"
)


def names(stage: Stage) -> dict[str, str]:
    """The container of each service, by its name in the Compose file."""
    return {one.name: one.instance for one in stage.stack.services}
