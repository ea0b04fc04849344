"""The service's settings: read from the environment once, checked before anything starts."""

import os
import sys
from functools import lru_cache
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PostgresDsn,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class ConfigurationError(Exception):
    """The environment does not describe a service that could run; one line says why."""


def _check_database_url(value: str) -> str:
    dsn = TypeAdapter(PostgresDsn).validate_python(value)
    if not dsn.path or dsn.path == "/":
        raise ValueError("names no database")
    scheme, rest = value.split("://", maxsplit=1)
    if scheme not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise ValueError("must begin with postgresql+asyncpg://")
    return f"postgresql+asyncpg://{rest}"


def _check_origin(origin: str) -> str:
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(
            f"{origin!r} is no origin: write it as https://shop.example or with a port"
        )
    if parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError(
            f"{origin!r} is more than an origin: scheme, host and port, nothing behind"
        )
    if parts.port == 0:  # reading it raises ValueError by itself where it is no number
        raise ValueError(f"{origin!r} has no valid port")
    return origin


def _split_commas(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _check_http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    return value.rstrip("/")


DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]
Origin = Annotated[str, AfterValidator(_check_origin)]
HttpAddress = Annotated[str, AfterValidator(_check_http_url)]


class Settings(BaseSettings):
    """Everything that differs between one deployment and the next. Units are in the names."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    database_url: DatabaseUrl = Field(repr=False)
    payments_url: HttpAddress
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split_commas)] = ()

    gunicorn_workers: Annotated[int, Field(ge=1, le=64)] = 2
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    metrics_enabled: bool = True

    # Connections of one worker process; all of them together stay below max_connections.
    db_pool_size: Annotated[int, Field(ge=1, le=100)] = 12
    # Short, so that a request never queues for long behind a database that is not there.
    db_pool_wait_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    db_connect_deadline_s: Annotated[float, Field(ge=1, le=30)] = 1.75
    db_ping_deadline_s: Annotated[float, Field(gt=0, le=30)] = 0.5
    db_statement_deadline_s: Annotated[float, Field(gt=0, le=300)] = 3.0

    health_deadline_s: Annotated[float, Field(gt=0, le=30)] = 1.0
    payments_connect_deadline_s: Annotated[float, Field(gt=0, le=30)] = 0.5
    payments_deadline_s: Annotated[float, Field(gt=0, le=30)] = 2.0


def load_settings() -> Settings:
    """The settings of this process.

    Raises ConfigurationError with one line that names each variable at fault. The values
    themselves are not repeated: one of them holds a password.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(_describe(fault) for fault in error.errors(include_url=False))
        raise ConfigurationError(faults) from None


def _describe(fault: ErrorDetails) -> str:
    variable = str(fault["loc"][0]).upper()
    if fault["type"] == "missing":
        return f"{variable} is not set"
    return f"{variable}: {fault['msg'].removeprefix('Value error, ')}"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The one Settings of this process; see `load_settings`."""
    return load_settings()


def settings_or_exit() -> Settings:
    """The settings, or the end of the process with status 78 (EX_CONFIG) and one line of why."""
    try:
        return get_settings()
    except ConfigurationError as error:
        _give_up(error)


def _give_up(error: ConfigurationError) -> NoReturn:
    sys.stderr.write(f"configuration error: {error}\n")
    sys.exit(os.EX_CONFIG)
