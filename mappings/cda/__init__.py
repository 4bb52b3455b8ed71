"""CDA R2 to FHIR R4: `load()` gives the maps; `.map(document, settings)` makes `Mapped` of a read document."""

from __future__ import annotations

from mappings.cda.mapping import CdaMap, document_id, load, load_content

__all__ = ["CdaMap", "document_id", "load", "load_content"]
