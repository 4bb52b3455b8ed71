"""A system that application acknowledgements are sent to: a listener on a port that stays, with a fsynced list."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from adapters.hl7v2.mllp import (
    KEPT,
    UNAVAILABLE,
    MllpServer,
    Origin,
    Outcome,
    Peek,
    Route,
    Verdict,
    acknowledged,
    serve_mllp,
)


class Receiver:
    """`received`: (MSA-2, MSH-10) of each, in order. `refuse`: so many are answered as our failure first."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.received: list[tuple[bytes, bytes]] = []
        self.refuse = 0
        self._server: MllpServer | None = None

    async def listen(self, tls: ssl.SSLContext | None = None) -> None:
        """Begin to answer."""
        gate = Route("test")
        self._server = await serve_mllp(
            "127.0.0.1", self.port, self._keep, lambda *_: gate, lambda: "20260101", lambda *_: None, tls=tls
        )

    def _keep(self, body: bytes, header: Peek, route: Route, origin: Origin, done: Callable[[Verdict], None]) -> None:
        about = acknowledged(body)[1]
        self.received.append((about, header.control_id))
        if self.refuse:
            self.refuse -= 1
            verdict = Verdict(Outcome.FAILED, UNAVAILABLE)
        else:
            os.write(self._file, about + b" " + header.control_id + b"\n")
            os.fsync(self._file)
            verdict = KEPT
        asyncio.get_running_loop().call_soon(done, verdict)

    async def close(self) -> None:
        """Stop answering."""
        if self._server is not None:
            await self._server.drain(1)
            self._server = None

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
