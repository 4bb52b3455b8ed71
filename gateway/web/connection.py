"""One HTTP/1.1 connection on the event loop: h11 reads and writes the protocol, this reads and writes the socket.

A request's head is judged before its body is read. While a request is answered, nothing more is read from its peer: one
that sends faster than it is answered feels it as TCP back-pressure.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import cast
from urllib.parse import parse_qsl

import h11

from gateway.web.limits import Limits
from gateway.web.message import Request, Response
from gateway.web.outcome import refused
from gateway.web.router import Route, Router
from gateway.web.tokens import Guard

__all__ = ["Connection", "Shared"]

_RETRY = (("Retry-After", "5"),)
_PATIENCE = 5.0  # seconds in which nobody is slow
_LINGER = 2.0  # seconds for a peer to read an answer that came before it had sent all
_PIECE = 1 << 20  # bytes of a body within each of which the peer has `body_seconds`


@dataclass(slots=True)
class Shared:
    """What the connections of one listener have in common. `failed` hears of a handler's error, by class and route."""

    router: Router
    guard: Guard
    limits: Limits
    failed: Callable[[str, Exception], None]
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)  # (route, status)
    connections: dict[Connection, None] = field(default_factory=dict)  # oldest first
    held: int = 0  # bytes of bodies under way
    draining: bool = False


