"""A real listener on a thread of its own, and a raw socket to talk to it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterable
from types import TracebackType

from gateway.web import Guard, HttpServer, Limits, Request, Response, Route, serve_http

TOKEN = "a-token-for-tests-0001"


async def echo(request: Request) -> Response:
    return Response.json(200, {"size": len(request.body), "query": dict(request.query), **request.parameters})


async def broken(request: Request) -> Response:
    raise ValueError("ZZCANARY")


async def slow(request: Request) -> Response:
    await asyncio.sleep(0.3)
    return Response.json(200, {"slow": True})


ROUTES = (
    Route("GET", "/open", echo, open=True, limit=0),
    Route("POST", "/echo/{name}", echo),
    Route("POST", "/small", echo, limit=10),
    Route("POST", "/broken", broken),
    Route("POST", "/slow", slow),
)


class Listener:
    """`with Listener() as each: each.ask(b"GET / …")`."""

    def __init__(
        self, limits: Limits | None = None, tokens: Iterable[str] = (), routes: Iterable[Route] = ROUTES
    ) -> None:
        self.limits = limits or Limits()
        self.guard = Guard(tokens)
        self._routes = tuple(routes)
        self.failures: list[tuple[str, str]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        self.server = self._run(self._serve())
        host, _, port = self.server.address.rpartition(":")
        self.address = (host, int(port))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self.server.close(1), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> HttpServer:
        def failed(route: str, error: Exception) -> None:
            self.failures.append((route, type(error).__name__))

        return await serve_http("127.0.0.1", 0, self._routes, self.guard, self.limits, failed)

    def _run(self, work: object) -> HttpServer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    def close(self, seconds: float = 5) -> None:
        """Drain the listener, as SIGTERM does."""
        asyncio.run_coroutine_threadsafe(self.server.close(seconds), self._loop).result(10)

    def connect(self) -> socket.socket:
        """An open connection."""
        return socket.create_connection(self.address, timeout=10)

    def ask(self, data: bytes) -> bytes:
        """Send, half-close, read to the end."""
        with self.connect() as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return read(connection)


def read(connection: socket.socket) -> bytes:
    """All until the peer closes; what came before a reset counts, too."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def post(path: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole request; `Content-Length` as it is."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def status(answer: bytes) -> int:
    """The status of the first answer; 0 without one."""
    parts = answer.split(b" ", 2)
    return int(parts[1]) if len(parts) > 2 else 0
