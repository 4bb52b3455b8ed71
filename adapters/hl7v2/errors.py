"""Errors of the HL7 v2 adapter: what the sender's bytes can be guilty of.

    Hl7Error
    ├── HeaderError   no MSH, or MSH-1/MSH-2 unusable: the bytes are not a message
    └── LimitError    larger than the reader's limits

All are the peer's fault; none carries a value of the message. What is wrong below MSH is an issue, not an error.
"""

from __future__ import annotations


class Hl7Error(Exception):
    """Base of the HL7 v2 adapter's errors."""


class HeaderError(Hl7Error):
    """No MSH segment, or its separators (MSH-1, MSH-2) can't be used."""


class LimitError(Hl7Error):
    """The message exceeds a limit of the reader."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"more than {limit} {what}")
        self.what = what
        self.limit = limit
