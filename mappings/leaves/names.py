"""Leaf functions for names as one text (v2-to-FHIR guide, XPN[string])."""

from __future__ import annotations

from collections.abc import Sequence

from mappings.leaves.base import Leaf, LeafContext
from mappings.leaves.core import text

__all__ = ["LEAVES"]

_FAMILY, _GIVEN, _MIDDLE, _SUFFIX, _PREFIX, _DEGREE, _PROFESSIONAL, _ORDER = range(8)
_GIVEN_FIRST = (_PREFIX, _GIVEN, _MIDDLE, _FAMILY, _SUFFIX, _DEGREE, _PROFESSIONAL)
_FAMILY_FIRST = (_PREFIX, _FAMILY, _MIDDLE, _GIVEN, _SUFFIX, _DEGREE, _PROFESSIONAL)


def assembled_name(parts: Sequence[str], context: LeafContext) -> str | None:
    """XPN.1.1, .2, .3, .4, .5, .6, .14 and .11 (table 0444: F = family first, else given first) to one text."""
    order = _FAMILY_FIRST if parts[_ORDER].strip().upper() == "F" else _GIVEN_FIRST
    words = [parts[index].strip() for index in order]
    return text(" ".join(word for word in words if word), context)


LEAVES = {"assembled-name": Leaf(assembled_name, arity=8, produces=("string",))}
