"""The Docker SDK's client of the engine that a run works with."""

from __future__ import annotations

import docker


def connected(timeout_s: int) -> docker.DockerClient:
    """Give a client whose calls end within ``timeout_s`` seconds. Raises DockerException.

    No proxy and no .netrc of the caller's lies on its way: the engine is here, or named in
    DOCKER_HOST.
    """
    # ssh:// is left to the ssh program, which knows the caller's keys and names
    client = docker.from_env(timeout=timeout_s, use_ssh_client=True)
    client.api.trust_env = False
    return client
