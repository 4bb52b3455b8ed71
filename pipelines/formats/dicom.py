"""DICOM as a source: one instance is one unit, known by its SOP Instance UID, mapped by `mappings/dicom`.

A unit's bytes are the data set as received, without preamble and group 0002: each receiver writes these anew, and the
same instance has one hash whichever way it came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import mappings.dicom
from adapters.dicom import Damaged, DicomError, LimitExceeded, NotDicom, brief, looks_like, payload, read, tag_of
from mappings.dicom.join import join, place
from pipelines.formats.behind import Behind, Effective, unread
from pipelines.formats.source import Refusal, Source, Together, Unit

if TYPE_CHECKING:
    from mappings import Mapped, MapSettings

__all__ = ["SOURCE", "DicomMaps"]

_SOP_INSTANCE = tag_of("SOPInstanceUID")
_CDA_STORAGE = b"1.2.840.10008.5.1.4.1.1.104.2"
_HEAD = 1 << 16  # where the SOP class stands
_DIRECTORY = b"1.2.840.10008.1.3.10"  # Media Storage Directory


class DicomMaps(Behind[Effective]):
    """Opens CDA documents inside instances, too."""

    def map(self, body: bytes, settings: MapSettings) -> Mapped:
        mapped = super().map(body, settings)
        if _CDA_STORAGE not in body[:_HEAD]:
            return mapped
        from pipelines.formats import maps
        from pipelines.formats.encapsulated import document_of, with_document

        document = document_of(mapped)
        return mapped if document is None else with_document(mapped, document, maps("cda"), settings)

    def patients(self, body: bytes, settings: MapSettings) -> tuple[str, ...]:
        """Whatever can be read of it names its patient."""
        found = self.effective.map(body, settings)
        return tuple(change.id for change in found.changes if change.type == "Patient")


def _load(overlays: Sequence[str]) -> DicomMaps:
    return DicomMaps(mappings.dicom.load(overlays), unread)


def _load_content(content: bytes) -> DicomMaps:
    return DicomMaps(mappings.dicom.load_content(content), unread)


def _units(data: bytes) -> Iterator[Unit]:
    """The instance in a file; a DICOMDIR is an index of files, which are read themselves."""
    try:
        start, _ = payload(data)
    except DicomError:
        if looks_like(data):
            yield Unit(0, data)  # recognised, and why it can't be read is said when it is mapped
        return
    if _DIRECTORY in data[:start]:
        yield Unit(None, data, (), "DICOMDIR")
    else:
        yield Unit(0, data[start:])


def _identity(body: bytes) -> bytes:
    """The SOP Instance UID."""
    try:
        return read(body).dataset.text(_SOP_INSTANCE).encode()
    except DicomError:
        return b""


def _unreadable(body: bytes) -> Refusal | None:
    try:
        payload(body)
    except DicomError as error:
        return Refusal("", str(error))
    return None


SOURCE = Source(
    noun="DICOM instance",
    load=_load,
    load_content=_load_content,
    units=_units,
    identity=_identity,
    causes=((NotDicom, "structure"), (Damaged, "structure"), (LimitExceeded, "limit"), (DicomError, "structure")),
    unreadable=_unreadable,
    brief=brief,
    media_types=("application/dicom",),
    together=Together(place, join),
)
