"""MLLP framing, without input or output (HL7 Transport Specification: MLLP, releases 1 and 2).

A block is ``<VT> data <FS><CR>``. Bytes go in as they come off the wire, events come out. Leniencies, each because
real senders need it:

* data holds no FS (the standard forbids control characters but CR), so FS alone ends a block, wherever the reads
  are split; a CR or LF after it, or none, is the same to us;
* bytes between blocks are reported as `Junk` and skipped, but for CR and LF, which are silent;
* a VT inside a block is data, unless it opens another message (``<VT>MSH``): then the first block lost its end,
  and is reported as `Truncated`;
* a block over the limit is skipped to its end without being held, and reported once as `Oversize` with its head.

Release 2 frames in the same way and adds the commit acknowledgement, a block of one byte: ACK or NAK.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

__all__ = [
    "CARRIAGE_RETURN",
    "COMMITTED",
    "END_BLOCK",
    "NOT_COMMITTED",
    "START_BLOCK",
    "Event",
    "Frame",
    "Framer",
    "Junk",
    "Oversize",
    "Truncated",
    "frame",
]

START_BLOCK = b"\x0b"
END_BLOCK = b"\x1c"
CARRIAGE_RETURN = b"\r"
COMMITTED = b"\x06"  # release 2: what the block held is safe with the receiver
NOT_COMMITTED = b"\x15"  # release 2: it is not, send it again
_BETWEEN = b"\r\n"
_RESTART = b"\x0bMSH"
_HEAD = 4096  # bytes of an over-size block that are kept, enough to answer its MSH


@dataclass(frozen=True, slots=True)
class Frame:
    """The data of one whole block, without its VT and FS."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Junk:
    """Bytes that stood outside any block; only their count is kept."""

    size: int


@dataclass(frozen=True, slots=True)
class Truncated:
    """A block that another one interrupted; only its size is kept, for it may hold patient data."""

    size: int


@dataclass(frozen=True, slots=True)
class Oversize:
    """A block longer than the limit: its first bytes, so that its MSH can be answered."""

    head: bytes


Event = Frame | Junk | Truncated | Oversize


def frame(data: bytes) -> bytes:
    """Wrap the bytes of one message into an MLLP block."""
    return START_BLOCK + data + END_BLOCK + CARRIAGE_RETURN


class Framer:
    """The state of one connection's byte stream. `limit` is the largest block in bytes."""

    __slots__ = ("_buffer", "_inside", "_limit", "_scanned", "_skipping")

    def __init__(self, limit: int = 64 * 1024 * 1024) -> None:
        self._buffer = bytearray()
        self._inside = False
        self._skipping = False
        self._scanned = 0
        self._limit = limit

    @property
    def pending(self) -> int:
        """Bytes of a block that has begun and not yet ended."""
        return len(self._buffer)

    @property
    def inside(self) -> bool:
        """A block has begun and not yet ended."""
        return self._inside

    def receive(self, data: bytes) -> Iterator[Event]:
        """Take bytes off the wire; give the events that they complete."""
        if not self._inside and not self._buffer and data[:1] == START_BLOCK:
            # the common case, measured first: exactly one whole block in one read
            end = data.find(END_BLOCK)
            if end == len(data) - 2 and data[-1:] == CARRIAGE_RETURN and end - 1 <= self._limit:
                body = data[1:end]
                if START_BLOCK not in body:  # one byte is found ten times faster than the four of _RESTART
                    yield Frame(body)
                    return
        self._buffer += data
        while True:
            if self._inside:
                done = yield from self._within()
            else:
                done = yield from self._between()
            if done:
                return

    def close(self) -> Event | None:
        """The connection ended: what is left of an unfinished block, if any."""
        size = len(self._buffer)
        self._buffer.clear()
        return Truncated(size) if self._inside and size else None

    def _between(self) -> Generator[Event, None, bool]:
        start = self._buffer.find(START_BLOCK)
        outside = self._buffer if start < 0 else self._buffer[:start]
        junk = len(bytes(outside).strip(_BETWEEN))
        if junk:
            yield Junk(junk)
        if start < 0:
            self._buffer.clear()
            return True
        del self._buffer[: start + 1]
        self._inside, self._scanned = True, 0
        return False

    def _within(self) -> Generator[Event, None, bool]:
        end = self._buffer.find(END_BLOCK, self._scanned)
        if end < 0:
            yield from self._unfinished()
            return True
        body = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._inside, self._scanned = False, 0
        if self._skipping:
            self._skipping = False
            return False
        while (again := body.find(_RESTART)) >= 0:
            yield Truncated(again)
            body = body[again + 1 :]
        yield Oversize(body[:_HEAD]) if len(body) > self._limit else Frame(body)
        return False

    def _unfinished(self) -> Iterator[Event]:
        if self._skipping:
            self._buffer.clear()
            self._scanned = 0
        elif len(self._buffer) > self._limit:
            yield Oversize(bytes(self._buffer[:_HEAD]))
            self._buffer.clear()
            self._skipping, self._scanned = True, 0
        else:
            self._scanned = len(self._buffer)
