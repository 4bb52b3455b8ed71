"""A message's outcome as a FHIR R4 transaction Bundle (bundle.html#transaction; commands.md, "Bundle")."""

from __future__ import annotations

from adapters.fhir import JsonValue, encode
from mappings.values import Change, Mapped, compose

__all__ = ["bundle", "resource"]


def resource(change: Change) -> dict[str, JsonValue]:
    """The resource that a change alone makes."""
    found = compose([element[:3] for element in change.elements])
    found["resourceType"] = change.type
    found["id"] = change.id
    return found


def bundle(mapped: Mapped, base: str) -> bytes:
    """Canonical bytes of the Bundle, without final newline; `base` without final slash."""
    entries: list[JsonValue] = []
    for change in mapped.changes:
        place = f"{change.type}/{change.id}"
        entries.append(
            {
                "fullUrl": f"{base}/{place}",
                "request": {"method": "PUT", "url": place},
                "resource": resource(change),
            }
        )
    content: dict[str, JsonValue] = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    if mapped.control_id:
        content["identifier"] = {"value": mapped.control_id}
    if mapped.timestamp:
        content["timestamp"] = mapped.timestamp
    return encode(content)
