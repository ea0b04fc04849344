"""The client of the payments service, on which placing an order depends."""

import json
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp

from app.core.config import Settings


class PaymentsError(Exception):
    """The payments service did not confirm a charge; whether it took place is not known."""


class PaymentsClient:
    """Charges customers. Repeating a charge under the same key charges once."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def charge(self, key: str, amount_cents: int) -> str:
        """Charge `amount_cents`; the reference of the charge.

        Raises PaymentsError where the service cannot be reached in time or says no.
        """
        try:
            async with self._session.post(
                "/charges",
                json={"amount_cents": amount_cents},
                headers={"Idempotency-Key": key},
            ) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PaymentsError(f"payments service: {error or type(error).__name__}") from error
        if status >= HTTPStatus.BAD_REQUEST:
            raise PaymentsError(f"payments service: it answered {status}")
        try:
            return str(json.loads(body)["reference"])
        except (ValueError, KeyError, TypeError) as error:
            raise PaymentsError("payments service: the answer makes no sense") from error

    async def __aenter__(self) -> Self:
        """Open for use with `async with`."""
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close every connection."""
        await self._session.close()


def create_payments_client(settings: Settings) -> PaymentsClient:
    """A client with short deadlines: a customer is waiting, and may safely try again."""
    deadline = aiohttp.ClientTimeout(
        total=settings.payments_deadline_s, sock_connect=settings.payments_connect_deadline_s
    )
    # Names are looked up anew for each connection, so that a service that was replaced is found.
    connector = aiohttp.TCPConnector(use_dns_cache=False)
    return PaymentsClient(
        aiohttp.ClientSession(settings.payments_url, timeout=deadline, connector=connector)
    )
