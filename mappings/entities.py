"""What a Provenance names by hash (R4 provenance.html, `entity`): source, maps, translation plan, packs."""

from __future__ import annotations

from typing import Any

__all__ = ["hash_entity"]

_SHA256 = "urn:oid:2.16.840.1.101.3.4.2.1"  # NIST's OID of SHA-256


def hash_entity(display: str, digest: str) -> dict[str, Any]:
    """Something that an output depends on, by its SHA-256."""
    return {"role": "source", "what": {"display": display, "identifier": {"system": _SHA256, "value": digest}}}
