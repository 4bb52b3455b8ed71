"""A message's outcome as a FHIR R4 transaction Bundle (bundle.html#transaction; commands.md, "Bundle")."""

from __future__ import annotations

from adapters.fhir import JsonValue, encode_trusted
from mappings.values import Change, Mapped

__all__ = ["bundle", "resource"]


def resource(change: Change) -> dict[str, JsonValue]:
    """The resource that a change alone makes."""
    return change.resource


def bundle(mapped: Mapped, base: str) -> bytes:
    """Canonical bytes of the Bundle, without final newline; `base` without final slash.

    All is encoded in one go; resources that came in earlier messages bring their bytes along.
    """
    start = f"{base}/"
    entries: list[object] = []
    for change in mapped.changes:
        place = f"{change.type}/{change.id}"
        request = {"method": "PUT", "url": place}
        entries.append({"fullUrl": start + place, "request": request, "resource": change.ready})
    made: dict[str, object] = {"entry": entries, "resourceType": "Bundle", "type": "transaction"}
    if mapped.control_id:
        made["identifier"] = {"value": mapped.control_id}
    if mapped.timestamp:
        made["timestamp"] = mapped.timestamp
    return encode_trusted(made)
