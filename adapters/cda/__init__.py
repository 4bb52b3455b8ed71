"""HL7 CDA R2 documents: a bounded reader and the values it gives. Pure: bytes in, values out."""

from __future__ import annotations

from adapters.cda.errors import CdaError, EncodingError, LimitError, Malformed, NotADocument, Refused
from adapters.cda.reader import ReadLimits, read
from adapters.cda.tree import Document, Node

__all__ = [
    "CdaError",
    "Document",
    "EncodingError",
    "LimitError",
    "Malformed",
    "Node",
    "NotADocument",
    "ReadLimits",
    "Refused",
    "read",
]
