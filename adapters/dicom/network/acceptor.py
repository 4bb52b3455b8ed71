"""The upper layer's acceptor (PS3.8 section 9.2): whole PDUs in, actions out; no socket, no clock, no file.

| state | A-ASSOCIATE-RQ | P-DATA-TF | A-RELEASE-RQ | A-ABORT | others |
|---|---|---|---|---|---|
| awaiting | accept or reject | abort | abort | close | abort |
| open | abort | commands and fragments | release, close | close | abort |
| closed | – | – | – | – | – |

One C-STORE is under way at a time (asynchronous operations are never agreed to). Who drives the acceptor hands the
fragments of a data set on as they come, and answers a `Stored` by `answer(status)` once the instance is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from adapters.dicom.network import association as wire
from adapters.dicom.network.association import Association, Context, Refused
from adapters.dicom.network.command import C_CANCEL, C_ECHO, C_STORE, Command, parse, response
from adapters.dicom.network.errors import UNEXPECTED_PDU, UNEXPECTED_VALUE, UNRECOGNISED_PDU, Abort
from adapters.dicom.network.status import Status

__all__ = ["Acceptor", "Action", "Close", "Fragment", "Ready", "Send", "Store", "Stored"]

MAX_PDU = 131_072
ASSOCIATE_MAX = 1 << 20  # of an A-ASSOCIATE-RQ: 128 contexts with many syntaxes stay far below
COMMAND_MAX = 1 << 16
_COMMAND, _LAST = 1, 2


class _State(Enum):
    AWAITING = 1
    OPEN = 2
    CLOSED = 3


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the peer."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """The association is accepted."""

    association: Association


@dataclass(frozen=True, slots=True)
class Store:
    """A C-STORE begins: its fragments follow."""

    command: Command
    context: Context


@dataclass(frozen=True, slots=True)
class Fragment:
    """Bytes of the data set; valid until the next PDU is handed in."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class Stored:
    """The data set is whole; the peer waits for `answer`."""


@dataclass(frozen=True, slots=True)
class Close:
    """The association is over; `text` says why if it did not end in order."""

    text: str = ""


Action = Send | Ready | Store | Fragment | Stored | Close