class Connection(asyncio.Protocol):
    """Phases: head (nothing or a part of a head is here) → body → answer → head; linger: answered, and closing."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=shared.limits.head_bytes)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._peer = ""
        self._route: Route | None = None
        self._request: Request | None = None
        self._body = bytearray()
        self._limit = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False  # the peer has closed its side
        self.phase = "head"
        self.since = 0.0  # when its body began
        self.received = 0  # bytes of its body

    # -- the socket ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of classes of their own
        address = transport.get_extra_info("peername")
        self._peer = f"{address[0]}:{address[1]}" if address else "local"
        shared = self._shared
        shared.connections[self] = None
        if len(shared.connections) > shared.limits.connections and not self._make_room():
            self._answer(refused(503, "too many connections", _RETRY), close=True)
            return
        self._wait(shared.limits.head)

    def _make_room(self) -> bool:
        """Cut a slow peer for a new one: the oldest without a whole head, else the slowest with its body."""
        others = [each for each in self._shared.connections if each is not self]
        victim = next((each for each in others if each.phase == "head"), None)
        if victim is None:
            before = asyncio.get_running_loop().time() - _PATIENCE
            slow = [each for each in others if each.phase == "body" and each.since < before]
            victim = min(slow, key=lambda each: each.received, default=None)
        if victim is None:
            return False
        victim.abort()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.connections.pop(self, None)
        self._release()
        self._wait(None)
        self._writable.set()
        self._transport = None

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self.phase == "linger":
            return
        self._http.receive_data(data)
        self._advance()

    def eof_received(self) -> bool:
        self._ended = True
        return self.phase == "answer"  # half-closed: the answer still goes out

    def drain(self) -> None:
        """Take no further request; one under way is answered."""
        if self.phase == "head" and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._shared.connections.pop(self, None)
            self._transport.abort()

    def _wait(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self.phase == "linger":
            self.abort()
        elif self.phase == "body":
            self._answer(refused(408, "the body did not come in time"), close=True)
        elif self._http.trailing_data[0]:
            self._answer(refused(408, "the request did not come in time"), close=True)
        else:
            self.abort()

    # -- the protocol ----------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Take what h11 can read out of the bytes that are here."""
        try:
            while self._transport is not None and self.phase in ("head", "body"):
                event = self._http.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                if isinstance(event, h11.Request):
                    self._head(event)
                elif isinstance(event, h11.Data):
                    self._data(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self._whole()
                else:  # ConnectionClosed
                    self._transport.close()
                    return
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint if error.error_status_hint in (400, 431, 501, 505) else 400
            self._answer(refused(status, f"not HTTP/1.1 as we read it: {_plain(error)}"), close=True)

    def _head(self, event: h11.Request) -> None:
        shared, limits = self._shared, self._shared.limits
        method, target = event.method.decode("ascii"), event.target.decode("latin-1")
        headers: dict[str, str] = {}
        for name, value in event.headers:
            key, text = name.decode("ascii"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        if event.http_version not in (b"1.0", b"1.1"):
            self._answer(refused(505, "only HTTP/1.1 is spoken here"), close=True)
            return
        if len(target) + sum(map(len, headers.values())) > limits.head_bytes:  # it came in one piece
            self._answer(refused(431, "the request's head is too long"), close=True)
            return
        found = shared.router.find(method, target)
        if isinstance(found, Response):
            self._answer(found, close=True)
            return
        self._route, parameters = found
        path, _, query = target.partition("?")
        pairs = dict(reversed(parse_qsl(query, keep_blank_values=True, max_num_fields=100))) if query else {}
        self._request = Request(method, path, pairs, headers, b"", self._peer, parameters)
        self._limit = limits.body if self._route.limit is None else self._route.limit
        denied = self._denied(headers)
        if denied is not None:
            self._answer(denied, close=True)
            return
        self.phase, self.since, self.received = "body", asyncio.get_running_loop().time(), 0
        self._wait(limits.body_seconds)
        if self._http.they_are_waiting_for_100_continue:
            self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))

    def _denied(self, headers: dict[str, str]) -> Response | None:
        assert self._route is not None
        shared = self._shared
        if shared.draining:
            return refused(503, "the service is being stopped", _RETRY)
        if not self._route.open and (denied := shared.guard.check(headers)) is not None:
            return denied
        if headers.get("content-encoding", "identity").lower() != "identity":
            return refused(415, "send the body without Content-Encoding", (("Accept-Encoding", "identity"),))
        size = int(headers.get("content-length", "0"))  # h11 has checked its form
        if size > self._limit:
            return refused(413, f"the body has more than {self._limit} bytes")
        return self._full(size)

    def _full(self, size: int) -> Response | None:
        if self._shared.held + size <= self._shared.limits.window:
            return None
        return refused(503, "too much is under way", _RETRY)

    def _data(self, data: bytes | bytearray) -> None:
        if len(self._body) + len(data) > self._limit:
            self._answer(refused(413, f"the body has more than {self._limit} bytes"), close=True)
            return
        full = self._full(len(data))
        if full is not None:
            self._answer(full, close=True)
            return
        if (self.received + len(data)) // _PIECE > self.received // _PIECE:
            self._wait(self._shared.limits.body_seconds)
        self._body += data
        self.received += len(data)
        self._shared.held += len(data)

    def _whole(self) -> None:
        """The request is here: answer it."""
        assert self._request is not None
        assert self._route is not None
        assert self._transport is not None
        self.phase = "answer"
        self._wait(None)
        self._transport.pause_reading()
        request = self._request
        whole = Request(
            request.method,
            request.path,
            request.query,
            request.headers,
            bytes(self._body),
            request.peer,
            request.parameters,
        )
        self._task = asyncio.get_running_loop().create_task(self._handle(self._route, whole))

    async def _handle(self, route: Route, request: Request) -> None:
        try:
            response = await route.handler(request)
        except Exception as error:  # noqa: BLE001 (the surface's boundary: a peer gets an answer, the log the class)
            self._shared.failed(route.path, error)
            response = refused(500, "an error of ours; it was logged")
        self._answer(response, close=self._shared.draining)
        if self._transport is not None and not self._writable.is_set():
            try:
                await asyncio.wait_for(self._writable.wait(), self._shared.limits.write)
            except TimeoutError:
                self.abort()
                return
        self._next()

    def _next(self) -> None:
        """Ready for the connection's next request, whose bytes may be here already."""
        self._release()
        if self._transport is None or self.phase == "linger":
            return
        if self._ended:
            self._transport.close()
            return
        self._http.start_next_cycle()
        self.phase = "head"
        self._wait(self._shared.limits.idle)
        self._transport.resume_reading()
        self._advance()

    def _release(self) -> None:
        self._shared.held -= len(self._body)
        self._body = bytearray()
        self._request = None

    def _answer(self, response: Response, *, close: bool) -> None:
        if self._transport is None or self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.abort()
            return
        name = "" if self._route is None else self._route.path
        self._shared.counts[name, response.status] += 1
        headers = [
            ("Content-Type", response.media_type),
            ("Content-Length", str(len(response.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Date", formatdate(usegmt=True)),
            *response.headers,
        ]
        if close:
            headers.append(("Connection", "close"))
        events: list[h11.Event] = [h11.Response(status_code=response.status, headers=headers), h11.EndOfMessage()]
        if self._request is None or self._request.method != "HEAD":
            events.insert(1, h11.Data(data=response.body))
        self._write(b"".join([self._http.send(event) or b"" for event in events]))
        after: object = self._http.our_state
        if after is not h11.DONE:  # it has to be closed
            self._close()

    def _close(self) -> None:
        """Say that nothing more comes, and let the peer read it: closing with bytes unread would reset the connection
        and take the answer with it."""
        assert self._transport is not None
        self.phase = "linger"
        self._release()
        self._wait(_LINGER)
        if self._ended or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._transport.write_eof()
            self._transport.resume_reading()

    def _write(self, data: bytes | None) -> None:
        if data and self._transport is not None:
            self._transport.write(data)


def _plain(error: h11.RemoteProtocolError) -> str:
    """h11's words up to what it quotes: a header's value is not ours to repeat."""
    return str(error).partition(":")[0].partition("b'")[0].partition('b"')[0].strip() or "malformed"
