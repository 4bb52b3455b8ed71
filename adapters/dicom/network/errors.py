"""Errors of the upper layer.

NetworkError
└── Abort   the peer broke the protocol: the association ends with A-ABORT (PS3.8 section 9.3.8), its `reason` in it
"""

from __future__ import annotations

__all__ = ["NOT_SPECIFIED", "UNEXPECTED_PDU", "UNEXPECTED_VALUE", "UNRECOGNISED_PDU", "Abort", "NetworkError"]

NOT_SPECIFIED, UNRECOGNISED_PDU, UNEXPECTED_PDU, UNEXPECTED_VALUE = 0, 1, 2, 6


class NetworkError(Exception):
    """Base of the upper layer's errors."""


class Abort(NetworkError):
    """The association can't go on."""

    def __init__(self, reason: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason
