"""Testcontainers' Compose with an environment of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from testcontainers.compose import DockerCompose

DEADLINE_S = 1800.0  # a first build, over a slow network


@dataclass
class Compose(DockerCompose):
    """``docker compose`` in the environment it is given; what it is built on takes the process'.

    So two stacks of one process know nothing of each other.
    """

    variables: Mapping[str, str] = field(default_factory=dict)

    def _run_command(
        self, cmd: str | list[str], context: str | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end. Raises CalledProcessError or TimeoutExpired, with what it said."""
        return subprocess.run(
            cmd,
            cwd=context or str(self.context),
            env=dict(self.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE_S,
            check=True,
        )
