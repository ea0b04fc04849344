"""Where a system runs: what a drill asks of a platform, and the platforms that answer."""

from drillbook.platforms.protocols import (
    Configures,
    Connects,
    Deploys,
    Kills,
    Links,
    NotOurs,
    NotThere,
    PortTaken,
    Stack,
    StackError,
    State,
    Workload,
    require,
)

__all__ = [
    "Configures",
    "Connects",
    "Deploys",
    "Kills",
    "Links",
    "NotOurs",
    "NotThere",
    "PortTaken",
    "Stack",
    "StackError",
    "State",
    "Workload",
    "require",
]
