"""Errors of the MLLP door.

Hl7Error (adapters.hl7v2.errors)
└── MllpError
    ├── HeaderUnusable   the peer's fault: no MSH, or one from which no answer can be made
    ├── NoAnswer         the peer's fault: no acknowledgement, a broken one, or a closed connection
    └── TlsUnusable      our fault: a certificate, key, CA or CRL file that can't be used
"""

from __future__ import annotations

from adapters.hl7v2.errors import Hl7Error

__all__ = ["HeaderUnusable", "MllpError", "NoAnswer", "TlsUnusable"]


class MllpError(Hl7Error):
    """Anything that went wrong on an MLLP connection."""


class HeaderUnusable(MllpError):
    """The frame holds no MSH segment with a usable MSH-1 and MSH-2 (HL7 v2.9 chapter 2, section 2.14.9)."""


class NoAnswer(MllpError):
    """The receiver closed the connection, stayed silent or answered something that is no acknowledgement."""


class TlsUnusable(MllpError):
    """A file that TLS needs can't be read, doesn't fit its key or is not of its kind; the text names the file."""
