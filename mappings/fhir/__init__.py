"""FHIR R4 as a source: resources and Bundles of others, under our ids, with the sender's kept as identifiers.

`load()` gives the map; `.map(body, settings)` turns a resource or Bundle into `Mapped`.
"""

from __future__ import annotations

from mappings.fhir.container import Entry, open_container
from mappings.fhir.effective import FhirMap, load, load_content
from mappings.fhir.errors import FhirSourceError, NothingStands, NotTaken

__all__ = ["Entry", "FhirMap", "FhirSourceError", "NotTaken", "NothingStands", "load", "load_content", "open_container"]
