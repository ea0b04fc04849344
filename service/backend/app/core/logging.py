"""Logs as one JSON object a line, each with the id of the request it belongs to."""

import json
import logging
import logging.config
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonFormatter(logging.Formatter):
    """Renders a record, its `extra` fields and its traceback as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; values that JSON does not know are written as text."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        line.update((k, v) for k, v in vars(record).items() if k not in _STANDARD)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def logging_config(level: str) -> dict[str, Any]:
    """A `dictConfig` that sends every logger, gunicorn's and uvicorn's too, to stdout as JSON."""
    own_handler = {"handlers": ["stdout"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stdout",
            }
        },
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            # gunicorn hands these handlers on to uvicorn.error
            "gunicorn.error": own_handler,
            # each request is logged once, by the application, which knows its id and route
            "gunicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
            "alembic": {"level": level},
        },
    }


def configure_logging(level: str) -> None:
    """Log as JSON from here on, at `level` and above."""
    logging.config.dictConfig(logging_config(level))
