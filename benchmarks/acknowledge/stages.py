"""Durable acknowledgement with every stage running (`tabellion serve`), and what comes out at the other end.

First bursts of admissions and twelve-result reports at full speed: intake acknowledges faster than the stages behind
it settle, the backlog grows on disk and is worked off (memory doesn't grow with it: the writer reads a window). Then a
steady load of four fifths of what the last burst settled per second, under which the backlog must stay small.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.acknowledge.load import Load, drive
from benchmarks.acknowledge.servers import CERTIFICATE, Server, tabellion
from benchmarks.result import Row

__all__ = ["run"]

CONNECTIONS = (1, 8, 64)
AIMS = {1: 1500.0, 64: 10_000.0}
STEADY = 0.8  # of the rate that the last burst settled at
BACKLOG = 2.0  # seconds of that load, at most
_PATIENCE = 600.0  # seconds until we give up
_LOOK = 0.1  # seconds between looks at the backlog


@dataclass(frozen=True, slots=True)
class _Burst:
    load: Load
    records: int
    seconds: float  # from the first message sent until nothing is left to settle
    backlog: int  # at its highest
    share: float


def run(quick: bool, folder: Path) -> list[Row]:
    """Rows per number of connections, then end to end."""
    messages = {1: 200, 8: 500, 64: 1000} if quick else {1: 1000, 8: 2000, 64: 6000}
    place, secret = folder / "stages", folder / "stages-tls"
    place.mkdir()
    secret.mkdir()
    rows: list[Row] = []
    first = 1
    with tabellion(place) as server, tabellion(secret, tls=True) as secure:
        plain = _Stand(server, _Watch(place / "data"))
        tls = _Stand(secure, _Watch(secret / "data"), str(secret / CERTIFICATE))
        for stand in (plain, tls):  # every process is up and warm once these are settled
            drive(stand.server.address, 1, "mixed", first, messages=50, tls=stand.certificate)
            stand.watch.wait()
        first += 50
        for connections, count in messages.items():  # the other service has nothing to do meanwhile
            burst, other = (_burst(stand, connections, first, count) for stand in (plain, tls))
            first += burst.load.sent
            rows += _rows(connections, burst)
            rows.append(_secure(connections, other, burst))
        rate = STEADY * burst.load.sent / burst.seconds
        steady = _burst(plain, 8, first, round(rate * (5 if quick else 20)), rate)
        rows.append(_steady(rate, steady))
        for stand in (plain, tls):
            stand.watch.close()
    return rows


def _burst(stand: _Stand, connections: int, first: int, count: int, rate: float = 0) -> _Burst:
    server, watch = stand.server, stand.watch
    before, cpu, begun = watch.records(), server.cpu, time.perf_counter()
    most = 0
    with ThreadPoolExecutor(1) as beside:
        sending = beside.submit(
            drive, server.address, connections, "mixed", first, messages=count, rate=rate, tls=stand.certificate
        )
        while not sending.done():
            most = max(most, watch.backlog())
            time.sleep(_LOOK)
    watch.wait()
    seconds = time.perf_counter() - begun
    watch.check()
    return _Burst(sending.result(), watch.records() - before, seconds, most, (server.cpu - cpu) / seconds)


def _rows(connections: int, burst: _Burst) -> Iterator[Row]:
    load = burst.load
    name = f"{connections} conn, all stages"
    aim = AIMS.get(connections)
    if aim is not None:
        yield Row(
            f"durable ACK, {name}", load.rate, "ACK/s", "aim for intake alone", aim, load.rate / aim,
            size=load.size, share=burst.share, note=load.percentiles,
        )  # fmt: skip
    settled = load.sent / burst.seconds
    yield Row(
        f"end to end, {name}", burst.records / burst.seconds, "records/s", "messages/s", settled,
        burst.records / load.sent, size=load.size, share=burst.share,
        note=f"{load.sent} messages, backlog <= {burst.backlog}, then 0" + ("" if aim else f"; {load.percentiles}"),
    )  # fmt: skip


def _secure(connections: int, ours: _Burst, plain: _Burst) -> Row:
    """Over mutual TLS against without: the generator encrypts on the same cores."""
    return Row(
        f"durable ACK, {connections} conn, all stages, mutual TLS", ours.load.rate, "ACK/s", "the same without TLS",
        plain.load.rate, ours.load.rate / plain.load.rate,
        size=ours.load.size, share=ours.share, note=ours.load.percentiles,
    )  # fmt: skip


def _steady(rate: float, burst: _Burst) -> Row:
    load = burst.load
    return Row(
        f"backlog, {rate:.0f} messages/s, all stages", burst.backlog, "messages", "messages/s sent", load.rate,
        burst.backlog / load.rate, wanted=BACKLOG, most=True, size=load.size, share=burst.share, note=load.percentiles,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Stand:
    """A running service, and the file of its certificate if it speaks TLS."""

    server: Server
    watch: _Watch
    certificate: str = ""


class _Watch:
    """Looks at the data folder beside the service, as `tabellion status` does."""

    def __init__(self, data: Path) -> None:
        from pipelines.datafolder import open_folder

        folder = open_folder(data)
        self._journal, self._state = folder.journal_reader(), folder.state_reader()

    def records(self) -> int:
        """Record versions sealed so far."""
        return self._state.size()

    def check(self) -> None:
        """Fail if a message did: a rate of failures would be no rate."""
        failed = self._state.dead_letters()
        if failed:
            raise RuntimeError(f"a message was not settled: {failed[0].cause} {failed[0].place} {failed[0].text}")

    def backlog(self) -> int:
        """Messages kept but not yet settled."""
        return self._journal.last() - self._state.cursor()

    def wait(self) -> None:
        """Until nothing is left to settle."""
        until = time.monotonic() + _PATIENCE
        while self.backlog():
            if time.monotonic() > until:
                raise TimeoutError("the stages behind intake don't come to an end")
            time.sleep(_LOOK)

    def close(self) -> None:
        """Let go of the files."""
        self._journal.close()
        self._state.close()
