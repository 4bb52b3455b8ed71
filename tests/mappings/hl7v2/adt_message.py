"""Small ADT messages for tables of tests: some segments in, resources by type out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from adapters.hl7v2 import read
from mappings import PUBLISHED_NAMESPACE, EffectiveMap, Mapped, MapSettings, load, resource

__all__ = ["at", "message", "outcome", "resources", "segment"]

_STRUCTURES = {
    "A12": "ADT_A12",
    "A40": "ADT_A39",
    "A11": "ADT_A09",
    "A02": "ADT_A02",
    "A03": "ADT_A03",
    "A05": "ADT_A05",
}
_HEADER = "MSH|^~\\&|APP|HOSP|DEST|REGION|20240301101500+0100||ADT^{event}^{structure}|C1|P|2.5.1"


@cache
def effective(overlays: tuple[str, ...] = ()) -> EffectiveMap:
    return load(overlays)


def segment(name: str, **fields: str) -> str:
    """A segment by field numbers: `segment("PV1", f2="I", f19="V1")`."""
    last = max(int(field[1:]) for field in fields)
    return "|".join([name, *[fields.get(f"f{number}", "") for number in range(1, last + 1)]])


def message(*segments: str, event: str = "A01", header: str | None = None) -> bytes:
    """The bytes of a message: MSH, EVN if none is given, PID if none is given, and these segments."""
    structure = _STRUCTURES.get(event, "ADT_A01")
    lines = [header or _HEADER.format(event=event, structure=structure), *segments]
    names = {line[:3] for line in segments}
    if "PID" not in names:
        lines.insert(1, "PID|1||P1^^^HOSP^MR||DOE^JANE")
    return "\r".join(lines).encode()


def outcome(
    *segments: str,
    event: str = "A01",
    header: str | None = None,
    options: Mapping[str, str] | None = None,
    overlays: Sequence[str] = (),
    zone: str | None = None,
) -> Mapped:
    """What the maps make of such a message."""
    settings = MapSettings(PUBLISHED_NAMESPACE, zone=zone, options=dict(options or {}))
    return effective(tuple(overlays)).map(read(message(*segments, event=event, header=header)), settings)


def resources(mapped: Mapped) -> dict[str, list[dict[str, Any]]]:
    """Resources by type, in Bundle order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for change in mapped.changes:
        found.setdefault(change.type, []).append(resource(change))
    return found


def at(value: Any, path: str) -> Any:
    """`name.0.family` in JSON; None where there is nothing."""
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value
