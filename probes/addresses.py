"""Which network addresses may be asked: an answer of DNS that leads inside is refused."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(OSError):
    """A name, or an address written out, leads into a private range, and nobody allowed that."""


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet; an embedded IPv4 address counts."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            found = inner
    return found.is_global and not found.is_multicast


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its own name for it or by address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_public(host: str) -> None:
    """Raise AddressRefused where a host is an address of a private range. Names pass."""
    try:
        public = is_public(host)
    except ValueError:
        return  # a name: it is judged by what it resolves to
    if not public:
        raise AddressRefused(_refusal(host, host))


class GuardedResolver(AbstractResolver):
    """Resolves names, and refuses answers in private ranges unless they are allowed.

    The connection is made to the very addresses that were checked, so that a second answer of
    DNS, which says otherwise, is never asked for.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner: AbstractResolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises AddressRefused, and OSError where there is none."""
        found = await self._inner.resolve(host, port, family)
        if not self._allow_private:
            for one in found:
                if not is_public(one["host"]):
                    raise AddressRefused(_refusal(host, one["host"]))
        return found

    async def close(self) -> None:
        """Let go of what the resolver holds."""
        await self._inner.close()


def _refusal(host: str, address: Any) -> str:
    leads = f"{host} resolves to {address}" if host != address else str(address)
    return f"{leads}, in a private range; allow_private = true would allow that"
