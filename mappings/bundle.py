"""A message's outcome as a FHIR R4 transaction Bundle (bundle.html#transaction; commands.md, "Bundle")."""

from __future__ import annotations

from adapters.fhir import JsonValue, encode
from mappings.values import Change, Mapped

__all__ = ["bundle", "resource"]


def resource(change: Change) -> dict[str, JsonValue]:
    """The resource that a change alone makes."""
    return change.resource


def bundle(mapped: Mapped, base: str) -> bytes:
    """Canonical bytes of the Bundle, without final newline; `base` without final slash.

    Each resource is encoded once and set into the Bundle's own bytes, whose keys stand here in their order.
    """
    prefix = encode(f"{base}/")[:-1].decode()
    entries: list[bytes] = []
    for change in mapped.changes:
        place = f"{change.type}/{change.id}"
        head = f'{{"fullUrl":{prefix}{place}","request":{{"method":"PUT","url":"{place}"}},"resource":'
        entries += (head.encode(), change.encoded, b"},")
    if entries:
        entries[-1] = b"}"
    parts = [b'"entry":[' + b"".join(entries) + b"]"]
    if mapped.control_id:
        parts.append(b'"identifier":{"value":' + encode(mapped.control_id) + b"}")
    parts.append(b'"resourceType":"Bundle"')
    if mapped.timestamp:
        parts.append(b'"timestamp":' + encode(mapped.timestamp))
    parts.append(b'"type":"transaction"')
    return b"{" + b",".join(parts) + b"}"
