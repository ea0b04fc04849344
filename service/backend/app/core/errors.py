"""What an error looks like to a client. Anything not named here is a 500 without details."""

import json

from fastapi import FastAPI, Request, Response, status
from fastapi.exceptions import RequestValidationError
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
    """Answer a ShopError with its status and message, and an invalid request with what is wrong."""

    @app.exception_handler(ShopError)
    async def refuse(_request: Request, error: ShopError) -> Response:
        return JSONResponse({"detail": str(error)}, status_code=error.status_code)

    @app.exception_handler(RequestValidationError)
    async def explain(_request: Request, error: RequestValidationError) -> Response:
        # FastAPI's own handler repeats the input, and fails on input that is no proper JSON:
        # Infinity, or half a surrogate pair. Where and why is what the client needs.
        faults = [{key: fault[key] for key in ("loc", "msg", "type")} for fault in error.errors()]
        content = json.dumps({"detail": faults})
        return Response(content, status_code=422, media_type="application/json")
