"""DICOM maps: instance → facts and changes, facts → study, reports and documents (docs/dicom.md).

`load()` gives the effective map; `.map(body, settings)` turns an instance into `Mapped`; `fold` makes a study of parts.
"""

from __future__ import annotations

from mappings.dicom.effective import DicomMap, load, load_content
from mappings.dicom.study import fold

__all__ = ["DicomMap", "fold", "load", "load_content"]
