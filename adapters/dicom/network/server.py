"""The storage server over sockets: one thread per association, one buffer per thread, no copy of a data set's bytes.

TCP_NODELAY and, on Linux, TCP_QUICKACK after each read: a sender that leaves Nagle's algorithm on waits for our
acknowledgement before its last segment, and modalities can't be tuned.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from adapters.dicom.network.acceptor import MAX_PDU, Acceptor, Action, Close, Fragment, Ready, Send, Store, Stored
from adapters.dicom.network.association import TOO_MANY, Association, Refused
from adapters.dicom.network.command import is_uid
from adapters.dicom.network.errors import NOT_SPECIFIED, UNEXPECTED_VALUE, Abort
from adapters.dicom.network.status import Status

__all__ = ["Door", "ServerLimits", "Sink", "StorageServer"]

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
_TICK = 0.5  # seconds between looks at whether to stop


class Sink(Protocol):
    """Where one instance goes."""

    def write(self, data: memoryview) -> None:
        """The next bytes of its data set, as they came. Raises OSError."""

    def keep(self) -> Status:
        """All bytes are there: make them durable; SUCCESS only when they are."""

    def drop(self) -> None:
        """It will never be whole."""


@dataclass(frozen=True, slots=True)
class Door:
    """Who may come in, and what becomes of what they bring.

    `admit(association, peer)` gives the reason against it or None; `open(store, association, peer)` gives the sink of
    one instance. Both are called on the association's thread.
    """

    admit: Callable[[Association, str], Refused | None]
    open: Callable[[Store, Association, str], Sink]


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """`idle`: seconds without a byte before an association ends; `instance`: bytes of one data set."""

    associations: int = 32
    instance: int = 4 << 30
    idle: float = 60.0
    first: float = 30.0  # seconds until A-ASSOCIATE-RQ (ARTIM)


class StorageServer:
    """Serves a bound, listening socket until stopped."""

    def __init__(
        self,
        listener: socket.socket,
        door: Door,
        limits: ServerLimits,
        report: Callable[[str, str, str], None] = lambda kind, peer, text: None,
    ) -> None:
        self._listener = listener
        self._door = door
        self._limits = limits
        self._report = report  # (kind, peer, text without values)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._stopping = threading.Event()
        self.counts: Counter[str] = Counter()

    def serve(self, stopped: Callable[[], bool]) -> None:
        """Accept until `stopped()`; it is asked twice a second."""
        self._listener.settimeout(_TICK)
        while not stopped():
            try:
                connection, address = self._listener.accept()
            except TimeoutError:
                continue
            except OSError as error:
                self._report("accept", "", error.strerror or type(error).__name__)
                time.sleep(_TICK)
                continue
            peer = f"{address[0]}:{address[1]}"
            thread = threading.Thread(target=self._run, args=(connection, peer), name="dicom-association", daemon=True)
            with self._lock:
                self._open[connection] = thread
            thread.start()

    def drain(self, seconds: float) -> None:
        """No new instances: associations end after the one under way; those that don't within the time are cut."""
        self._stopping.set()
        until = time.monotonic() + seconds
        for connection, thread in list(self._open.items()):
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                thread.join(5)

    @property
    def associations(self) -> int:
        """Open now."""
        return len(self._open)

    def _run(self, connection: socket.socket, peer: str) -> None:
        try:
            with connection:
                _Line(self, connection, peer).run()
        except OSError as error:
            self._report("connection", peer, error.strerror or type(error).__name__)
        finally:
            with self._lock:
                self._open.pop(connection, None)

    def full(self) -> bool:
        """One more than allowed is open (the one that asks is counted)."""
        return len(self._open) > self._limits.associations


