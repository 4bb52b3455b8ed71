"""Durable acknowledgement by intake alone: the listener and the journal, nothing behind them; plain and over TLS.

Beside it in the same run: what a server gives that keeps nothing, and what SQLite gives without a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.acknowledge.inserts import insert_rate
from benchmarks.acknowledge.load import Load, drive
from benchmarks.acknowledge.servers import CERTIFICATE, serving
from benchmarks.messages import generate
from benchmarks.result import Row

__all__ = ["run"]

CONNECTIONS = (1, 8, 64)
AIMS = {1: 1500.0, 64: 10_000.0}
LIMIT = 20.0  # milliseconds that 99 of 100 acknowledgements take at most
_GROUP = 64
_UNIT = "ACK/s"


def run(quick: bool, folder: Path) -> list[Row]:
    """Rows per number of connections."""
    seconds, rounds = (1.0, 1) if quick else (2.5, 3)
    bodies = generate("large", 1024, seed=1)
    places = {name: folder / name for name in ("ceiling", "intake", "intake-tls", "inserts")}
    for place in places.values():
        place.mkdir()
    loads: dict[tuple[str, int], list[tuple[Load, float]]] = {}
    inserts: list[float] = []
    first = 1
    with (
        serving("ceiling", places["ceiling"]) as ceiling,
        serving("intake", places["intake"]) as intake,
        serving("intake-tls", places["intake-tls"]) as secure,
    ):
        for number in range(rounds):  # interleaved: what slows the machine for a while slows them all
            (places["inserts"] / str(number)).mkdir()
            inserts.append(insert_rate(places["inserts"] / str(number), bodies, _GROUP, seconds))
            for connections in CONNECTIONS:
                for name, server in (("ceiling", ceiling), ("intake", intake), ("intake-tls", secure)):
                    before = server.cpu
                    tls = str(places[name] / CERTIFICATE) if server is secure else ""
                    load = drive(server.address, connections, "large", first, seconds=seconds, tls=tls)
                    first += load.sent
                    loads.setdefault((name, connections), []).append((load, (server.cpu - before) / load.seconds))
    rows: list[Row] = []
    for connections in CONNECTIONS:
        plain = loads["intake", connections]
        rows += _rows(connections, plain, loads["ceiling", connections], inserts)
        rows.append(_secure(connections, loads["intake-tls", connections], plain))
        rows.append(_latency(connections, plain, ""))
        rows.append(_latency(connections, loads["intake-tls", connections], ", mutual TLS"))
    return rows


Runs = list[tuple[Load, float]]


def _latency(connections: int, ours: Runs, how: str) -> Row:
    """The 99th percentile against what it may be."""
    p99 = median(load.p99 for load, _ in ours)
    return Row(
        f"p99 of the ACK, {connections} conn{how}, intake alone", p99, "ms", "limit", LIMIT, p99 / LIMIT, 1.0,
        most=True, share=median(share for _, share in ours),
    )  # fmt: skip


def _secure(connections: int, ours: Runs, plain: Runs) -> Row:
    """The same over mutual TLS, against without: the generator encrypts on the same cores."""
    typical = sorted(ours, key=lambda run: run[0].rate)[len(ours) // 2][0]
    ratio = median(load.rate / other.rate for (load, _), (other, _) in zip(ours, plain, strict=True))
    return Row(
        f"durable ACK, {connections} conn, mutual TLS", median(load.rate for load, _ in ours), _UNIT,
        "the same without TLS", median(load.rate for load, _ in plain), ratio, None,
        size=typical.size, share=median(share for _, share in ours), note=typical.percentiles,
    )  # fmt: skip


def _rows(connections: int, ours: Runs, ceiling: Runs, inserts: list[float]) -> Iterator[Row]:
    title = f"durable ACK, {connections} conn, intake alone"
    typical = sorted(ours, key=lambda run: run[0].rate)[len(ours) // 2][0]
    figure = median(load.rate for load, _ in ours)
    share = median(share for _, share in ours)

    def row(peer: str, peers: list[float], wanted: float | None = None) -> Row:
        ratio = median(load.rate / other for (load, _), other in zip(ours, peers, strict=True))
        return Row(
            title, figure, _UNIT, peer, median(peers), ratio, wanted,
            size=typical.size, share=share, note=typical.percentiles,
        )  # fmt: skip

    if connections in AIMS:
        yield row("aim", [AIMS[connections]] * len(ours), 1.0)
    yield row("frame + ACK, nothing kept", [load.rate for load, _ in ceiling])
    yield row(f"bare SQLite insert, FULL, commits of {_GROUP}", inserts)
