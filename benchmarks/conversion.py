"""Conversion, with lineage and residue on, against python-hl7's bare parse and the split-only floor.

Ours: bytes → message → changes, residue, lineage → Bundle bytes. Theirs: text → its tree of lists. The floor: text →
its parts. The peer is spared decoding; all three get the same messages, each message once, and the collector that a
process of their own would have: ours as in mapper processes, theirs as Python starts. Large pages serve all three.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
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

    usual = gc.get_threshold()
    effective = mappings.load()
    effective.check()  # compiled whole, as in a mapper process
    settings = mappings.MapSettings(mappings.PUBLISHED_NAMESPACE)

    def ours(messages: Sequence[bytes]) -> None:
        with collecting():
            for body in messages:
                mappings.bundle(effective.map(read(body), settings), settings.base)

    def peer(messages: Sequence[bytes]) -> None:
        for body in messages:
            hl7.parse(body.decode())

    def floor(messages: Sequence[bytes]) -> None:
        for body in messages:
            split(body.decode())

    contestants = {"ours": ours, _PEER: peer, "split-only floor": floor}
    for work in contestants.values():  # load what is loaded lazily; other messages than the measured ones
        work(generate(kind, 50, seed=0))
    settle_in()  # as mapper processes do; and the peer is spared the collector's walks over our maps
    gc.set_threshold(*usual)
    # every round has messages of its own: a cache may help within real traffic, never by seeing a message again
    batches = [generate(kind, count, seed=1 + number) for number in range(rounds)]
    laps = compare(contestants, batches)
    size = median(len(body) for batch in batches for body in batch)
    figure = median(lap.per_core for lap in laps["ours"])
    share = median(lap.share for lap in laps["ours"])
    rows = [
        Row(
            title,
            figure,
            "messages/s of a core",
            name,
            median(lap.per_core for lap in laps[name]),
            median_ratio(laps["ours"], laps[name]),
            wanted=1.0 if name == _PEER else None,
            hard=name == _PEER,
            size=size,
            share=share,
        )
        for name in (_PEER, "split-only floor")
    ]
    if kind == "adt":
        rows.append(Row(title, figure, "messages/s of a core", "aim", AIM, figure / AIM, 1.0, size=size, share=share))
    return rows
