"""HL7 v2 dictionaries (chapters 2-15, appendix A): build `adapters/hl7v2/dictionary.bin` from hl7apy's tables.

Run `python -m tools.hl7v2_dictionary` after a change here or a new hl7apy (a development dependency, MIT); the
result is committed, so that the product never imports hl7apy. The same input gives the same bytes.

File: one line of JSON `{version: [offset, length]}` (offsets count from the byte after the line feed), then one zlib
stream per version, each JSON:

- `structures`: {name: children}; a child is `[segment, min, max]`, `[group, min, max, children]` or, for a choice of
  segments, `["", 1, 1, children]`; max -1 = unbounded; group names without the structure's name in front;
- `segments`: {name: [[data type, table, min, max, name], ...]}, field 1 first;
- `types`: {name: [[data type, table, name, required], ...]}, component 1 first;
- `tables`: {number: codes}, those that have codes (none in 2.1).
"""

from __future__ import annotations

import json
import sys
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import adapters.hl7v2

VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")
TARGET = Path(adapters.hl7v2.__file__).parent / "dictionary.bin"

# The same group has the same path in all versions, since maps address groups by path: where a version (or hl7apy) has
# no proper name or one of its own, the name that the other versions have.
GROUP_NAMES = {
    "TIIMING": "TIMING",
    "RESPONSE": "PATIENT_RESULT",
    "COMPONENTS": "COMPONENT",
    "OBXNTE_SUPPGRP": "OBSERVATION",
    "OBXTCDSIDNTE_SUPPGRP": "RESULT",
    "TQ1TQ2_SUPPGRP": "TIMING_QTY",
    "PIDPD1NTE_SUPPGRP": "PATIENT",
    "PIDNTE_SUPPGRP": "PATIENT",
    "PV1PV2_SUPPGRP": "VISIT",
    "SPMOBXSACINV_SUPPGRP": "SPECIMEN",
    "SPMOBXSACINVOBRORCNTETQ1TQ2OBXTCDSIDNTECTI_SUPPGRP": "SPECIMEN",
    "SPMSAC_SUPPGRP2": "SPECIMEN",
    "AUTCTD_SUPPGRP2": "AUTHORIZATION_CONTACT",
    "AUTHORIZATION_CONTACT1": "AUTHORIZATION_CONTACT",
    "AUTHORIZATION_CONTACT2": "AUTHORIZATION_CONTACT",
    "PIDNTEORCOBRNTETQ1TQ2CTDOBXNTECTI_SUPPGRP": "QUERY_RESPONSE",
    "ORCOBRNTETQ1TQ2CTDOBXNTECTI_SUPPGRP": "ORDER",
    "ORCRXARXR_SUPPGRP": "STUDY_PHARM",
    "RXARXR_SUPPGRP": "RX_ADMIN",
    "EVNPIDPV1TXAOBX_SUPPGRP": "RESULT",
    "FACPSHPDCPSHFACPDCNTEED_SUPPGRP": "FACILITY",
    "PSHPDC_SUPPGRP": "PRODUCT",
    "FACPDCNTE_SUPPGRP": "FACILITY_DETAIL",
}
STRUCTURE_GROUP_NAMES = {("VXU_V04", "PATIENT"): "PATIENT_VISIT"}
# Groups that only one version puts around segments: their children stand in the parent.
SPLICED = {(structure, "COMMON_ORDER") for structure in ("ORU_R01", "OUL_R22", "OUL_R23", "OUL_R24")}


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
            usual = STRUCTURE_GROUP_NAMES.get((structure, short)) or GROUP_NAMES.get(short, short)
            children.append([usual, least, most, inner])
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
        if most == 0:  # withdrawn or reserved: what hl7apy says of its type is often its neighbour's
            rows.append([None, None, 0, 0, None])
            continue
        # 2.1 gives RX1-30 two types: the composite holds both
        rows.append([kind[-1] if isinstance(kind, tuple) else kind, _table(table), least, most, label])
    return rows


def _components(node: Any) -> list[Any]:
    return [[reference[2], _table(reference[4]), reference[3], least] for _, reference, (least, _), _ in node]


def _tables(package: str) -> dict[str, list[str]]:
    try:
        tables = import_module(f"{package}.tables").TABLES
    except ModuleNotFoundError:  # 2.1
        return {}
    codes = {name: [one] if isinstance(one, str) else list(one or ()) for name, (_, one) in tables.items()}
    return {str(_table(name)): sorted(found) for name, found in codes.items() if found}


def version(number: str) -> dict[str, Any]:
    """The dictionary of one version, as described in the module's docstring."""
    package = f"hl7apy.v{number.replace('.', '_')}"
    part = {name: import_module(f"{package}.{name}") for name in ("messages", "segments", "datatypes")}
    return {
        "structures": {name: _children(name, node) for name, node in part["messages"].MESSAGES.items()},
        "segments": {name: _fields(name, node) for name, node in part["segments"].SEGMENTS.items() if len(name) == 3},
        "tables": _tables(package),
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
