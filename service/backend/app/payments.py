"""The client of the payments service, on which placing an order depends."""

from types import TracebackType
from typing import Self

import httpx

from app.core.config import Settings


class PaymentsError(Exception):
    """The payments service did not confirm a charge; whether it took place is not known."""


class PaymentsClient:
    """Charges customers. Repeating a charge under the same key charges once."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def charge(self, key: str, amount_cents: int) -> str:
        """Charge `amount_cents`; the reference of the charge.

        Raises PaymentsError where the service cannot be reached in time or says no.
        """
        try:
            response = await self._http.post(
                "/charges",
                json={"amount_cents": amount_cents},
                headers={"Idempotency-Key": key},
            )
            response.raise_for_status()
            return str(response.json()["reference"])
        except httpx.HTTPError as error:
            raise PaymentsError(f"payments service: {error or type(error).__name__}") from error
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
        await self._http.aclose()


def create_payments_client(settings: Settings) -> PaymentsClient:
    """A client with short deadlines: a customer is waiting, and may safely try again."""
    deadline = httpx.Timeout(
        settings.payments_deadline_s, connect=settings.payments_connect_deadline_s
    )
    return PaymentsClient(
        httpx.AsyncClient(base_url=settings.payments_url, timeout=deadline, trust_env=False)
    )
