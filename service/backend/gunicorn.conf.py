"""How gunicorn serves the application. Read by gunicorn from its working directory."""

from typing import TYPE_CHECKING

from prometheus_client import multiprocess

from app.core.config import settings_or_exit
from app.core.logging import logging_config

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

_settings = settings_or_exit()

bind = "0.0.0.0:8000"
workers = _settings.gunicorn_workers
worker_class = "uvicorn_worker.UvicornWorker"
# Loaded once and shared by all workers. Connections are made later, by each worker for itself.
preload_app = True
# In memory: heartbeats must never wait for a disk.
worker_tmp_dir = "/dev/shm"  # noqa: S108  # nosec B108
timeout = 30
graceful_timeout = 10
# Longer than nginx keeps a connection to us, so that it is never we who close one just as nginx
# sends an order over it.
keepalive = 75
logconfig_dict = logging_config(_settings.log_level)
control_socket_disable = True  # nothing uses it


def child_exit(_server: "Arbiter", worker: "Worker") -> None:
    """Forget the gauges of a worker that is gone; its counters stay counted."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
