"""`tabellion channels`: the socket in the data folder over which a running service is spoken to, mode 0600.

One line of JSON in, one out: {"do": "stop", "channel": "lab"} → {"channels": [...]} or {"error": "..."}.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["Answerer", "ask", "listen"]

Answerer = Callable[[str, str], Awaitable[dict[str, Any]]]
"""(what to do, channel or '') → the answer."""

_LINE = 1 << 16
_SECONDS = 10.0


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of the socket that fits the 108 bytes which the kernel gives it, however deep the folder lies."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        links = Path(f"/proc/self/fd/{folder}")
        yield str((links if links.exists() else path.parent) / path.name)
    finally:
        os.close(folder)


async def listen(path: Path, answer: Answerer) -> asyncio.Server:
    """Answer until the server is closed. The folder's lock is held, so that an old socket there is nobody's."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError, ConnectionError, ValueError):
            line = await asyncio.wait_for(reader.readline(), _SECONDS)
            writer.write(json.dumps(await _answer(answer, line)).encode() + b"\n")
            await writer.drain()
        writer.close()

    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # 0600 from the start: whoever may write to it may stop channels
    try:
        with _short(path) as name:
            sock.bind(name)
    finally:
        os.umask(before)
    return await asyncio.start_unix_server(talk, sock=sock, limit=_LINE)


async def _answer(answer: Answerer, line: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(line)
        do, channel = asked["do"], asked.get("channel", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"error": "not understood"}
    return await answer(str(do), str(channel))


def ask(path: Path, do: str, channel: str, seconds: float) -> dict[str, Any]:
    """The answer of the running service. Raises OSError: there is none, or it does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(seconds)
        with _short(path) as name:
            sock.connect(name)
        sock.sendall(json.dumps({"do": do, "channel": channel}).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            piece = sock.recv(_LINE)
            if not piece:
                raise ConnectionError("the service closed the connection without an answer")
            data += piece
    found = json.loads(data)
    return found if isinstance(found, dict) else {}
