"""What Prometheus scrapes."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.core.metrics import exposition

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def read_metrics() -> Response:
    """The metrics of all workers. Not async: it reads files, so it runs in a thread."""
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
