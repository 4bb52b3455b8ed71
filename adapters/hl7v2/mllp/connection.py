"""One connection of an MLLP listener (asyncio): frames in, each answered only after it was kept.

Answers leave in the order in which their messages came, though the commits of several may be under way. A connection
is not read from while too much of it, or of all together, is on its way to the journal, while too many answers wait for
what becomes of their messages, or while its peer does not read its answers: the peer feels it as TCP back-pressure.
What takes too long is ended by `check`, which the listener calls.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from adapters.hl7v2.mllp.ack import Fault, Outcome, acknowledge, acknowledged, answer_code, fallback_peek
from adapters.hl7v2.mllp.door import Peer, Route, Verdict
from adapters.hl7v2.mllp.errors import HeaderUnusable, NoAnswer
from adapters.hl7v2.mllp.framer import COMMITTED, NOT_COMMITTED, Frame, Framer, Oversize, frame
from adapters.hl7v2.mllp.peek import Peek, peek, trim
from adapters.hl7v2.mllp.shared import Shared, peer_of, probe

if TYPE_CHECKING:
    from adapters.hl7v2.mllp.handshake import Handshake

__all__ = ["Connection"]

_NO_ROUTE = Route("")
_ANSWER_BUFFER = 1 << 16  # bytes of answers that a peer may leave unread before it is no longer read from
_WAITING = 64  # messages in the journal whose answers wait for what becomes of them
_JUNK = 1 << 16  # bytes in a row that belong to no block: whoever sends more does not speak MLLP


@dataclass(slots=True)
class _Pending:
    began: float
    route: Route = _NO_ROUTE
    answer: bytes | None = None
    ready: bool = False
    close: bool = False
    size: int = 0
    waiting: bool = False


class Connection(asyncio.Protocol):
    """Implements `Origin` and `Holder`."""

    def __init__(self, shared: Shared, handshake: Handshake | None = None) -> None:
        self._shared = shared
        self._handshake = handshake
        self._framer = Framer(shared.limits.message_bytes)
        self._pending: deque[_Pending] = deque()
        self._size = 0  # bytes on their way to the journal
        self.unfinished = 0
        self._waiting = 0
        self._holds: set[str] = set()  # why it is not read from
        self._junk = 0
        self._transport: asyncio.Transport | None = None
        self._heard = self._began = self._stuck = 0.0  # of the last byte, of the block that is open, of unread answers
        self._offered: dict[bytes, Callable[[str | None], None]] = {}
        self.draining = False
        self.peer = Peer("local")

    # -- the connection ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of classes of their own
        shared = self._shared
        self.peer = peer_of(transport)
        if self._handshake is not None:
            shared.finish(self._handshake)  # its place is ours now
            self._handshake = None
        if not shared.admit(self.peer):
            self._transport.abort()
            self._transport = None
            return
        self._heard = shared.clock()
        self._transport.set_write_buffer_limits(high=_ANSWER_BUFFER)
        probe(transport.get_extra_info("socket"), shared.limits.silent_seconds)
        shared.open(self)  # last: what fails before has no place to give back

    def connection_lost(self, exc: Exception | None) -> None:
        shared = self._shared
        self._transport = None
        if self not in shared.connections:
            return
        shared.close(self)
        if isinstance(exc, TimeoutError):  # of TCP
            shared.note("silent", self.peer, "the peer is gone without a word")
        if self._framer.close() is not None:
            shared.report("truncated", self.peer.address, "connection ended inside a block")
        self._hold_bytes()
        shared.budget.leave(self)
        offered, self._offered = self._offered, {}
        for done in offered.values():
            done(None)

    def eof_received(self) -> bool:
        """A peer that has said all it wants to say may still read: answer what is under way, then close. (TLS has no
        such half-closed connections.)"""
        transport = self._transport
        if transport is None or not self._pending or transport.get_extra_info("sslcontext") is not None:
            return False
        self.draining = True
        return True

    def drain(self) -> None:
        """Take nothing more; answer what is under way, then close."""
        self.draining = True
        self._flush()

    def abort(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()

    def check(self, now: float) -> None:
        """End what takes too long."""
        limits = self._shared.limits
        if self._stuck and limits.answer_seconds and now - self._stuck > limits.answer_seconds:
            self._end("slow-reader", f"the peer has not read its answers for {limits.answer_seconds:g} s")
        elif self._holds:
            self._heard = now  # it is we who don't read
            self._began = now if self._began else 0.0
        elif self._began and limits.frame_seconds and now - self._began > limits.frame_seconds:
            self._end("slow-frame", f"a block was not whole after {limits.frame_seconds:g} s")
        elif limits.idle_seconds and not self._pending and now - self._heard > limits.idle_seconds:
            self._end("idle", f"nothing came for {limits.idle_seconds:g} s")

    def _end(self, kind: str, text: str) -> None:
        self._shared.note(kind, self.peer, text)
        self.abort()

    # -- reading, and when not to ------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.draining or self._transport is None:
            return  # unanswered: the sender still has it and sends it again elsewhere
        shared = self._shared
        now = self._heard = shared.clock()
        whole = False
        for event in self._framer.receive(data):
            whole = True
            if isinstance(event, Frame):
                self._junk = 0
                self._message(event.data, now)
            elif isinstance(event, Oversize):
                self._too_long(event.head, now)
            elif not self._astray(type(event).__name__.lower(), event.size):
                return
        if self._framer.inside:
            self._began = now if whole or not self._began else self._began
            self._hold_bytes()
        else:
            self._began = 0.0
            if self.unfinished:
                self._hold_bytes()
        if self._size > shared.limits.window_bytes:
            self._pause("window")
        if shared.budget.full:
            shared.budget.wait(self)

    def _astray(self, kind: str, size: int) -> bool:
        """Bytes outside a whole block: skipped and counted; False: too many of them, the connection is ended."""
        if not self._junk:
            self._shared.report(kind, self.peer.address, f"{size} bytes outside a whole block were skipped")
        self._shared.tally.events[kind] += 1
        self._junk += size
        if kind == "junk" and self._junk > _JUNK:
            self._end("not-mllp", "what comes here is not MLLP")
            return False
        return True

    def _hold_bytes(self) -> None:
        change = self._framer.pending - self.unfinished
        self.unfinished += change
        self._shared.budget.begun(self, change)

    def hold(self) -> None:
        """All together hold too much: read no more for now."""
        self._pause("budget")

    def go_on(self) -> None:
        """There is room again."""
        self._resume("budget")

    def shed(self) -> None:
        """All together hold too much, and this is the largest unfinished block."""
        self._end("overload", "unfinished blocks hold too much memory, and this connection had the largest")
        self.draining = True
        self._framer.close()
        self._hold_bytes()

    def pause_writing(self) -> None:
        self._stuck = self._shared.clock()
        self._pause("answers")

    def resume_writing(self) -> None:
        self._stuck = 0.0
        self._resume("answers")

    def _pause(self, why: str) -> None:
        if not self._holds and self._transport is not None:
            self._transport.pause_reading()
        self._holds.add(why)

    def _resume(self, why: str) -> None:
        if why in self._holds:
            self._holds.discard(why)
            if not self._holds and self._transport is not None:
                self._transport.resume_reading()

    # -- messages of ours --------------------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """See `Origin`."""
        return self._transport is not None and not self.draining and not self._transport.is_closing()

    def offer(self, body: bytes, control_id: bytes, wait: bool, done: Callable[[str | None], None]) -> None:
        """See `Origin`. Answers to messages of the peer and messages of ours share the connection (section 2.9.3)."""
        transport = self._transport
        if transport is None or not self.open:
            done(None)
            return
        transport.write(frame(body))
        if wait:
            self._offered[control_id] = done
        else:
            done("CA")

    def _answered(self, body: bytes) -> bool:
        """Whether this is the answer to a message of ours: it gets none itself."""
        try:
            code, control_id = acknowledged(body)
        except NoAnswer:
            return False
        done = self._offered.pop(control_id, None)
        if done is None:
            return False
        done(code)
        return True

    # -- messages and their answers ----------------------------------------------------------------------------

    def _message(self, data: bytes, now: float) -> None:
        if self._shared.release == 2 and data in (COMMITTED, NOT_COMMITTED):
            return  # of an answer of ours: what is to be sent until it is accepted waits for its acknowledgement
        pending = _Pending(now)
        try:
            body = trim(data)
            header = peek(body)
        except HeaderUnusable as error:
            self._pending.append(pending)
            fault = Fault("100", "Segment sequence error", None, str(error))
            self._settle(pending, fallback_peek(), Verdict(Outcome.UNREADABLE, fault))
            return
        if self._offered and header.type.startswith("ACK") and self._answered(body):
            return
        self._pending.append(pending)
        if not header.complete:
            number, name = (10, "message control id") if header.field(9).strip() else (9, "message type")
            fault = Fault("101", "Required field missing", number, f"MSH-{number} ({name}) is empty")
            self._settle(pending, header, Verdict(Outcome.UNREADABLE, fault))
            return
        route = self._shared.gate(header, self.peer)
        pending.route = route
        if route.fault is not None:
            pending.close = route.outcome is Outcome.FAILED
            self._settle(pending, header, Verdict(route.outcome, route.fault))
            return
        size = pending.size = len(body)
        self._size += size
        self._shared.budget.under_way += size
        self._shared.keep(body, header, route, self, partial(self._kept, pending, header))

    def _kept(self, pending: _Pending, header: Peek, verdict: Verdict) -> None:
        size, pending.size = pending.size, 0
        self._size -= size
        if verdict.outcome is Outcome.WAITING:
            self._wait(pending)
        else:
            if pending.waiting:
                self._waiting -= 1
                if self._waiting <= _WAITING // 2:
                    self._resume("outcomes")
            if verdict.outcome is Outcome.FAILED:
                self._shared.report("unavailable", self.peer.address, verdict.error)
                pending.close = True
            self._settle(pending, header, verdict)
        if self._holds and self._size <= self._shared.limits.window_bytes // 2:
            self._resume("window")
        self._shared.budget.done(size)

    def _wait(self, pending: _Pending) -> None:
        """Its bytes are in the journal and hold no memory of ours any more, but it is still to be answered."""
        pending.waiting = True
        self._waiting += 1
        if self._waiting >= _WAITING:
            self._pause("outcomes")

    def _too_long(self, head: bytes, now: float) -> None:
        pending = _Pending(now, close=True)
        self._pending.append(pending)
        self._shared.tally.events["oversize"] += 1
        try:
            header = peek(trim(head))
        except HeaderUnusable:
            header = fallback_peek()
        text = f"The message is longer than {self._shared.limits.message_bytes} bytes"
        self._settle(pending, header, Verdict(Outcome.UNREADABLE, Fault("102", "Data type error", None, text)))

    def _settle(self, pending: _Pending, header: Peek, verdict: Verdict) -> None:
        shared = self._shared
        outcome = verdict.outcome
        code = answer_code(header, outcome)
        if code is not None:
            number = f"TAB{next(shared.numbers)}"
            pending.answer = frame(
                acknowledge(
                    header, code, number, shared.now(), verdict.fault, more=verdict.more, expected=verdict.expected
                )
            )
        if shared.release == 2:
            block = COMMITTED if outcome.committed else NOT_COMMITTED
            pending.answer = frame(block) + (pending.answer or b"")
        shared.tally.answer(pending.route.channel, code or "none", shared.clock() - pending.began)
        if verdict.fault is not None and outcome is not Outcome.FAILED:
            shared.report(outcome.value, self.peer.address, verdict.fault.text)
        pending.ready = True
        self._flush()

    def _flush(self) -> None:
        transport = self._transport
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
