"""What the load generator talks to, each in a process of its own on a free port of the loopback.

`ceiling`: frame, look at MSH, answer, keep nothing: no MLLP server in this language can be faster. `intake`: the
service's own listener and journal without the stages behind them; `intake-tls`: the same over mutual TLS. All run on
uvloop and end at SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.acknowledge.certificate import make
from benchmarks.measure import cpu_seconds

__all__ = ["CERTIFICATE", "Server", "serving", "tabellion"]

CERTIFICATE = "certificate.pem"  # in the folder of a server that speaks TLS, for its clients
_FREE = ("127.0.0.1", 0)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server process."""

    address: str
    pid: int

    @property
    def cpu(self) -> float:
        """CPU seconds of the process and its children since start."""
        return cpu_seconds(self.pid)


@contextmanager
def serving(name: str, folder: Path) -> Iterator[Server]:
    """One of this module's servers as a process."""
    with _process([sys.executable, "-m", "benchmarks.acknowledge.servers", name, str(folder)], folder) as server:
        yield server


@contextmanager
def tabellion(folder: Path, tls: bool = False) -> Iterator[Server]:
    """The whole service, as a user starts it; over mutual TLS if so wished, with the certificate in its folder."""
    words = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(folder / "data")]
    words += ["--mllp", "127.0.0.1:0", "--dicom", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    with _process(words, folder, _secure(folder) if tls else {}) as server:
        yield server


@contextmanager
def _process(words: list[str], folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **(environ or {})})
    assert process.stdout is not None
    with process:
        try:
            line = process.stdout.readline()
            if not line:
                raise ChildProcessError(f"{words[2]} ended at start: {(folder / 'log').read_text()[-500:]}")
            yield Server(json.loads(line)["mllp"], process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


class _Ceiling(asyncio.Protocol):
    """Frame, slice MSH for the answer's id, answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's are not subclasses
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        *blocks, self._buffer = data.split(b"\x1c\x0d")
        for block in blocks:
            header = block[1:].split(b"\r", 1)[0].split(b"|")
            answer = b"MSH|^~\\&|%b|%b|%b|%b|20260101000000+0000||ACK^A01^ACK|1|P|2.5.1\rMSA|AA|%b\r"
            filled = answer % (header[4], header[5], header[2], header[3], header[9])
            self._transport.write(b"\x0b" + filled + b"\x1c\x0d")


async def _ceiling(folder: Path) -> None:
    server = await asyncio.get_running_loop().create_server(_Ceiling, *_FREE)
    host, port = server.sockets[0].getsockname()[:2]
    await _until_told(f"{host}:{port}")


async def _intake(folder: Path) -> None:
    await _listen(folder, {})


async def _intake_tls(folder: Path) -> None:
    await _listen(folder, _secure(folder))


def _secure(folder: Path) -> dict[str, str]:
    """Settings for mutual TLS, with a certificate made for it."""
    file = folder / CERTIFICATE
    make(file)
    return {"TABELLION__MLLP__TLS_CERTIFICATE": str(file), "TABELLION__MLLP__TLS_CA": str(file)}


async def _listen(folder: Path, environ: dict[str, str]) -> None:
    from gateway.serving import Intake
    from pipelines.configuration import load
    from pipelines.datafolder import open_folder
    from pipelines.logs import Log
    from pipelines.metrics import Registry

    settings = load(None, environ)
    loop = asyncio.get_running_loop()
    journal = open_folder(folder / "data", create=True).journal(settings.journal(), notify=loop.call_soon_threadsafe)
    intake = Intake(journal, settings, Log(), Registry())
    (address,) = await intake.listen({"": _FREE})
    await _until_told(address)
    await intake.drain(5.0)
    journal.close()


async def _until_told(address: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(json.dumps({"mllp": address, "pid": os.getpid()}), flush=True)
    await stop.wait()


_SERVERS = {"ceiling": _ceiling, "intake": _intake, "intake-tls": _intake_tls}

if __name__ == "__main__":
    uvloop.run(_SERVERS[sys.argv[1]](Path(sys.argv[2])))
