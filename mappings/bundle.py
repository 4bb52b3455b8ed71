"""A message's outcome as a FHIR R4 transaction Bundle (bundle.html#transaction; commands.md, "Bundle")."""

from __future__ import annotations

from adapters.fhir import JsonValue, encode, encode_trusted
from mappings.values import Change, Mapped, compose

__all__ = ["bundle", "resource"]


def resource(change: Change) -> dict[str, JsonValue]:
    """The resource that a change alone makes."""
    found = compose(change.elements)
    found["resourceType"] = change.type
    found["id"] = change.id
    return found


def bundle(mapped: Mapped, base: str) -> bytes:
    """Canonical bytes of the Bundle, without final newline; `base` without final slash.

    Each resource is encoded once and set into the Bundle's own bytes, whose keys stand here in their order.
    """
    prefix = encode(f"{base}/")[:-1]
    entries = []
    for change in mapped.changes:
        place = f"{change.type}/{change.id}".encode()
        body = change.encoded if change.encoded is not None else encode_trusted(resource(change))
        request = b'","request":{"method":"PUT","url":"' + place + b'"},"resource":'
        entries.append(b'{"fullUrl":' + prefix + place + request + body + b"}")
    parts = [b'"entry":[' + b",".join(entries) + b"]"]
    if mapped.control_id:
        parts.append(b'"identifier":{"value":' + encode(mapped.control_id) + b"}")
    parts.append(b'"resourceType":"Bundle"')
    if mapped.timestamp:
        parts.append(b'"timestamp":' + encode(mapped.timestamp))
    parts.append(b'"type":"transaction"')
    return b"{" + b",".join(parts) + b"}"
