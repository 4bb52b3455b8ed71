"""The Bundle's bytes: what is put together from parts is what encoding the whole would give."""

from __future__ import annotations

from pathlib import Path

import mappings
from adapters.fhir import decode, encode
from adapters.hl7v2 import read, units

SETTINGS = mappings.MapSettings(mappings.PUBLISHED_NAMESPACE)


def test_bundle_bytes_are_canonical_for_every_sample(samples: Path) -> None:
    """Read strictly and written again by the checking encoder: the same bytes."""
    effective = mappings.load()
    count = 0
    for path in sorted((samples / "hl7v2").glob("*.hl7")):
        for unit in units(path.read_bytes()):
            if unit.kind == "message":
                data = mappings.bundle(effective.map(read(unit.body), SETTINGS), 'https://x.test/"f')
                assert encode(decode(data)) == data
                count += 1
    assert count > 25
