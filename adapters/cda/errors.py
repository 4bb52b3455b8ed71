"""Errors of the CDA adapter: what the sender's bytes can be guilty of.

    CdaError
    ├── EncodingError    no character encoding fits the bytes
    ├── Malformed        not well-formed XML
    ├── Refused          a document type or entity declaration, which no CDA document needs
    ├── NotADocument     XML, but not a ClinicalDocument
    └── LimitError       larger than the reader's limits

All are the peer's fault; none carries a value of the document.
"""

from __future__ import annotations


class CdaError(Exception):
    """Base of the CDA adapter's errors."""


class EncodingError(CdaError):
    """The bytes are text in none of the encodings that were tried."""


class Malformed(CdaError):
    """The bytes are not well-formed XML."""


class Refused(CdaError):
    """The document declares a DTD or an entity."""


class NotADocument(CdaError):
    """The root element is not ClinicalDocument."""


class LimitError(CdaError):
    """The document exceeds a limit of the reader."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"more than {limit} {what}")
        self.what = what
        self.limit = limit
