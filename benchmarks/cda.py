"""CDA to FHIR, with lineage and residue on, against lxml's bare parse of the same documents.

Ours: bytes → document → changes, residue, lineage → Bundle bytes. Theirs: bytes → tree, nothing else, so that their
figure is a ceiling and not a peer's. Documents are our sample with its sections repeated under new ids; each once.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.measure import compare, median_ratio
from benchmarks.result import Row

__all__ = ["run"]

AIM = 3.0  # MB/s of a core
_CEILING = "lxml bare parse"
_SAMPLE = Path(__file__).resolve().parent.parent / "sample_data" / "cda" / "ccda_refused_vaccine.xml"
_SECTION = re.compile(r"      <component>\n        <section>.*?      </component>\n", re.DOTALL)
_NAMES = re.compile(r'((?:ID|value)="#?)(imm|hb|med)')
_COPIES = 6


def documents(count: int, seed: int) -> list[bytes]:
    """Documents of some 90 KB, no two alike."""
    text = _SAMPLE.read_text(encoding="utf-8")
    sections = _SECTION.findall(text)
    head, _, tail = text.partition(sections[0])
    tail = tail[tail.rindex("    </structuredBody>") :]
    made = []
    for number in range(count):
        body = []
        for copy in range(_COPIES):
            own = f"{seed:04x}{number:02x}{copy:02x}"
            for section in sections:
                renamed = _NAMES.sub(rf"\g<1>c{copy}\g<2>", section)
                body.append(renamed.replace("0b6f0d2e", own).replace("V-7001", f"V-{own}"))
        made.append(f"{head.replace('ZZ-DOC-1', f'D{seed}-{number}')}{''.join(body)}{tail}".encode())
    return made


def run(quick: bool) -> list[Row]:
    """One row against the ceiling, one against the aim."""
    from lxml import etree

    from adapters.cda import read
    from mappings import PUBLISHED_NAMESPACE, MapSettings, bundle, cda

    maps = cda.load()
    maps.check()
    settings = MapSettings(PUBLISHED_NAMESPACE)

    def ours(batch: Sequence[bytes]) -> None:
        for body in batch:
            bundle(maps.map(read(body), settings), settings.base)

    def ceiling(batch: Sequence[bytes]) -> None:
        for body in batch:
            etree.fromstring(body)

    contestants = {"ours": ours, _CEILING: ceiling}
    for work in contestants.values():
        work(documents(2, seed=0))
    gc.collect()
    gc.freeze()
    rounds, count = (5, 4) if quick else (11, 10)
    batches = [documents(count, seed=1 + number) for number in range(rounds)]
    laps = compare(contestants, batches)
    size = median(len(body) for batch in batches for body in batch)
    megabytes = size / 1e6
    figure = median(lap.per_core for lap in laps["ours"]) * megabytes
    share = median(lap.share for lap in laps["ours"])
    peer = median(lap.per_core for lap in laps[_CEILING]) * megabytes
    ratio = median_ratio(laps["ours"], laps[_CEILING])
    unit = "MB/s of a core"
    return [
        Row("CDA conversion", figure, unit, _CEILING, peer, ratio, size=size, share=share),
        Row("CDA conversion", figure, unit, "aim", AIM, figure / AIM, 1.0, size=size, share=share),
    ]
