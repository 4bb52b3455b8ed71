"""The samples and what is expected of each: manifest.json beside them, file → way in, answer, SHA-256."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

__all__ = ["MANIFEST", "Sample", "load_samples"]

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Sample:
    """One file. `way`: how it goes in (senders.WAYS); `answer`: what is expected there; `as_shipped`: its SHA-256."""

    name: str
    way: str
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
        as_shipped = sha256(data).hexdigest() == row["sha256"]
        samples.append(Sample(row["file"], row["way"], data, row["answer"], as_shipped))
    return samples
