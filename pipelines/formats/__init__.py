"""Formats of what arrives: one table, format → `Source` (architecture: "The journey of one record").

A format is one row here and one module, which is imported when the first message of the format comes: who converts
HL7 v2 pays for no XML parser. What all formats have in common stands in `source`; what comes out is always `Mapped`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from pipelines.formats.source import LEVELS, Maps, Refusal, Source, Together, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FORMATS", "LEVELS", "Maps", "Refusal", "Source", "Together", "Unit", "maps", "source"]

# format → module that holds its SOURCE; the order is that of the default channels
_ROWS: Mapping[str, str] = {
    "hl7v2": "pipelines.formats.hl7v2",
    "cda": "pipelines.formats.cda",
    "dicom": "pipelines.formats.dicom",
    "fhir": "pipelines.formats.fhir",
}
FORMATS = tuple(_ROWS)


@cache
def source(format_: str) -> Source:
    """The row of a format, one of FORMATS."""
    found = import_module(_ROWS[format_]).SOURCE
    assert isinstance(found, Source)
    return found


@cache
def maps(format_: str, overlays: tuple[str, ...] = ()) -> Maps:
    """The maps of a format under overlay folders, once per process. Raises MappingError."""
    return source(format_).load(overlays)
