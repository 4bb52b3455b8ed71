"""Leaf functions for birth and death (v2-to-FHIR guide, PID[Patient] PID-7, PID-24, PID-25, PID-29, PID-30)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mappings.leaves.base import Invalid, Leaf, LeafContext, LeafResult, Partly
from mappings.leaves.core import positive
from mappings.leaves.time import date, date_time

__all__ = ["LEAVES"]

_NO_TIME = re.compile(r"\d{8}(?:0+(?:\.0*)?)?(?:[+-]\d{4})?|\d{4}(?:\d{2})?")


def birth_time(source: str, context: LeafContext) -> LeafResult:
    """PID-7 with time of day and zone to the birthTime extension; midnight is taken for no time at all."""
    if _NO_TIME.fullmatch(source.strip()):
        return None
    found = date_time(source, context)
    return None if isinstance(found, Partly) else found


def birth_date(source: str, context: LeafContext) -> LeafResult:
    """PID-7 to birthDate; a time of day that birthTime can't carry stays as original text."""
    found = date(source, context)
    if isinstance(found, Partly) and birth_time(source, context) is not None:
        return found.value
    return found


def birth_order(parts: Sequence[str], context: LeafContext) -> int:
    """PID-25 and PID-24: the order implies the multiple birth that PID-24 says."""
    if not parts[0]:
        raise Invalid("has no birth order")
    return positive(parts[0], context)


def death_time(parts: Sequence[str], context: LeafContext) -> LeafResult:
    """PID-29 and PID-30: the time implies the death that PID-30 says."""
    return date_time(parts[0], context) if parts[0] else None


LEAVES = {
    "birth-time": Leaf(birth_time, produces=("dateTime",)),
    "birth-date": Leaf(birth_date, produces=("date",)),
    "birth-order": Leaf(birth_order, arity=2, produces=("integer",)),
    "death-time": Leaf(death_time, arity=2, produces=("dateTime",)),
}
