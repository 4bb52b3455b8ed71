"""/livez, /readyz, /metrics: open to all, read-only, without patient data."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.web import Request, Response, Route, in_thread

__all__ = ["METRICS", "probes"]

METRICS = "text/plain; version=0.0.4; charset=utf-8"


def probes(causes: Callable[[], Iterable[str]], metrics: Callable[[], str]) -> tuple[Route, ...]:
    """Rows of the probes. `causes`: why the service isn't ready, empty if it is; `metrics`: Prometheus text."""

    async def live(_: Request) -> Response:
        return Response.json(200, {"live": True})

    async def ready(_: Request) -> Response:
        found = list(causes())
        return Response.json(503 if found else 200, {"ready": not found, "causes": found})

    def measure(_: Request) -> Response:
        return Response(200, metrics().encode(), METRICS)

    return (
        Route("GET", "/livez", live, open=True, limit=0),
        Route("GET", "/readyz", ready, open=True, limit=0),
        Route("GET", "/metrics", in_thread(measure), open=True, limit=0),
    )
