"""The HL7 v2 reader over public messages, against python-hl7's parse and the split-only floor.

The corpora lie beside the project (`TABELLION_TEST_DATA`, else `../shared/data`). Every message that python-hl7 parses
at all is read once, in rounds of other messages; all take turns within each round. Ours finds the character set and the
dictionary and reports issues, and splits what is below a field when it is asked for; the others decode UTF-8 and split.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.measure import Lap, compare, median_ratio
from benchmarks.result import Row
from benchmarks.splitting import split

__all__ = ["run"]

_NAME = "reading, public messages"
_UNIT = "messages/s of a core"
_PEER = "python-hl7 parse"
_FLOOR = "split-only floor"
_ROOT = Path(__file__).resolve().parent.parent


def corpora() -> Path | None:
    """The folder of public messages, or None."""
    named = os.environ.get("TABELLION_TEST_DATA")
    folder = (Path(named) if named else _ROOT.parent / "shared" / "data") / "hl7v2"
    return folder if folder.is_dir() else None


def run(quick: bool) -> list[Row]:
    """Rows for reading, and for reading with the text of every leaf."""
    folder = corpora()
    if folder is None:
        return [Row(_NAME, 0.0, _UNIT, _PEER, 0.0, 0.0, note="not measured: shared test data absent")]
    bodies, unfit = _messages(folder)
    return _compare(bodies, 5 if quick else 15, unfit)


def _messages(folder: Path) -> tuple[list[bytes], int]:
    """Messages that all can take, and how many the peer can't."""
    import hl7

    from adapters.hl7v2 import units

    found: list[bytes] = []
    unfit = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".csv"):
        for unit in units(path.read_bytes()):
            if unit.kind != "message":
                continue
            try:
                hl7.parse(unit.body.decode())
            except (AssertionError, IndexError, ValueError, hl7.HL7Exception):  # UnicodeDecodeError is a ValueError
                unfit += 1
            else:
                found.append(unit.body)
    return found, unfit


def _compare(bodies: Sequence[bytes], rounds: int, unfit: int) -> list[Row]:
    import hl7

    from adapters.hl7v2 import leaf_text, leaves, read, unescape

    def ours(messages: Sequence[bytes]) -> None:
        for body in messages:
            read(body)

    def texts(messages: Sequence[bytes]) -> None:
        for body in messages:
            message = read(body)
            delimiters, charset = message.delimiters, message.charset
            for position, field, rep, comp, sub in leaves(message):
                text = leaf_text(message.segments[position], field, rep, comp, sub, delimiters)
                unescape(text, delimiters, charset)

    def peer(messages: Sequence[bytes]) -> None:
        for body in messages:
            hl7.parse(body.decode())

    def floor(messages: Sequence[bytes]) -> None:
        for body in messages:
            split(body.decode())

    contestants = {_NAME: ours, f"{_NAME}, text of every leaf": texts, _PEER: peer, _FLOOR: floor}
    for work in contestants.values():  # load what is loaded lazily: dictionaries of all versions
        work(bodies[::7])
    batches = [bodies[start::rounds] for start in range(rounds)]
    laps = compare(contestants, batches)
    sizes = [sum(map(len, batch)) for batch in batches]
    return [
        Row(
            name,
            median(lap.per_core for lap in laps[name]),
            _UNIT,
            other,
            median(lap.per_core for lap in laps[other]),
            median_ratio(laps[name], laps[other]),
            size=median(map(len, bodies)),
            share=median(lap.share for lap in laps[name]),
            note=f"{_megabytes(laps[name], sizes):.1f} MB/s against {_megabytes(laps[other], sizes):.1f}; "
            f"{len(bodies)} messages, {unfit} more that python-hl7 can't read",
        )
        for name in list(contestants)[:2]
        for other in (_PEER, _FLOOR)
    ]


def _megabytes(laps: Sequence[Lap], sizes: Sequence[int]) -> float:
    """10⁶ bytes per second of CPU time."""
    return median(size / lap.cpu for lap, size in zip(laps, sizes, strict=True)) / 1e6
