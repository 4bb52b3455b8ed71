"""SNOMED CT identifiers: 6 to 18 digits, the last one a Verhoeff check digit (RF2 specification, "SCTID")."""

from __future__ import annotations

__all__ = ["check_digit", "valid_sctid"]

# the dihedral group D5, and the permutation by position
_PRODUCT = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_PERMUTATION = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
_INVERSE = "0432156789"


def _checksum(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total = int(_PRODUCT[total][int(_PERMUTATION[place % 8][int(digit)])])
    return total


def check_digit(digits: str) -> str:
    """The digit to append."""
    return _INVERSE[_checksum(digits + "0")]


def valid_sctid(text: str) -> bool:
    """Whether a text is a well-formed identifier."""
    shaped = text.isascii() and text.isdigit() and 6 <= len(text) <= 18 and text[0] != "0"
    return shaped and _checksum(text) == 0
