"""DICOM: reading headers, and (adapters.dicom.network) receiving instances.

`read` gives the header of a file or data set without its pixels; its values stay as they were sent.
"""

from __future__ import annotations

from adapters.dicom.brief import brief
from adapters.dicom.charset import Charset, charset
from adapters.dicom.dataset import Dataset, Element, Fault, keyword, tag_of, tag_text
from adapters.dicom.errors import Damaged, DicomError, LimitExceeded, NotDicom
from adapters.dicom.limits import LIMITS, Limits
from adapters.dicom.reader import Instance, looks_like, payload, read

__all__ = [
    "LIMITS",
    "Charset",
    "Damaged",
    "Dataset",
    "DicomError",
    "Element",
    "Fault",
    "Instance",
    "LimitExceeded",
    "Limits",
    "NotDicom",
    "brief",
    "charset",
    "keyword",
    "looks_like",
    "payload",
    "read",
    "tag_of",
    "tag_text",
]
