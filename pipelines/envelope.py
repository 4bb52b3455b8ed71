"""Envelope: what intake hands to the journal (architecture: "The few values that travel").

An adapter's server knows bytes and transport facts; the gateway wraps them into this value. Everything that
is not deterministic enters the system here or in the journal, and nowhere later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

REPLY = "reply"  # fact of a message whose sender waits for an application acknowledgement over a connection
NO_FACTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Envelope:
    """One unit as received.

    `body` is never re-encoded; `control_id` is MSH-10 as raw bytes (empty: no dedupe); `received_at` is
    microseconds since 1970-01-01 UTC; `facts` are transport facts without patient data. With a `digest` the body is a
    blob that is durable already, of `size` bytes, and `body` is empty.
    """

    channel: str
    format: str
    body: bytes
    control_id: bytes = b""
    received_at: int = 0
    peer: str = ""
    facts: Mapping[str, str] = field(default_factory=lambda: NO_FACTS)
    kind: str = "message"
    digest: bytes = b""
    size: int = 0
