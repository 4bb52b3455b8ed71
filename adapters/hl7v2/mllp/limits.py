"""Limits of a listener, and the memory that all listeners share (facts: a slow or greedy peer starves nobody)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Budget", "Limits"]

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, seconds and counts; 0 seconds = no limit."""

    message_bytes: int = 64 * _MIB
    window_bytes: int = 16 * _MIB  # received and not yet kept, per connection
    frame_seconds: float = 120.0  # from the first byte of a block to its last
    idle_seconds: float = 0.0  # without a byte from the peer
    answer_seconds: float = 30.0  # that answers may wait for the peer to read them
    silent_seconds: float = 120.0  # until a peer that TCP hears nothing of is taken for gone
    handshake_seconds: float = 10.0
    connections: int = 1024
    connections_per_peer: int = 256

    @property
    def shortest(self) -> float:
        """The shortest of the times: how often somebody has to look follows from it."""
        return min((time for time in (self.frame_seconds, self.idle_seconds, self.answer_seconds) if time), default=4.0)


class Holder(Protocol):
    """A connection, as the budget sees it."""

    @property
    def unfinished(self) -> int:
        """Bytes of a block that has begun."""

    def hold(self) -> None:
        """Read no more for now."""

    def go_on(self) -> None:
        """Read on."""

    def shed(self) -> None:
        """Give the memory back by ending the connection."""


class Budget:
    """Bytes that all connections of a service hold together.

    Messages on their way to the journal: above the limit nobody is read from, until half of them are kept. Blocks that
    have begun: above the limit the connection with the largest one is ended, for waiting would help no one; its sender
    has no answer and sends again. So the memory is bounded by twice the limit.
    """

    def __init__(self, limit: int = 256 * _MIB) -> None:
        self._limit = limit
        self.under_way = 0
        self.unfinished = 0
        self._holders: set[Holder] = set()
        self._waiting: set[Holder] = set()

    @property
    def full(self) -> bool:
        """Too much is on its way to the journal."""
        return self.under_way > self._limit

    def wait(self, holder: Holder) -> None:
        """Hold a connection until there is room again."""
        self._waiting.add(holder)
        holder.hold()

    def done(self, size: int) -> None:
        """So many bytes have reached the journal, or failed to."""
        self.under_way -= size
        if self._waiting and self.under_way <= self._limit // 2:
            waiting, self._waiting = self._waiting, set()
            for holder in waiting:
                holder.go_on()

    def begun(self, holder: Holder, change: int) -> None:
        """A connection's unfinished block grew or shrank by so much."""
        self.unfinished += change
        if holder.unfinished:
            self._holders.add(holder)
        else:
            self._holders.discard(holder)
        if change > 0 and self.unfinished > self._limit:
            max(self._holders, key=lambda held: held.unfinished).shed()

    def leave(self, holder: Holder) -> None:
        """A connection has ended."""
        self._waiting.discard(holder)
        self._holders.discard(holder)
