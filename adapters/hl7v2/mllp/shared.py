"""What the connections of one listener have in common, and who of them may be there.

A socket takes a place from the moment it is accepted. Where there is none left, the TLS handshake that has been open
longest gives way to the newcomer: a proper one takes some milliseconds, so a crowd that never ends its handshakes keeps
nobody out. Who is through with it keeps its place.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.hl7v2.mllp.door import Gate, Keep, Peer
from adapters.hl7v2.mllp.limits import Budget, Limits
from adapters.hl7v2.mllp.tally import Tally
from adapters.hl7v2.mllp.tls import names_of

if TYPE_CHECKING:
    from adapters.hl7v2.mllp.connection import Connection
    from adapters.hl7v2.mllp.handshake import Handshake

__all__ = ["Shared", "peer_of", "probe"]


@dataclass(slots=True)
class Shared:
    """One listener's."""

    keep: Keep
    gate: Gate
    now: Callable[[], str]
    report: Callable[[str, str, str], None]
    limits: Limits
    budget: Budget
    clock: Callable[[], float]
    release: int = 1
    tally: Tally = field(default_factory=Tally)
    connections: set[Connection] = field(default_factory=set)
    handshakes: dict[Handshake, None] = field(default_factory=dict)  # the oldest first
    hosts: Counter[str] = field(default_factory=Counter)
    # our MSH-10: no number twice, over restarts too, as long as we don't answer more than one message per microsecond
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(time.time_ns() // 1000))

    def note(self, kind: str, peer: Peer, text: str) -> None:
        """Count it, and say it."""
        self.tally.events[kind] += 1
        self.report(kind, peer.address, text)

    def admit(self, peer: Peer) -> bool:
        """Whether there is a place for one more socket of this peer, if need be that of a handshake."""
        limits = self.limits
        refused = ""
        if self.hosts[peer.host] >= limits.connections_per_peer and not self._shed(peer.host):
            refused = "this address has as many connections as one may have"
        elif len(self.connections) + len(self.handshakes) >= limits.connections and not self._shed(None):
            refused = "the listener has as many connections as it may have"
        if refused:
            self.tally.events["connections-refused"] += 1
            self.report("connection-refused", peer.address, refused)
        return not refused

    def _shed(self, host: str | None) -> bool:
        oldest = next((each for each in self.handshakes if host is None or each.peer.host == host), None)
        if oldest is None:
            return False
        self.finish(oldest)
        oldest.abort()
        self.note("tls-shed", oldest.peer, "its TLS handshake was not done, and its place was needed")
        return True

    def begin(self, handshake: Handshake) -> None:
        """It takes a place."""
        self.handshakes[handshake] = None
        self.hosts[handshake.peer.host] += 1

    def open(self, connection: Connection) -> None:
        """It takes a place."""
        self.connections.add(connection)
        self.hosts[connection.peer.host] += 1

    def finish(self, handshake: Handshake) -> None:
        """It gives its place back, if it has one."""
        if handshake in self.handshakes:
            del self.handshakes[handshake]
            self._free(handshake.peer.host)

    def close(self, connection: Connection) -> None:
        """It gives its place back."""
        self.connections.discard(connection)
        self._free(connection.peer.host)

    def _free(self, host: str) -> None:
        self.hosts[host] -= 1
        if not self.hosts[host]:
            del self.hosts[host]


def peer_of(transport: asyncio.BaseTransport) -> Peer:
    """Who is at the other end, as far as its socket and its certificate say."""
    address = transport.get_extra_info("peername")
    return Peer(f"{address[0]}:{address[1]}" if address else "local", names_of(transport))


_LONGEST, _LONGEST_MS = 32_767, 2**31 - 1  # what Linux takes for the times of its probes, and for its own


def probe(sock: socket.socket | None, seconds: float) -> None:
    """Let TCP find out that a peer is gone without a word (half-open), about so many seconds after it was last heard:
    by its probes while nothing is under way, by what it has not acknowledged else; 0 = as the system does."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6) or not seconds:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    whole = min(max(1, round(seconds / 2)), _LONGEST), min(max(1, round(seconds / 8)), _LONGEST), 4
    # without the last one bytes that were sent are repeated for a quarter of an hour, and nothing is probed meanwhile
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    for name, value in zip(names, (*whole, min(round(seconds * 1000), _LONGEST_MS)), strict=True):
        if hasattr(socket, name):  # Linux
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
