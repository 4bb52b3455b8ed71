"""Leaf functions for applications, facilities and authorities (v2-to-FHIR guide, HD[...], DLN)."""

from __future__ import annotations

from collections.abc import Sequence

from mappings.leaves.base import Leaf, LeafContext
from mappings.leaves.core import authority, text

__all__ = ["LEAVES"]

_URI_SYSTEM = "urn:ietf:rfc:3986"


def universal_value(parts: Sequence[str], context: LeafContext) -> str | None:
    """HD.2 and HD.3 to Identifier.value: the whole URI of an OID or UUID, else HD.2 as it is."""
    if not parts[0].strip():
        return None
    return authority(("", *parts), context) or text(parts[0], context)


def universal_system(parts: Sequence[str], context: LeafContext) -> str | None:
    """HD.2 and HD.3 to Identifier.system: that of URIs (R4 identifier-registry), for URIs only."""
    return _URI_SYSTEM if authority(("", *parts), context) else None


def endpoint(parts: Sequence[str], context: LeafContext) -> str | None:
    """HD.2 and HD.3 to MessageHeader.*.endpoint: OID, UUID, URI; a domain name as the guide writes it."""
    universal, kind = parts[0].strip(), parts[1].strip().upper()
    if kind == "DNS" and universal and not any(mark.isspace() for mark in universal):
        return f"urn:dns:{universal}"
    return authority(("", *parts), context)


def application_name(parts: Sequence[str], context: LeafContext) -> str | None:
    """HD whose universal id makes no endpoint to MessageHeader.*.name: `HD.1 - HD.3:HD.2`; else nothing."""
    namespace, universal, kind = (part.strip() for part in parts)
    if endpoint(parts[1:], context):
        return None
    number = f"{kind}:{universal}" if kind else universal
    return text(f"{namespace} - {number}" if namespace else number, context)


def issuer(parts: Sequence[str], context: LeafContext) -> str | None:
    """DLN.2 (CWE text, code, system) to one text: `California (CA, USPS)`."""
    words, code, system = (part.strip() for part in parts)
    if not words:
        words, code = code, ""
    behind = ", ".join(part for part in (code, system) if part)
    return text(f"{words} ({behind})" if behind else words, context)


LEAVES = {
    "universal-value": Leaf(universal_value, arity=2, produces=("string",)),
    "universal-system": Leaf(universal_system, arity=2, produces=("uri",)),
    "endpoint": Leaf(endpoint, arity=2, produces=("url", "uri")),
    "application-name": Leaf(application_name, arity=3, produces=("string",)),
    "issuer": Leaf(issuer, arity=3, produces=("string",)),
}
