"""HL7 v2 dictionaries (chapters 2-15, appendix A): build `adapters/hl7v2/dictionary.bin` from hl7apy's tables.

Run `python -m tools.hl7v2_dictionary` after a change here or a new hl7apy (a development dependency, MIT); the
result is committed, so that the product never imports hl7apy. The same input gives the same bytes.

File: one line of JSON `{version: [offset, length]}` (offsets count from the byte after the line feed), then one zlib
stream per version, each JSON:

- `structures`: {name: children}; a child is `[segment, min, max]`, `[group, min, max, children]` or, for a choice of
  segments, `["", 1, 1, children]`; max -1 = unbounded; group names without the structure's name in front;
- `segments`: {name: [[data type, table, min, max, name], ...]}, field 1 first;
- `types`: {name: [[data type, table, name], ...]}, component 1 first.
"""

from __future__ import annotations

import json
import sys
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")
TARGET = Path(__file__).resolve().parent.parent / "adapters" / "hl7v2" / "dictionary.bin"

# hl7apy writes some names in ways that the standard does not, or that one version alone has: a map addresses a group
# by its path, so the same group has the same path in all versions.
GROUP_NAMES = {"TIIMING": "TIMING", "RESPONSE": "PATIENT_RESULT"}
# Groups that only one version puts around segments: their children stand in the parent.
SPLICED = {("ORU_R01", "COMMON_ORDER")}


def _children(structure: str, node: Any) -> list[Any]:
    children: list[Any] = []
    for name, reference, (least, most), kind in node[1]:
        if kind == "SEG":
            children.append([name, least, most])
            continue
        inner = _children(structure, reference)
        short = name.removeprefix(structure + "_").removeprefix(structure.upper() + "_")
        if reference[0] == "choice":
            children.append(["", least, most, inner])
        elif (structure, short) in SPLICED:
            children.extend([[child[0], 0, *child[2:]] for child in inner])
        else:
            children.append([GROUP_NAMES.get(short, short), least, most, inner])
    return children


def _table(name: str | None) -> str | None:
    return name.removeprefix("HL7") if name else None


def _fields(name: str, node: Any) -> list[Any]:
    rows: list[Any] = []
    # hl7apy's 2.1 ORO lacks the tuple around its fields; segments withdrawn in 2.7 (QRD ...) have none
    fields = node if node[:1] != ("sequence",) else node[1] if node[1:] else ()
    for field, reference, (least, most), _ in fields:
        number = int(field.rpartition("_")[2])
        if number <= len(rows):
            raise SystemExit(f"{name}: field {number} where {len(rows) + 1} was due")
        while number > len(rows) + 1:  # a withdrawn field
            rows.append([None, None, 0, 0, None])
        *_, kind, label, table, _ = reference
        # 2.1 gives RX1-30 two types: the composite holds both; a withdrawn or reserved field has none
        rows.append([kind[-1] if isinstance(kind, tuple) else kind, _table(table), least, most, label])
    return rows


def _components(node: Any) -> list[Any]:
    return [[reference[2], _table(reference[4]), reference[3]] for _, reference, *_ in node]


def version(number: str) -> dict[str, Any]:
    """The dictionary of one version, as described in the module's docstring."""
    package = f"hl7apy.v{number.replace('.', '_')}"
    part = {name: import_module(f"{package}.{name}") for name in ("messages", "segments", "datatypes")}
    return {
        "structures": {name: _children(name, node) for name, node in part["messages"].MESSAGES.items()},
        "segments": {name: _fields(name, node) for name, node in part["segments"].SEGMENTS.items() if len(name) == 3},
        "types": {name: _components(node) for name, node in part["datatypes"].DATATYPES_STRUCTS.items()},
    }


def build() -> bytes:
    """The whole file."""
    index: dict[str, list[int]] = {}
    streams: list[bytes] = []
    offset = 0
    for number in VERSIONS:
        text = json.dumps(version(number), sort_keys=True, separators=(",", ":"))
        stream = zlib.compress(text.encode("ascii"), 9)
        index[number] = [offset, len(stream)]
        streams.append(stream)
        offset += len(stream)
    return json.dumps(index, separators=(",", ":")).encode("ascii") + b"\n" + b"".join(streams)


def main() -> int:
    """Write the file; with `--check` only compare, exit 1 if the committed one differs."""
    data = build()
    if "--check" in sys.argv[1:]:
        return 0 if TARGET.read_bytes() == data else 1
    TARGET.write_bytes(data)
    print(f"{TARGET.name}: {len(data):,} bytes, {len(VERSIONS)} versions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
