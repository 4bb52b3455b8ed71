"""An MLLP release 1 listener that answers a message only after it was kept (asyncio).

Answers leave in the order in which their messages came, though the commits of several may be under way. A connection
that has too much under way is not read from until the journal caught up: the peer feels it as TCP back-pressure.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

from adapters.hl7v2.mllp.ack import Fault, Outcome, acknowledge, answer_code, fallback_peek
from adapters.hl7v2.mllp.errors import HeaderUnusable
from adapters.hl7v2.mllp.framer import Frame, Framer, Oversize, frame
from adapters.hl7v2.mllp.peek import Peek, peek, trim

__all__ = ["Gate", "Keep", "MllpServer", "serve_mllp"]

Gate = Callable[[Peek, str], Fault | None]
"""(header, peer) -> why this channel doesn't accept the message, or None."""


class Keep(Protocol):
    """Makes a message durable, then calls `done` on the event loop: with None, or with the error that prevented it."""

    def __call__(self, body: bytes, header: Peek, peer: str, done: Callable[[Exception | None], None]) -> None: ...


_OUR_FAILURE = Fault(
    "207", "Application internal error", None, "The receiver could not store the message. Send it again later."
)


@dataclass(slots=True)
class _Pending:
    answer: bytes | None = None
    ready: bool = False
    close: bool = False
    size: int = 0


@dataclass(slots=True)
class _Shared:
    """What the connections of one listener have in common."""

    keep: Keep
    gate: Gate
    now: Callable[[], str]
    report: Callable[[str, str, str], None]
    limit: int
    window: int
    counts: Counter[str] = field(default_factory=Counter)
    connections: set[_Connection] = field(default_factory=set)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))


