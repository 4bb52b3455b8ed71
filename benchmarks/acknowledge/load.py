"""The load generator: lean MLLP clients, each with one message on its way at a time, in a process of their own.

`python -m benchmarks.acknowledge.load HOST:PORT --connections N (--seconds S | --messages M) --kind KIND [--rate R]`
prints one line of JSON. Without a rate the clients send as fast as they are answered. Each message has a control id of
its own; every answer must accept exactly that id, or the run fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from array import array
from dataclasses import asdict, dataclass
from functools import partial
from typing import cast

import uvloop

from adapters.hl7v2.mllp import TlsFiles, client_context
from benchmarks.measure import percentile
from benchmarks.messages import generate

__all__ = ["Load", "drive"]

_POOL = 2048  # distinct messages of a timed run; if it needs more it goes round, with new control ids
_MOST = 32_768  # distinct messages of a run of so many
_WARM_UP = 0.3  # seconds at the start that don't count


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients saw. `messages` and `seconds` are those counted; percentiles in milliseconds."""

    connections: int
    messages: int
    sent: int
    seconds: float
    size: float
    p50: float
    p95: float
    p99: float
    cpu: float

    @property
    def rate(self) -> float:
        """Acknowledged messages per second."""
        return self.messages / self.seconds

    @property
    def percentiles(self) -> str:
        """For a table's note."""
        return f"p50/p95/p99 {self.p50:.2f}/{self.p95:.2f}/{self.p99:.2f} ms"


def drive(
    address: str,
    connections: int,
    kind: str,
    first: int,
    seconds: float = 0,
    messages: int = 0,
    rate: float = 0,
    tls: str = "",
) -> Load:
    """Run the generator as a process and wait for it. Control ids count up from `first`: keep them apart. `tls`: file
    of the certificate that both ends show and trust.
    """
    words = [sys.executable, "-m", "benchmarks.acknowledge.load", address, "--kind", kind, "--first", str(first)]
    words += ["--connections", str(connections), "--seconds", str(seconds), "--messages", str(messages)]
    words += ["--rate", str(rate), "--tls", tls]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    return Load(**json.loads(done.stdout))


class _Supply:
    """Frames to send, cut once around their control ids; the clock of the run."""

    def __init__(self, kind: str, first: int, seconds: float, messages: int, rate: float) -> None:
        pool = generate(kind, min(messages, _MOST) or _POOL, seed=first, first=first)
        self.size = sum(map(len, pool)) / len(pool)
        self._parts = [_cut(body) for body in pool]
        self._first = first
        self._seconds = seconds
        self._most = messages or sys.maxsize
        self._pause = 1 / rate if rate else 0.0
        self.sent = 0
        self.begun = time.perf_counter()
        self.counts_from = self.begun + (0 if messages else _WARM_UP)
        self.until = self.counts_from + seconds if seconds else float("inf")
        self.spans = array("d")
        self.last = self.begun

    def early(self) -> float:
        """Seconds until the next message is due."""
        return self.begun + self.sent * self._pause - time.perf_counter() if self._pause else 0.0

    def next(self) -> tuple[bytes, bytes] | None:
        """A frame and its control id, or None: enough."""
        if self.sent >= self._most or time.perf_counter() >= self.until:
            return None
        name = b"B%09d" % (self._first + self.sent)
        before, after = self._parts[self.sent % len(self._parts)]
        self.sent += 1
        return before + name + after, name

    def answered(self, begun: float) -> None:
        """An acknowledgement came for what was sent at `begun`."""
        now = time.perf_counter()
        if self.counts_from <= begun and now <= self.until:
            self.spans.append(now - begun)
            self.last = now


def _cut(body: bytes) -> tuple[bytes, bytes]:
    fields = body.split(b"|", 10)
    before, after = b"|".join(fields[:9]) + b"|", b"|" + fields[10]
    return b"\x0b" + before, after + b"\x1c\x0d"


class _Client(asyncio.Protocol):
    """One connection: send, wait for the answer, send the next."""

    def __init__(self, supply: _Supply, done: asyncio.Future[None]) -> None:
        self._supply = supply
        self._done = done
        self._answer = b""
        self._wanted = b""
        self._begun = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's are not subclasses
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        early = self._supply.early()
        if early > 0:
            asyncio.get_running_loop().call_later(early, self._send)
            return
        following = self._supply.next()
        if following is None:
            self._done.set_result(None)
            self._transport.close()
            return
        data, name = following
        self._wanted = b"MSA|AA|" + name + b"\r"
        self._begun = time.perf_counter()
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self._answer:
            data = self._answer + data
        if data[-2:] != b"\x1c\r":
            self._answer = data
            return
        self._answer = b""
        if self._wanted not in data:
            self._done.set_exception(ConnectionError("a message was not accepted"))
            return
        self._supply.answered(self._begun)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed the connection"))


async def _load(address: str, connections: int, supply: _Supply, tls: str) -> None:
    context = client_context(TlsFiles(tls, ca=tls)) if tls else None
    loop = asyncio.get_running_loop()
    host, port = address.rsplit(":", 1)
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(connections)]
    clients = [partial(_Client, supply, end) for end in ends]
    await asyncio.gather(*(loop.create_connection(each, host, int(port), ssl=context) for each in clients))
    await asyncio.gather(*ends)


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.acknowledge.load")
    parser.add_argument("address")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--messages", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", default="large")
    parser.add_argument("--tls", default="")
    args = parser.parse_args()
    supply = _Supply(args.kind, args.first, args.seconds, args.messages, args.rate)
    cpu = time.process_time()
    uvloop.run(_load(args.address, args.connections, supply, args.tls))
    spans = sorted(span * 1000 for span in supply.spans)
    found = Load(
        connections=args.connections,
        messages=len(spans),
        sent=supply.sent,
        seconds=supply.last - supply.counts_from,
        size=supply.size,
        p50=percentile(spans, 0.5),
        p95=percentile(spans, 0.95),
        p99=percentile(spans, 0.99),
        cpu=time.process_time() - cpu,
    )
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
