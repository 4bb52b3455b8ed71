"""Limits of the reader: hospital text is hostile (architecture, "Rules that decide arguments")."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts are per message, per segment and per field; `size` in bytes."""

    size: int = 64 << 20
    segments: int = 100_000
    fields: int = 10_000
    repetitions: int = 100_000


DEFAULT_LIMITS = Limits()