class _Line:
    """One connection: reads PDUs, drives the acceptor, feeds the sink."""

    def __init__(self, server: StorageServer, connection: socket.socket, peer: str) -> None:
        self._server = server
        self._connection = connection
        self._peer = peer
        self._limits = server._limits
        self._acceptor = Acceptor(self._admit)
        self._association: Association | None = None
        self._sink: Sink | None = None
        self._status = Status.SUCCESS  # what the instance under way will be answered with, whatever comes
        self._size = 0
        self._buffer = bytearray(MAX_PDU)

    def run(self) -> None:
        connection = self._connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self._limits.first)
        try:
            while not self._acceptor.closed:
                if self._sink is None and self._server._stopping.is_set():
                    self._perform(self._acceptor.abort(Abort(NOT_SPECIFIED, "the service stops")))
                    break
                if not self._next():
                    break
        except TimeoutError:
            self._perform(self._acceptor.abort(Abort(NOT_SPECIFIED, "nothing came for too long")))
        finally:
            self._drop()

    def _next(self) -> bool:
        """One PDU; False: the peer is gone, or was told to go."""
        header = bytearray(6)
        if not self._fill(memoryview(header), at_rest=self._sink is None):
            return False
        kind, length = header[0], struct.unpack_from(">I", header, 2)[0]
        try:
            if length > self._acceptor.limit(kind):
                raise Abort(UNEXPECTED_VALUE, "a PDU longer than was agreed")
        except Abort as error:
            self._perform(self._acceptor.abort(error))
            return False
        if length > len(self._buffer):
            self._buffer = bytearray(length)
        body = memoryview(self._buffer)[:length]
        if not self._fill(body):
            return False
        self._perform(self._acceptor.pdu(kind, body))
        return True

    def _fill(self, view: memoryview, at_rest: bool = False) -> bool:
        """Read until the view is full. `at_rest`: between PDUs, where a stop is heard."""
        got = 0
        waited = 0.0
        while got < len(view):
            try:
                if at_rest and not got and self._association is not None:
                    self._connection.settimeout(_TICK)
                size = self._connection.recv_into(view[got:])
            except TimeoutError:
                waited += _TICK
                if at_rest and not got and waited < self._limits.idle and self._association is not None:
                    if self._server._stopping.is_set():
                        self._perform(self._acceptor.abort(Abort(NOT_SPECIFIED, "the service stops")))
                        return False
                    continue
                raise
            if at_rest and not got and self._association is not None:
                self._connection.settimeout(self._limits.idle)
            if not size:
                if got or not at_rest:
                    self._server._report("connection", self._peer, "the peer is gone in the middle of a message")
                return False
            got += size
            if _QUICKACK is not None:
                self._connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return True

    # -- actions -----------------------------------------------------------------------------------------------

    def _perform(self, actions: object) -> None:
        for action in actions:  # type: ignore[attr-defined]  # an iterator of Action
            self._one(action)

    def _one(self, action: Action) -> None:
        if isinstance(action, Fragment):
            self._write(action.data)
        elif isinstance(action, Send):
            self._connection.sendall(action.data)
        elif isinstance(action, Store):
            self._begin(action)
        elif isinstance(action, Stored):
            self._connection.sendall(self._acceptor.answer(self._keep()))
        elif isinstance(action, Ready):
            self._association = action.association
            self._connection.settimeout(self._limits.idle)
        elif isinstance(action, Close) and action.text:
            self._server._report("association", self._peer, action.text)

    def _admit(self, association: Association) -> Refused | None:
        return TOO_MANY if self._server.full() else self._server._door.admit(association, self._peer)

    def _begin(self, store: Store) -> None:
        self._status, self._size = Status.SUCCESS, 0
        if not is_uid(store.command.sop_instance):
            self._status = Status.INVALID_INSTANCE
            return
        assert self._association is not None
        try:
            self._sink = self._server._door.open(store, self._association, self._peer)
        except OSError as error:
            self._fail(error.strerror or type(error).__name__)

    def _write(self, data: memoryview) -> None:
        self._size += len(data)
        if self._sink is None:
            return
        if self._size > self._limits.instance:
            self._fail("an instance is larger than the limit")
            return
        try:
            self._sink.write(data)
        except OSError as error:
            self._fail(error.strerror or type(error).__name__)

    def _fail(self, text: str) -> None:
        """The instance can't be kept: its rest is read and forgotten, and the sender hears of it."""
        self._server._report("store", self._peer, text)
        self._status = Status.OUT_OF_RESOURCES
        self._drop()

    def _keep(self) -> Status:
        status = self._status
        if self._sink is not None:
            sink, self._sink = self._sink, None
            status = sink.keep()
        self._server.counts[status.name.lower()] += 1
        return status

    def _drop(self) -> None:
        if self._sink is not None:
            sink, self._sink = self._sink, None
            sink.drop()
