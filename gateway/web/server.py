"""The listener: opens a port on the running event loop, hands connections out, drains them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from gateway.web.connection import Connection, Shared
from gateway.web.limits import Limits
from gateway.web.router import Route, Router
from gateway.web.tokens import Guard

__all__ = ["HttpServer", "serve_http"]


class HttpServer:
    """A running listener."""

    def __init__(self, server: asyncio.Server, shared: Shared) -> None:
        self._server = server
        self._shared = shared

    @property
    def address(self) -> str:
        """host:port that the listener is bound to."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def counts(self) -> Counter[tuple[str, int]]:
        """Answers since start, by route ('' = none) and status."""
        return self._shared.counts

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._shared.connections)

    async def close(self, seconds: float) -> None:
        """Stop listening, answer what is under way; what is still open after the time is cut."""
        self._shared.draining = True
        self._server.close()
        for connection in list(self._shared.connections):
            connection.drain()
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._shared.connections and loop.time() < until:
            await asyncio.sleep(0.01)
        for connection in list(self._shared.connections):
            connection.abort()


async def serve_http(
    host: str,
    port: int,
    routes: Iterable[Route],
    guard: Guard,
    limits: Limits,
    failed: Callable[[str, Exception], None],
) -> HttpServer:
    """Listen on host:port (0 = a free port). `failed` hears the route and the error of a handler that raised."""
    shared = Shared(Router(routes), guard, limits, failed)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(shared), host, port, backlog=512)
    return HttpServer(server, shared)
