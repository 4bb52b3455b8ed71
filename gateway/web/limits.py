"""What one HTTP listener lets its peers have: bytes, connections, time."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """`body`: bytes of one request; `window`: of all bodies under way. `connections`: open at a time. Seconds: `head`
    for a request's head, `body_seconds` for its body, `idle` between requests, `write` for a peer to take an answer.

    Each number bounds memory or waiting; none of them is a protocol's. Heads are held to 16 KiB, as by most servers.
    """

    body: int = 64 << 20
    window: int = 256 << 20
    connections: int = 512
    head: float = 10.0
    body_seconds: float = 120.0
    idle: float = 60.0
    write: float = 30.0
    head_bytes: int = 16 << 10
