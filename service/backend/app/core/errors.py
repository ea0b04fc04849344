"""What an error looks like to a client. Anything not named here is a 500 without details."""

from fastapi import FastAPI, Request, status
from fastapi.responses import JSONResponse

UNEXPECTED = "An unexpected error occurred"


class ShopError(Exception):
    """A refusal that the client can understand and act on.

    ShopError
    ├── ItemNotFound          404
    ├── OrderNotFound         404
    └── IdempotencyKeyReused  409
    """

    status_code = status.HTTP_400_BAD_REQUEST


class ItemNotFound(ShopError):
    """There is no such item."""

    status_code = status.HTTP_404_NOT_FOUND

    def __init__(self, item_id: int) -> None:
        super().__init__(f"There is no item {item_id}")


class OrderNotFound(ShopError):
    """There is no such order."""

    status_code = status.HTTP_404_NOT_FOUND

    def __init__(self, order_id: int) -> None:
        super().__init__(f"There is no order {order_id}")


class IdempotencyKeyReused(ShopError):
    """The key already belongs to an order with other contents."""

    status_code = status.HTTP_409_CONFLICT

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for an order with other contents")


def add_exception_handlers(app: FastAPI) -> None:
    """Answer a ShopError with its status and its message."""

    @app.exception_handler(ShopError)
    async def refuse(_request: Request, error: ShopError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=error.status_code)
