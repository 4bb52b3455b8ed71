"""The sample messages and what is expected of each: manifest.json beside them, file name → sha256 and answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from adapters.hl7v2 import units
from adapters.hl7v2.mllp import Outgoing

__all__ = ["Sample", "load_samples", "outgoing"]

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Sample:
    """One file: its bytes, the answer that each of its messages gets, and whether it is as shipped."""

    name: str
    data: bytes
    answer: str
    as_shipped: bool


def load_samples(folder: Path) -> list[Sample]:
    """Every sample of the manifest, in the order in which they are sent."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    samples = []
    for row in manifest["files"]:
        path = folder / row["file"]
        data = path.read_bytes() if path.is_file() else b""
        samples.append(Sample(row["file"], data, row["answer"], sha256(data).hexdigest() == row["sha256"]))
    return samples


def outgoing(samples: list[Sample]) -> Iterator[Outgoing]:
    """The messages of the samples as they go out on the wire."""
    for sample in samples:
        for unit in units(sample.data):
            if unit.kind == "message" and unit.index is not None:
                yield Outgoing(sample.name, unit.index, unit.body)
