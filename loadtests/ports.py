"""Ports of this machine that nobody listens on."""

from __future__ import annotations

import socket


def free(count: int) -> list[int]:
    """So many ports of 127.0.0.1 that are free now, each another."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()
