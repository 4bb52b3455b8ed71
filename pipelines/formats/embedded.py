"""CDA documents inside HL7 v2 messages (OBX-5 of type ED): opened, and what they say put beside what the message says.

The attachment stays as it is. The document's statements are its own patient's, by its own identifiers; where it
speaks of a resource that the message speaks of, too, it only fills what the message leaves open.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from adapters.issue import Issue
from mappings.values import Change, Element

if TYPE_CHECKING:
    from adapters.fhir import JsonValue
    from mappings import Mapped, MapSettings

__all__ = ["opened"]

_ROOT = b"ClinicalDocument"
_HEAD = 1 << 16
_SHA256 = "urn:oid:2.16.840.1.101.3.4.2.1"


def opened(mapped: Mapped, settings: MapSettings) -> Mapped:
    """The outcome with what its embedded documents say. Nothing is done for a message without any."""
    number = 0
    for holder in mapped.changes:
        if holder.type == "DocumentReference":
            for data in _documents(holder):
                number += 1
                mapped = _with(mapped, holder, data, settings, f"embedded-{number}")
    return mapped


def _documents(holder: Change) -> Iterator[bytes]:
    """The attachments that are CDA documents, by their bytes: senders name their types as they like."""
    for element in holder.elements:
        if element.path == "content":
            for content in cast("list[dict[str, Any]]", element.value or ()):
                text = content.get("attachment", {}).get("data", "")
                try:
                    data = base64.b64decode(text, validate=True)
                except (binascii.Error, ValueError):
                    continue
                if data.lstrip()[:1] == b"<" and _ROOT in data[:_HEAD]:
                    yield data


def _with(mapped: Mapped, holder: Change, data: bytes, settings: MapSettings, slot: str) -> Mapped:
    # whose messages hold no documents pays for no XML parser
    from adapters.cda import CdaError, read
    from mappings import cda

    try:
        inner = cda.load().map(read(data), settings)
    except CdaError as error:
        issue = Issue("warning", "structure", None, None, f"the embedded CDA document is kept, but not opened: {error}")
        return replace(mapped, issues=(*mapped.issues, issue))
    return replace(
        mapped,
        changes=_joined(mapped.changes, inner, holder, slot),
        issues=(*mapped.issues, *inner.issues, *_stranger(inner, holder)),
        residue=(*mapped.residue, *inner.residue),
        excused=(*mapped.excused, *inner.excused),
        leaves=cast("tuple[int, int, int, int]", tuple(map(sum, zip(mapped.leaves, inner.leaves, strict=True)))),
        status="partial" if "partial" in (mapped.status, inner.status) else mapped.status,
    )


def _stranger(inner: Mapped, holder: Change) -> tuple[Issue, ...]:
    patients = {change.id for change in inner.changes if change.type == "Patient"}
    if holder.patient is None or holder.patient in patients:
        return ()
    text = (
        "the embedded CDA document names its patient by other identifiers than the message: its statements are theirs"
    )
    return (Issue("warning", "business-rule", None, None, text),)


def _joined(changes: Sequence[Change], inner: Mapped, holder: Change, slot: str) -> tuple[Change, ...]:
    """Message first, what the document adds, Provenance last."""
    known = {(change.type, change.id) for change in changes}
    told = {(change.type, change.id): change for change in inner.changes if change.type != "Provenance"}
    added = [_dated(change, inner) for key, change in told.items() if key not in known]
    found: list[Change] = []
    for change in changes:
        more = told.get((change.type, change.id))
        if change.type == "Provenance":
            found += [*added, _proven(change, added, inner, slot)]
        elif change is holder or (change.type, change.id) == (holder.type, holder.id):
            found.append(_linked(change, inner, slot))
        else:
            found.append(change if more is None else _filled(change, more))
    return tuple(found)


def _dated(change: Change, inner: Mapped) -> Change:
    """The document's own time decides whether it is news."""
    return Change(change.type, change.id, change.patient, change.elements, event_time=inner.event_time)


def _filled(change: Change, more: Change) -> Change:
    there = {element.path for element in change.elements}
    extra = tuple(element for element in more.elements if element.path not in there)
    return change.anew((*change.elements, *extra))


def _linked(holder: Change, inner: Mapped, slot: str) -> Change:
    related: list[JsonValue] = [
        {"reference": f"Composition/{change.id}"} for change in inner.changes if change.type == "Composition"
    ]
    link = Element("context.related", slot, related)
    return holder.anew((*holder.elements, link))


def _proven(change: Change, added: Sequence[Change], inner: Mapped, slot: str) -> Change:
    """The one Provenance names the new resources, the document's bytes and the map that read them."""
    targets: list[JsonValue] = [{"reference": f"{each.type}/{each.id}"} for each in added]
    digests = (("embedded document", inner.sha256.hex()), ("effective map of the embedded document", inner.map_hash))
    entities: list[JsonValue] = [
        {"role": "source", "what": {"display": name, "identifier": {"system": _SHA256, "value": digest}}}
        for name, digest in digests
    ]
    more = [Element("entity", slot, entities)]
    if targets:  # a document that comes twice adds nothing
        more.append(Element("target", slot, targets))
    return change.anew((*change.elements, *more))
