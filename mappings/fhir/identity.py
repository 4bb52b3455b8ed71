"""Who is meant (architecture, "Identity of resources"): the key of which our id of a foreign resource is made.

A patient is known by an identifier, in the channel's order, as in HL7 v2, so that both formats speak of one patient.
Everything else is known by the sender's own id; what has neither is known within its message only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mappings.fhir.container import Entry, split_url
from mappings.ids import resource_id
from mappings.values import MapSettings

__all__ = ["Namer", "by_identifier"]

_USUAL_ORDER = ("MR", "PI", "PT")  # as the v2 maps have it


class Namer:
    """Gives the resources of one message their ids."""

    def __init__(self, settings: MapSettings, digest: str) -> None:
        self._settings = settings
        self._namespace = settings.namespace.bytes
        self._digest = digest

    def id(self, entry: Entry) -> str:
        """Our id of a resource."""
        return self._made(entry.type, self._key(entry))

    def base(self, entry: Entry) -> str:
        """Where the sender keeps the resource: the base of its fullUrl, else the channel's."""
        found = split_url(entry.url)
        return found[0] if found is not None and found[0] else self._settings.sender

    def foreign(self, type_: str, base: str, own_id: str) -> str:
        """Our id of what the sender calls by this id, if nothing better is known of it."""
        return self._made(type_, ("at", base or self._settings.sender, own_id))

    def patient(self, reference: Mapping[str, Any]) -> str | None:
        """Our id of a patient who is only named."""
        key = by_identifier([reference.get("identifier")], self._settings)
        return None if key is None else self._made("Patient", key)

    def _made(self, type_: str, key: tuple[str, ...]) -> str:
        return resource_id(self._namespace, type_, key)

    def _key(self, entry: Entry) -> tuple[str, ...]:
        identifiers = _listed(entry.resource.get("identifier"))
        if entry.type == "Patient" and (key := by_identifier(identifiers, self._settings)) is not None:
            return key
        if entry.identifier is not None:
            system, value = entry.identifier
            return "key", "", _authority({"system": system}, self._settings), value
        if entry.own_id:
            return "at", self.base(entry), entry.own_id
        named = [each for each in identifiers if isinstance(each, dict) and each.get("system")]
        return by_identifier(named, self._settings) or ("message", self._digest, entry.place)


def by_identifier(identifiers: Any, settings: MapSettings) -> tuple[str, ...] | None:
    """The key that the first identifier in the channel's order of types makes; None if none has an authority."""
    order = {kind: place for place, kind in enumerate(settings.identifier_order or _USUAL_ORDER)}
    found: list[tuple[int, int, int, tuple[str, ...]]] = []
    for each in _listed(identifiers):
        value = each.get("value") if isinstance(each, dict) else None
        if not isinstance(value, str) or not value.strip() or each.get("use") == "old":
            continue
        authority = _authority(each, settings)
        if authority:
            rank = min((order[code] for code in _codes(each) if code in order), default=len(order))
            found.append((rank, 0 if each.get("system") else 1, len(found), ("key", "", authority, value)))
    return min(found)[3] if found else None


def _authority(identifier: Mapping[str, Any], settings: MapSettings) -> str:
    """As the v2 maps name it: an OID or UUID bare, any other system as it is, a name alone, else the channel's."""
    system = identifier.get("system")
    if isinstance(system, str) and system:
        for prefix in ("urn:oid:", "urn:uuid:"):
            if system.startswith(prefix):
                return system.removeprefix(prefix)
        return system
    assigner = identifier.get("assigner")
    name = assigner.get("display") if isinstance(assigner, dict) else None
    return name if isinstance(name, str) and name else settings.default_authority or ""


def _codes(identifier: Mapping[str, Any]) -> Iterator[str]:
    type_ = identifier.get("type")
    for coding in _listed(type_.get("coding")) if isinstance(type_, dict) else ():
        code = coding.get("code") if isinstance(coding, dict) else None
        if isinstance(code, str):
            yield code


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