class _Connection(asyncio.Protocol):
    __slots__ = ("_framer", "_loop_transport", "_paused", "_pending", "_shared", "_size", "draining", "peer")

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._framer = Framer(shared.limit)
        self._pending: deque[_Pending] = deque()
        self._size = 0
        self._paused = False
        self._loop_transport: asyncio.Transport | None = None
        self.draining = False
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop_transport = cast(asyncio.Transport, transport)  # uvloop's are of classes of their own
        address = transport.get_extra_info("peername")
        self.peer = f"{address[0]}:{address[1]}" if address else "local"
        self._shared.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        left = self._framer.close()
        if left is not None:
            self._shared.report("truncated", self.peer, "connection ended inside a block")
        self._loop_transport = None
        self._shared.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self.draining:
            return  # unanswered: the sender still has it and sends it again elsewhere
        for event in self._framer.receive(data):
            if isinstance(event, Frame):
                self._message(event.data)
            elif isinstance(event, Oversize):
                self._too_long(event.head)
            else:
                kind = type(event).__name__.lower()
                self._shared.counts[kind] += 1
                self._shared.report(kind, self.peer, f"{event.size} bytes outside a whole block were skipped")
        if self._size > self._shared.window and not self._paused and self._loop_transport is not None:
            self._paused = True
            self._loop_transport.pause_reading()

    def drain(self) -> None:
        """Take nothing more; answer what is under way, then close."""
        self.draining = True
        self._flush()

    def _message(self, data: bytes) -> None:
        pending = _Pending()
        self._pending.append(pending)
        try:
            body = trim(data)
            header = peek(body)
        except HeaderUnusable as error:
            fault = Fault("100", "Segment sequence error", None, str(error))
            self._settle(pending, fallback_peek(), Outcome.UNREADABLE, fault)
            return
        for number, name in ((9, "message type"), (10, "message control id")):
            if not header.field(number).strip():
                fault = Fault("101", "Required field missing", number, f"MSH-{number} ({name}) is empty")
                self._settle(pending, header, Outcome.UNREADABLE, fault)
                return
        refused = self._shared.gate(header, self.peer)
        if refused is not None:
            self._settle(pending, header, Outcome.REFUSED, refused)
            return
        pending.size = len(body)
        self._size += len(body)
        self._shared.keep(body, header, self.peer, lambda error: self._kept(pending, header, error))

    def _kept(self, pending: _Pending, header: Peek, error: Exception | None) -> None:
        self._size -= pending.size
        if error is None:
            self._settle(pending, header, Outcome.KEPT, None)
        else:
            self._shared.report("unavailable", self.peer, type(error).__name__)
            pending.close = True
            self._settle(pending, header, Outcome.FAILED, _OUR_FAILURE)
        if self._paused and self._size <= self._shared.window // 2 and self._loop_transport is not None:
            self._paused = False
            self._loop_transport.resume_reading()

    def _too_long(self, head: bytes) -> None:
        pending = _Pending(close=True)
        self._pending.append(pending)
        try:
            header = peek(trim(head))
        except HeaderUnusable:
            header = fallback_peek()
        fault = Fault("102", "Data type error", None, f"The message is longer than {self._shared.limit} bytes")
        self._settle(pending, header, Outcome.UNREADABLE, fault)

    def _settle(self, pending: _Pending, header: Peek, outcome: Outcome, fault: Fault | None) -> None:
        shared = self._shared
        code = answer_code(header, outcome)
        if code is not None:
            number = f"TAB{next(shared.numbers):012d}"
            pending.answer = frame(acknowledge(header, code, number, shared.now(), fault))
        shared.counts[code or "none"] += 1
        if fault is not None and outcome is not Outcome.FAILED:
            shared.report(outcome.value, self.peer, fault.text)
        if outcome is Outcome.KEPT and header.enhanced and header.field(16).strip().upper() not in (b"", b"NE"):
            shared.counts["application-ack-due"] += 1
            shared.report(
                "application-ack-due", self.peer, "MSH-16 asks for an application acknowledgement: not yet answered"
            )
        pending.ready = True
        self._flush()

    def _flush(self) -> None:
        transport = self._loop_transport
        while self._pending and self._pending[0].ready:
            done = self._pending.popleft()
            if transport is None:
                continue
            if done.answer:
                transport.write(done.answer)
            if done.close:
                transport.close()
                self._pending.clear()
                return
        if self.draining and not self._pending and transport is not None:
            transport.close()


class MllpServer:
    """A running listener. `counts` holds answers by code and events by name."""

    def __init__(self, server: asyncio.Server, shared: _Shared) -> None:
        self._server = server
        self._shared = shared

    @property
    def address(self) -> str:
        """host:port that the listener is bound to."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def counts(self) -> Counter[str]:
        """Answers by MSA-1 code, and junk, truncated, application-ack-due by name."""
        return self._shared.counts

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._shared.connections)

    async def drain(self, timeout: float) -> None:
        """Stop accepting, answer what is under way, close. What stays open after `timeout` seconds is cut."""
        self._server.close()
        for connection in list(self._shared.connections):
            connection.drain()
        until = asyncio.get_running_loop().time() + timeout
        while self._shared.connections and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.01)
        for connection in list(self._shared.connections):
            if connection._loop_transport is not None:
                connection._loop_transport.abort()


async def serve_mllp(
    host: str,
    port: int,
    keep: Keep,
    gate: Gate,
    now: Callable[[], str],
    report: Callable[[str, str, str], None],
    limit: int = 64 * 1024 * 1024,
    window: int = 16 * 1024 * 1024,
) -> MllpServer:
    """Listen on host:port (0 = a free port).

    `keep` makes a message durable and then calls back; `gate` refuses what the channel doesn't accept; `now` gives the
    DTM text for MSH-7 of answers; `report(kind, peer, text)` hears of what is worth a log line, never of content.
    `limit` is the largest message, `window` the bytes under way per connection before reading pauses.
    """
    shared = _Shared(keep, gate, now, report, limit, window)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(shared), host, port, backlog=512)
    return MllpServer(server, shared)
