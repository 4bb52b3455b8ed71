"""Period and Range (R4 datatypes.html, per-1 and rng-2): the end is not before the start, as far as both say."""

from __future__ import annotations

from typing import Any

from mappings.leaves.base import Invalid
from mappings.leaves.time import as_utc

__all__ = ["last_of"]


def _ends_early(period: dict[str, Any]) -> bool:
    """Whether a Period ends before it begins; what is given less exactly is compared as far as it goes."""
    start, end = period.get("start"), period.get("end")
    if not isinstance(start, str) or not isinstance(end, str):
        return False
    if "T" in start and "T" in end:
        try:
            return as_utc(end) < as_utc(start)
        except Invalid:
            return False
    length = min(len(start[:10]), len(end[:10]))
    return end[:length] < start[:length]


def _upside_down(interval: dict[str, Any]) -> bool:
    low, high = interval.get("low", {}), interval.get("high", {})
    if "value" not in low or "value" not in high or low.get("unit") != high.get("unit"):
        return False
    return bool(high["value"] < low["value"])


def last_of(kind: str, value: dict[str, Any]) -> str:
    """The element that contradicts the first: `end` of a Period, `high` of a Range; '' if none does."""
    if kind == "Period" and _ends_early(value):
        return "end"
    return "high" if kind == "Range" and _upside_down(value) else ""
