"""An MLLP listener: sockets, TLS, and the connections behind them (asyncio).

The listening sockets outlive what is bound to them: new certificates take over the same sockets, so that no sender
that connects meanwhile is turned away, and connections that are open stay as they are.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from adapters.hl7v2.mllp.connection import Connection
from adapters.hl7v2.mllp.door import Gate, Keep
from adapters.hl7v2.mllp.handshake import accept
from adapters.hl7v2.mllp.limits import Budget, Limits
from adapters.hl7v2.mllp.shared import Shared
from adapters.hl7v2.mllp.tally import Tally

__all__ = ["MllpServer", "serve_mllp"]

_BACKLOG = 512


class MllpServer:
    """A running listener."""

    def __init__(self, sockets: list[socket.socket], shared: Shared) -> None:
        self._sockets = sockets
        self._shared = shared
        self._tls: ssl.SSLContext | None = None
        self._doors: list[Callable[[], object]] = []  # what ends the accepting
        self._interval = min(1.0, shared.limits.shortest / 4)
        self._look = asyncio.get_running_loop().call_later(self._interval, self._check)

    @property
    def address(self) -> str:
        """host:port that the listener is bound to."""
        host, port = self._sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def tally(self) -> Tally:
        """Answers by channel and code, and events by name."""
        return self._shared.tally

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._shared.connections)

    def limit(self, limits: Limits) -> None:
        """Other limits, from the next message of every connection on (its own size: of new connections)."""
        self._shared.limits = limits

    async def take_over(self, tls: ssl.SSLContext | None) -> None:
        """New connections use this context from now on; open ones stay."""
        before, self._tls = self._tls, tls
        if self._doors and (before is None) == (tls is None):
            return  # who accepts stays; a context is asked for at each handshake
        loop = asyncio.get_running_loop()
        doors, self._doors = self._doors, []
        for sock in self._sockets:
            own = sock.dup()
            if tls is None:
                server = await loop.create_server(lambda: Connection(self._shared), sock=own, backlog=_BACKLOG)
                self._doors.append(server.close)
            else:
                self._doors.append(self._handshakes(own))
        for close in doors:
            close()

    def _handshakes(self, own: socket.socket) -> Callable[[], object]:
        """Accept on a socket of one's own; gives what ends it."""
        own.listen(_BACKLOG)
        task = asyncio.get_running_loop().create_task(accept(own, self._shared, self._context))
        task.add_done_callback(lambda _: own.close())
        return task.cancel

    def _context(self) -> ssl.SSLContext:
        assert self._tls is not None
        return self._tls

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        now = self._shared.clock()
        for connection in list(self._shared.connections):
            connection.check(now)
        self._look = loop.call_later(self._interval, self._check)

    async def drain(self, timeout: float) -> None:
        """Stop accepting, answer what is under way, close. What stays open after `timeout` seconds is cut."""
        for close in self._doors:
            close()
        for sock in self._sockets:
            sock.close()
        for handshake in list(self._shared.handshakes):
            handshake.abort()
        for connection in list(self._shared.connections):
            connection.drain()
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        while self._shared.connections and loop.time() < until:
            await asyncio.sleep(0.01)
        self._look.cancel()
        for connection in list(self._shared.connections):
            connection.abort()


async def serve_mllp(
    host: str,
    port: int,
    keep: Keep,
    gate: Gate,
    now: Callable[[], str],
    report: Callable[[str, str, str], None],
    limits: Limits | None = None,
    budget: Budget | None = None,
    tls: ssl.SSLContext | None = None,
    release: int = 1,
) -> MllpServer:
    """Listen on host:port (0 = a free port).

    `keep` makes a message durable and then calls back; `gate` finds its channel and refuses what that doesn't accept;
    `now` gives the DTM text for MSH-7 of answers; `report(kind, peer, text)` hears of what is worth a log line, never
    of content. `budget` is shared by the listeners of a service. `release` 2: each block is answered by a commit
    acknowledgement before its message is.
    """
    loop = asyncio.get_running_loop()
    shared = Shared(keep, gate, now, report, limits or Limits(), budget or Budget(), loop.time, release)
    server = MllpServer(await _bind(host, port), shared)
    await server.take_over(tls)
    return server


async def _bind(host: str, port: int) -> list[socket.socket]:
    """One listening socket per address of the host, all on the same port."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], port or sockets[0].getsockname()[1], *address[2:]))
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets
