"""Metrics for Prometheus, where WAHA has them."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from lidbook_api.access.scopes import Scope
from lidbook_api.answers import Answer
from lidbook_api.metrics.scrape import CONTENT_TYPE
from lidbook_api.operation import Operation
from lidbook_api.services import services_of


async def metrics(request: Request) -> Response:
    """Every metric as it is now."""
    text = await services_of(request).metrics.text()
    return Answer(text, [(b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store")])


OPERATIONS: Final = (
    Operation(
        "GET",
        "/metrics",
        metrics,
        "Server",
        "Metrics",
        "In Prometheus' text format. Needs an admin key unless `LIDBOOK_METRICS_OPEN` is true.",
        media={"text/plain": {"type": "string"}},
        scope=Scope.ADMIN,
    ),
)
