"""Conversion, with lineage and residue on, against python-hl7's bare parse and the split-only floor.

Ours: bytes → message → changes, residue, lineage → Bundle bytes, eight messages side by side as mapper processes take
them while more wait, and for comparison one at a time. Theirs: text → its tree of lists. The floor: text → its parts.
The peer is spared decoding; all get the same messages, each message once, and the collector that a process of their own
would have: ours as in mapper processes, theirs as Python starts. Large pages serve all.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from benchmarks.measure import compare, median_ratio
from benchmarks.messages import generate
from benchmarks.result import Row
from benchmarks.splitting import split

__all__ = ["run"]

AIM = 1500.0  # ADT messages per second on an idle core
_PEER = "python-hl7 bare parse"


def run(quick: bool) -> list[Row]:
    """Rows for ADT and ORU."""
    rounds, count = (7, 40) if quick else (15, 120)
    return [*_kind("adt", "ADT conversion", rounds, count), *_kind("oru", "ORU conversion", rounds, count)]


def _kind(kind: str, title: str, rounds: int, count: int) -> list[Row]:
    import hl7

    import mappings
    from adapters.hl7v2 import read
    from pipelines.memory import collecting, settle_in
    from pipelines.pool import BATCH

    usual = gc.get_threshold()
    effective = mappings.load()
    effective.check()  # compiled whole, as in a mapper process
    settings = mappings.MapSettings(mappings.PUBLISHED_NAMESPACE)

    def ours(messages: Sequence[bytes]) -> None:
        with collecting():
            for at in range(0, len(messages), BATCH):
                for mapped in effective.map_many([read(body) for body in messages[at : at + BATCH]], settings):
                    mappings.bundle(mapped, settings.base)

    def alone(messages: Sequence[bytes]) -> None:
        with collecting():
            for body in messages:
                mappings.bundle(effective.map(read(body), settings), settings.base)

    def peer(messages: Sequence[bytes]) -> None:
        for body in messages:
            hl7.parse(body.decode())

    def floor(messages: Sequence[bytes]) -> None:
        for body in messages:
            split(body.decode())

    contestants = {"ours": ours, "alone": alone, _PEER: peer, "split-only floor": floor}
    for work in contestants.values():  # load what is loaded lazily; other messages than the measured ones
        work(generate(kind, 50, seed=0))
    settle_in()  # as mapper processes do; and the peer is spared the collector's walks over our maps
    gc.set_threshold(*usual)
    # every round has messages of its own: a cache may help within real traffic, never by seeing a message again
    batches = [generate(kind, count, seed=1 + number) for number in range(rounds)]
    laps = compare(contestants, batches)
    size = median(len(body) for batch in batches for body in batch)

    def row(name: str, title: str, peer: str, wanted: float | None = None, hard: bool = False) -> Row:
        mine, theirs = laps[name], laps[peer]
        return Row(
            title,
            median(lap.per_core for lap in mine),
            "messages/s of a core",
            peer,
            median(lap.per_core for lap in theirs),
            median_ratio(mine, theirs),
            wanted=wanted,
            hard=hard,
            size=size,
            share=median(lap.share for lap in mine),
        )

    rows = [
        row("ours", title, _PEER, 1.0, hard=True),
        row("ours", title, "split-only floor"),
        row("alone", f"{title}, one at a time", _PEER, 1.0),
    ]
    if kind == "adt":
        best = rows[0]
        rows.append(replace(best, peer="aim", peer_figure=AIM, ratio=best.figure / AIM, hard=False))
    return rows
