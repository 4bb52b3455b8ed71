"""Leaf functions for the end of a Period (R4 per-1: an end before its start is no period)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mappings.leaves.base import Invalid, Leaf, LeafContext, LeafResult, Partly
from mappings.leaves.time import date_time

__all__ = ["LEAVES"]


def period_end(parts: Sequence[str], context: LeafContext) -> LeafResult:
    """End and start to Period.end; an end that is surely before its start falls, the start stands."""
    end, start = parts
    if not end:
        return None
    found = date_time(end, context)
    try:
        begin = date_time(start, context) if start else None
    except Invalid:
        begin = None
    if begin is not None and _before(_plain(found), _plain(begin)):
        raise Invalid("is before the start of its period")
    return found


def _plain(value: LeafResult) -> str:
    return str(value.value if isinstance(value, Partly) else value)


def _before(end: str, start: str) -> bool:
    """To the precision that both have; across zones a day is not the same day."""
    if "T" in end and "T" in start:
        try:
            return datetime.fromisoformat(end) < datetime.fromisoformat(start)
        except ValueError:  # a fraction of another length
            pass
    shared = min(len(end.partition("T")[0]), len(start.partition("T")[0]))
    if ("T" in end) != ("T" in start):
        shared = min(shared, 7)
    return end[:shared] < start[:shared]


LEAVES = {"period-end": Leaf(period_end, arity=2, produces=("dateTime",))}
