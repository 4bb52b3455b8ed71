"""CDA R2 to FHIR R4: `load()` gives the maps; `.map(document, settings)` makes `Mapped` of a read document."""

from __future__ import annotations

from mappings.cda.mapping import CdaMap, load

__all__ = ["CdaMap", "load"]
