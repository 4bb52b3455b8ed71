"""Finding messages by patient identifier without storing one: keyed hashes (architecture: "No patient data in … keys").

An unkeyed hash of a record number falls to a dictionary in seconds; this one needs the tenant's secret.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from uuid import UUID

from adapters.fhir import JsonValue
from mappings import Change

TERM_SIZE = 16  # bytes: enough to tell the identifiers of a tenant apart


def search_key(namespace: UUID) -> bytes:
    """The key of a tenant's terms, derived from its secret namespace."""
    return hmac.digest(namespace.bytes, b"tabellion/search/1", "sha256")


def term(key: bytes, identifier: str) -> bytes:
    """What stands in the index for an identifier, whatever its case and outer blanks."""
    return hmac.digest(key, identifier.strip().casefold().encode(), "sha256")[:TERM_SIZE]


def terms(key: bytes, changes: Iterable[Change]) -> tuple[bytes, ...]:
    """Terms of all patient identifiers in a message, each once."""
    return tuple(dict.fromkeys(term(key, text) for text in _identifiers(changes)))


def _identifiers(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        if change.type == "Patient":
            for element in change.elements:
                if element.path == "identifier" and isinstance(element.value, list):
                    yield from _values(element.value)


def _values(identifiers: Iterable[JsonValue]) -> Iterator[str]:
    for identifier in identifiers:
        value = identifier.get("value") if isinstance(identifier, dict) else None
        if isinstance(value, str) and value.strip():
            yield value