class Acceptor:
    """One association. `admit` is asked once whether the peer may associate: a Refused, or None."""

    def __init__(self, admit: Callable[[Association], Refused | None], max_pdu: int = MAX_PDU) -> None:
        self._admit = admit
        self._max_pdu = max_pdu
        self._state = _State.AWAITING
        self._association: Association | None = None
        self._command = bytearray()
        self._command_context = 0
        self._current: tuple[Command, Context] | None = None  # whose data set is coming
        self._discarding = False

    @property
    def closed(self) -> bool:
        """Nothing comes any more."""
        return self._state is _State.CLOSED

    def limit(self, kind: int) -> int:
        """The longest PDU of a kind that we take. Raises Abort for a kind that there isn't."""
        if kind == 0x01:
            return ASSOCIATE_MAX
        if kind not in _KINDS:
            raise Abort(UNRECOGNISED_PDU, f"a PDU of unknown type {kind}")
        return self._max_pdu if kind == 0x04 else 1024

    def pdu(self, kind: int, body: memoryview) -> Iterator[Action]:
        """One PDU without its header. An Abort of the protocol is sent and closes; nothing is raised."""
        try:
            handler = _TABLE.get((self._state, kind))
            if handler is None:
                raise Abort(UNEXPECTED_PDU if kind in _KINDS else UNRECOGNISED_PDU, "a PDU that is not expected now")
            yield from handler(self, body)
        except Abort as error:
            yield from self.abort(error)

    def abort(self, error: Abort) -> Iterator[Action]:
        """End the association for a fault of the peer, or of ours."""
        if not self.closed:
            self._state = _State.CLOSED
            yield Send(wire.abort(error.reason))
            yield Close(str(error))

    def answer(self, status: int) -> bytes:
        """The response to the C-STORE whose data set is whole."""
        assert self._current is not None
        command, context = self._current
        self._current = None
        return self._message(context.number, response(command, status))

    # -- PDUs --------------------------------------------------------------------------------------------------

    def _associate(self, body: memoryview) -> Iterator[Action]:
        request = bytes(body)
        asked = wire.parse(request)
        refused = asked if isinstance(asked, Refused) else self._admit(asked)
        if refused is not None:
            self._state = _State.CLOSED
            yield Send(wire.reject(refused))
            yield Close(f"rejected: {refused.text}")
            return
        assert isinstance(asked, Association)
        self._association, self._state = asked, _State.OPEN
        yield Send(wire.accept(asked, request, self._max_pdu))
        yield Ready(asked)

    def _release(self, body: memoryview) -> Iterator[Action]:
        self._state = _State.CLOSED
        yield Send(b"\x06\0\0\0\0\x04\0\0\0\0")
        yield Close("" if self._current is None else "released in the middle of a data set")

    def _aborted(self, body: memoryview) -> Iterator[Action]:
        self._state = _State.CLOSED
        yield Close("aborted by the peer")

    def _data(self, body: memoryview) -> Iterator[Action]:
        """Presentation data values (PS3.8 section 9.3.5.1, annex E)."""
        at = 0
        while at < len(body):
            if at + 6 > len(body):
                raise Abort(UNEXPECTED_VALUE, "a presentation data value is cut off")
            (length,) = struct.unpack_from(">I", body, at)
            if length < 2 or at + 4 + length > len(body):
                raise Abort(UNEXPECTED_VALUE, "a presentation data value is longer than its PDU")
            context, flags = body[at + 4], body[at + 5]
            value = body[at + 6 : at + 4 + length]
            at += 4 + length
            if flags & _COMMAND:
                yield from self._command_part(context, value, bool(flags & _LAST))
            else:
                yield from self._data_part(context, value, bool(flags & _LAST))

    def _command_part(self, number: int, value: memoryview, last: bool) -> Iterator[Action]:
        if self._current is not None:
            raise Abort(UNEXPECTED_PDU, "a command in the middle of a data set")
        if self._command and number != self._command_context:
            raise Abort(UNEXPECTED_VALUE, "a command over several presentation contexts")
        self._command_context = number
        self._command += value
        if len(self._command) > COMMAND_MAX:
            raise Abort(UNEXPECTED_VALUE, "a command set that is too long")
        if last:
            body, self._command = bytes(self._command), bytearray()
            yield from self._request(parse(body), number)

    def _request(self, command: Command, number: int) -> Iterator[Action]:
        assert self._association is not None
        context = self._association.context(number)
        if context is None:
            raise Abort(UNEXPECTED_VALUE, "a presentation context that was not accepted")
        if command.field == C_STORE and command.has_data:
            self._current, self._discarding = (command, context), False
            yield Store(command, context)
        elif command.has_data:
            self._current, self._discarding = (command, context), True
        elif command.field == C_ECHO:
            yield Send(self._message(number, response(command, Status.SUCCESS)))
        elif command.field != C_CANCEL:
            yield Send(self._message(number, response(command, Status.UNRECOGNISED)))

    def _data_part(self, number: int, value: memoryview, last: bool) -> Iterator[Action]:
        if self._current is None or self._current[1].number != number:
            raise Abort(UNEXPECTED_PDU, "data without a command that has some")
        if self._discarding:
            if last:
                yield Send(self.answer(Status.UNRECOGNISED))
            return
        yield Fragment(value)
        if last:
            yield Stored()

    def _message(self, number: int, command: bytes) -> bytes:
        """A command set as one P-DATA-TF: ours have some 200 bytes, and no peer may ask for less than 1,024."""
        value = bytes([number, _COMMAND | _LAST]) + command
        return struct.pack(">BBI", 0x04, 0, len(value) + 4) + struct.pack(">I", len(value)) + value


_KINDS = frozenset(range(1, 8))
_TABLE: dict[tuple[_State, int], Callable[[Acceptor, memoryview], Iterator[Action]]] = {
    (_State.AWAITING, 0x01): Acceptor._associate,
    (_State.AWAITING, 0x07): Acceptor._aborted,
    (_State.OPEN, 0x04): Acceptor._data,
    (_State.OPEN, 0x05): Acceptor._release,
    (_State.OPEN, 0x07): Acceptor._aborted,
}
