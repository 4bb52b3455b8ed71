"""Long runs: how much of one is done where."""

from __future__ import annotations

import os

__all__ = ["amount"]


def amount(whole: int, slice_: int) -> int:
    """All of a long run; a slice of it in CI (TABELLION_SOAK_SLICE)."""
    return slice_ if os.environ.get("TABELLION_SOAK_SLICE") else whole
