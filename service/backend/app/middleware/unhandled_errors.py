"""The last resort: an error that nobody handled becomes a 500 that gives nothing away."""

import logging

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import UNEXPECTED

logger = logging.getLogger("app.errors")


class UnhandledErrorMiddleware:
    """Logs the traceback and answers 500.

    Inside the CORS and request-id middlewares, unlike Starlette's own handler, so that a
    browser may read the answer and the answer can be found in the logs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; raises only where the answer had already begun."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            logger.exception(
                "unhandled error: %s: %s",
                type(error).__name__,
                error,
                extra={"method": scope["method"], "path": scope["path"]},
            )
            if begun:
                raise
            await JSONResponse({"detail": UNEXPECTED}, status_code=500)(scope, receive, send)
