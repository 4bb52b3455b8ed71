"""What a listener asks whoever stands behind it: who is it, which channel takes this, was it kept?

The answers to these are values, so that the protocol itself needs to know neither channels nor journals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from adapters.hl7v2.mllp.ack import Fault, Outcome
from adapters.hl7v2.mllp.peek import Peek

__all__ = ["KEPT", "UNAVAILABLE", "WAITING", "Gate", "Keep", "Origin", "Peer", "Route", "Verdict"]


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection. `names`: what its verified certificate says of it, as `sha256:…`, `dns:…`,
    `cn:…`, `uri:…`, `ip:…`, `email:…`, `subject:…`; empty without one."""

    address: str
    names: tuple[str, ...] = ()
    host: str = field(init=False)

    def __post_init__(self) -> None:
        host = self.address.rpartition(":")[0] or self.address
        object.__setattr__(self, "host", host.removeprefix("[").removesuffix("]"))


@dataclass(frozen=True, slots=True)
class Route:
    """The channel of a message ('': none takes it) and why it is not accepted, if it isn't. `outcome`: REFUSED where
    that is final, FAILED where it is we who can't take it now."""

    channel: str
    fault: Fault | None = None
    outcome: Outcome = Outcome.REFUSED


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a message. `expected`: MSA-4, where the sequence number protocol is used; `more`: faults beside
    the first."""

    outcome: Outcome
    fault: Fault | None = None
    expected: int | None = None
    error: str = ""  # class of our own error, for the log
    more: tuple[Fault, ...] = ()


KEPT = Verdict(Outcome.KEPT)
WAITING = Verdict(Outcome.WAITING)
UNAVAILABLE = Fault(
    "207", "Application internal error", None, "The receiver could not store the message. Send it again later."
)

Gate = Callable[[Peek, Peer], Route]
"""(header, peer) → its channel, and whether that accepts it."""


class Origin(Protocol):
    """The connection that a message came over: an application acknowledgement may go back over it."""

    @property
    def peer(self) -> Peer:
        """The other end."""

    @property
    def open(self) -> bool:
        """Whether it can still be sent over."""

    def offer(self, body: bytes, control_id: bytes, wait: bool, done: Callable[[str | None], None]) -> None:
        """Send a message of ours; `done` hears MSA-1 of its answer (`wait` False: `CA` once it is written), or None
        if the connection ended before."""


class Keep(Protocol):
    """Makes a message durable, then calls `done` on the event loop. With a verdict WAITING `done` is called again:
    the message is durable, but what its sender hears depends on what becomes of it."""

    def __call__(
        self, body: bytes, header: Peek, route: Route, origin: Origin, done: Callable[[Verdict], None]
    ) -> None: ...
