"""Bounds of reading: what a header may cost, whatever the bytes say."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Real headers stay far below: the largest enhanced multi-frame object at hand has 60,000 elements, 7 levels."""

    depth: int = 24  # sequences in sequences
    elements: int = 500_000  # of the whole data set, sequences included
    value: int = 1 << 20  # bytes of one value that is kept; longer ones are only counted
    document: int = 64 << 20  # bytes of an encapsulated document (0042,0011)
    inflated: int = 256 << 20  # bytes of a deflated data set


LIMITS = Limits()
