"""Puts the application together. Served as `app.main:create_app()`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.api.deps import State
from app.api.routes import health, items, metrics, orders
from app.core.config import Settings, settings_or_exit
from app.core.database import Database, create_engine
from app.core.errors import add_exception_handlers
from app.core.metrics import POOL_CAPACITY
from app.middleware.cors import LoggingCORSMiddleware, log_origins
from app.middleware.request_id import RequestIdMiddleware
from app.middleware.telemetry import TelemetryMiddleware
from app.middleware.unhandled_errors import UnhandledErrorMiddleware
from app.payments import create_payments_client


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application. Without settings it reads them from the environment, or exits."""
    settings = settings or settings_or_exit()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        log_origins(settings.cors_origins)
        POOL_CAPACITY.set(settings.db_pool_size)
        database = Database(
            create_engine(settings),
            connections=settings.db_pool_size,
            wait_s=settings.db_pool_wait_s,
        )
        async with create_payments_client(settings) as payments:
            yield State(settings=settings, database=database, payments=payments)
        await database.dispose()

    app = FastAPI(title="Shop", version="1.0.0", lifespan=lifespan, redirect_slashes=False)

    app.include_router(health.router)  # GET /health
    if settings.metrics_enabled:
        app.include_router(metrics.router)  # GET /metrics
    app.include_router(items.router)  # /items
    app.include_router(orders.router)  # /orders

    # The last one added is the first to see a request.
    app.add_middleware(UnhandledErrorMiddleware)
    app.add_middleware(
        LoggingCORSMiddleware,
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Content-Type", "Idempotency-Key", "X-Request-ID"],
        expose_headers=["X-Request-ID"],
    )
    app.add_middleware(TelemetryMiddleware)
    app.add_middleware(RequestIdMiddleware)
    add_exception_handlers(app)
    return app
