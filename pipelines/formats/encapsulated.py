"""An encapsulated CDA (PS3.3 A.45.2) is a document of its own: its bytes go through the maps of CDA, too.

What these say stands beside the DocumentReference that holds the bytes, which points at the Composition. Places of
issues and residue are prefixed with the tag of the document.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from adapters.cda import CdaError
from adapters.issue import Issue
from mappings import Change, Element, Mapped, MapSettings
from pipelines.formats.source import Maps

__all__ = ["document_of", "with_document"]

_TYPES = frozenset({"text/xml", "application/xml", "application/hl7-cda+xml", "text/hl7v3+xml"})
_PLACE = "00420011"


def document_of(mapped: Mapped) -> bytes | None:
    """The bytes of an encapsulated CDA; None: there is none."""
    for change in mapped.changes:
        if change.type != "DocumentReference":
            continue
        for element in change.elements:
            if element.path == "content":
                attachment = cast("Any", element.value)[0]["attachment"]
                data = base64.b64decode(attachment["data"])
                return data if attachment["contentType"] in _TYPES and b"ClinicalDocument" in data else None
    return None


def with_document(mapped: Mapped, document: bytes, maps: Maps, settings: MapSettings) -> Mapped:
    """The instance with what its document says."""
    try:
        said = maps.map(document, replace(settings, options={}))
    except CdaError as error:
        text = f"the encapsulated document can't be read as CDA, and stands as it is: {error}"
        return replace(mapped, issues=(*mapped.issues, Issue("warning", "structure", _PLACE, None, text)))
    composition = next((change.id for change in said.changes if change.type == "Composition"), None)
    changes = [_pointing(change, composition) for change in mapped.changes]
    issues = [replace(each, path=f"{_PLACE}{each.path or ''}") for each in said.issues]
    residue = [(f"{_PLACE}{path}", reason) for path, reason in said.residue]
    mapped_, kept, excused, missing = mapped.leaves
    partial = said.status != "ok" or mapped.status != "ok"
    return replace(
        mapped,
        changes=(*changes, *said.changes),
        issues=(*mapped.issues, *issues),
        residue=(*mapped.residue, *residue),
        leaves=(mapped_, kept, excused, missing + len(residue)),
        status="partial" if partial else "ok",
    )


def _pointing(change: Change, composition: str | None) -> Change:
    """The DocumentReference points at the Composition that its bytes make."""
    if change.type != "DocumentReference" or composition is None:
        return change
    related: Sequence[Any] = [{"reference": f"Composition/{composition}"}]
    return change.anew((*change.elements, Element("context.related", "composition", list(related))))
