"""FHIR R4 as a source: a resource, a Bundle, or a line of NDJSON is one unit, mapped by `mappings/fhir`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import mappings.fhir
from adapters.fhir import DecodeError, LimitExceeded, decode
from adapters.fhir.units import units
from mappings.fhir import FhirMap, FhirSourceError, NothingStands, NotTaken, open_container
from pipelines.formats.behind import Behind, unread
from pipelines.formats.source import Maps, Refusal, Source, Unit

if TYPE_CHECKING:
    from pipelines.validation import Validator

__all__ = ["SOURCE"]


def _load(overlays: Sequence[str]) -> Behind[FhirMap]:
    return Behind(mappings.fhir.load(tuple(overlays)), unread)


def _load_content(content: bytes) -> Behind[FhirMap]:
    return Behind(mappings.fhir.load_content(content), unread)


def _proving(maps: Maps, validator: Validator) -> Maps:
    assert isinstance(maps, Behind)
    return Behind(maps.effective.validating(validator), unread)


def _units(data: bytes) -> Iterator[Unit]:
    for index, body in enumerate(units(data)):
        yield Unit(index, body)


def _identity(body: bytes) -> bytes:
    """A Bundle's identifier, else a resource's type, id and version; what has neither may be said again and mean it.

    The id of a resource may be a patient's number, so it stands here as a hash.
    """
    try:
        value: Any = decode(body)
    except DecodeError:
        return b""
    if not isinstance(value, dict):
        return b""
    identifier = value.get("identifier")
    if value.get("resourceType") == "Bundle":
        named = identifier.get("value") if isinstance(identifier, dict) else None
        return named.encode() if isinstance(named, str) else b""
    meta = value.get("meta")
    version = (meta.get("versionId") or meta.get("lastUpdated")) if isinstance(meta, dict) else None
    if not isinstance(version, str) or not isinstance(value.get("id"), str):
        return b""
    name = f"{value.get('resourceType')}/{value['id']}/{version}"
    return sha256(name.encode()).hexdigest()[:32].encode()


def _unreadable(body: bytes) -> Refusal | None:
    """Strict JSON of a kind that we take: what is hostile or asks for deeds is refused at the door."""
    try:
        open_container(decode(body))
    except DecodeError as error:
        code = "too-costly" if isinstance(error, LimitExceeded) else "structure"
        place = error.path or (f"offset {error.position}" if error.position is not None else "")
        return Refusal(place, error.reason, code)
    except FhirSourceError as error:
        return Refusal(error.place, error.text, error.code)
    return None


SOURCE = Source(
    noun="FHIR R4 resource or Bundle",
    load=_load,
    load_content=_load_content,
    units=_units,
    identity=_identity,
    unreadable=_unreadable,
    causes=(
        (LimitExceeded, "limit"),
        (DecodeError, "structure"),
        (NotTaken, "refused"),
        (NothingStands, "invalid"),
    ),
    media_types=("application/fhir+json", "application/json", "application/fhir+ndjson", "application/x-ndjson"),
    lines=("application/fhir+ndjson", "application/x-ndjson"),
    proving=_proving,
)
