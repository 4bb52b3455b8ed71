"""All messages at hand for the mapping tests: our samples, the shared messages and the inputs of the pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapters.hl7v2 import Hl7Error, Message, read, units

SAMPLES = Path(__file__).resolve().parents[3] / "sample_data" / "hl7v2"
FOLDERS = ("messages", "reportstream")


def sources(shared: Path | None) -> Iterator[tuple[str, Path]]:
    """(name as listed in the tables, file), in the order of names."""
    found = [(f"sample_data/{path.name}", path) for path in SAMPLES.iterdir()]
    for folder in FOLDERS if shared is not None else ():
        assert shared is not None
        root = shared / "hl7v2"
        found += [(path.relative_to(root).as_posix(), path) for path in (root / folder).rglob("*") if path.is_file()]
    yield from sorted(found)


def messages(shared: Path | None) -> Iterator[tuple[str, Message]]:
    """(name#index, message) of every readable unit, the same bytes once."""
    seen: set[bytes] = set()
    for name, path in sources(shared):
        if path.suffix in (".fhir", ".json", ".csv", ".md") or path.name.startswith((".", "LICENSE")):
            continue
        for unit in units(path.read_bytes()):
            if unit.kind != "message":
                continue
            try:
                message = read(unit.body)
            except Hl7Error:
                continue
            if message.sha256 not in seen:
                seen.add(message.sha256)
                yield f"{name}#{unit.index}", message
