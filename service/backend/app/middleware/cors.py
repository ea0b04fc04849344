"""Starlette's CORS middleware, made to say whom it refuses."""

import logging

from starlette.middleware.cors import CORSMiddleware

logger = logging.getLogger("app.cors")


class LoggingCORSMiddleware(CORSMiddleware):
    """Warns of each request from an origin that is not in CORS_ORIGINS.

    To the server such a request looks like any other; only the visitor's browser shows that
    it was blocked. The warning makes it visible here.
    """

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether a page from `origin` may read the answer."""
        allowed = super().is_allowed_origin(origin)
        if not allowed:
            logger.warning(
                "CORS: refused the origin %.200r, which is not in CORS_ORIGINS",
                origin,
                extra={"allowed_origins": list(self.allow_origins)},
            )
        return allowed


def log_origins(origins: tuple[str, ...]) -> None:
    """Say at start-up which origins are allowed, and warn where none is."""
    if origins:
        logger.info("CORS: allowed origins: %s", ", ".join(origins))
    else:
        logger.warning("CORS: CORS_ORIGINS is empty: browsers will block every other site")
