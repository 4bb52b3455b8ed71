"""A listener on a free port with a keeper in place of the journal, and people who send to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from adapters.hl7v2.mllp import (
    KEPT,
    UNAVAILABLE,
    Answer,
    Budget,
    Fault,
    Gate,
    Limits,
    MllpServer,
    Origin,
    Outcome,
    Outgoing,
    Peek,
    Peer,
    Route,
    Verdict,
    send_all,
    serve_mllp,
)

MESSAGE = b"MSH|^~\\&|A|B|C|D|20260102||ADT^A01|%d|%s|2.5.1|||%s\rPID|1"
Done = Callable[[Verdict], None]


class Keeper:
    """Keeps bodies in a list and calls back when told to, on the loop, as the journal does."""

    def __init__(self, fail: bool = False, hold: bool = False) -> None:
        self.bodies: list[bytes] = []
        self.waiting: list[Done] = []
        self.origins: list[Origin] = []
        self.fail = fail
        self.hold = hold

    def __call__(self, body: bytes, header: Peek, route: Route, origin: Origin, done: Done) -> None:
        self.bodies.append(body)
        self.origins.append(origin)
        if self.hold:
            self.waiting.append(done)
        else:
            verdict = Verdict(Outcome.FAILED, UNAVAILABLE, error="OSError") if self.fail else KEPT
            asyncio.get_running_loop().call_soon(done, verdict)


def production_only(header: Peek, peer: Peer) -> Route:
    """A gate as a channel has it."""
    fault = None if header.text(11) == "P" else Fault("202", "Unsupported processing id", 11, "only P here")
    return Route("test", fault)


@asynccontextmanager
async def listening(
    keeper: Keeper,
    *,
    message_bytes: int = 1 << 20,
    window_bytes: int = 1 << 20,
    limits: Limits | None = None,
    budget: Budget | None = None,
    gate: Gate = production_only,
    tls: ssl.SSLContext | None = None,
    release: int = 1,
    reports: list[tuple[str, str, str]] | None = None,
) -> AsyncIterator[tuple[MllpServer, str, int]]:
    """A listener on a free port."""
    heard = [] if reports is None else reports
    wanted = limits or Limits(message_bytes=message_bytes, window_bytes=window_bytes)
    server = await serve_mllp(
        "127.0.0.1", 0, keeper, gate, lambda: "20260102", lambda *row: heard.append(row), wanted, budget, tls, release
    )
    host, port = server.address.rsplit(":", 1)
    try:
        yield server, host, int(port)
    finally:
        await server.drain(1)


async def sent(host: str, port: int, *bodies: bytes, connections: int = 1) -> list[Answer]:
    """Send and gather."""
    messages = [Outgoing("test", index, body) for index, body in enumerate(bodies)]
    return [answer async for answer in send_all(host, port, messages, connections, timeout=5)]
