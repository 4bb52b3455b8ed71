"""Leaf functions for names as one text (v2-to-FHIR guide, XPN[string])."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mappings.leaves.base import Leaf, LeafContext
from mappings.leaves.core import text

__all__ = ["LEAVES"]

_FAMILY, _GIVEN, _MIDDLE, _SUFFIX, _PREFIX, _DEGREE, _PROFESSIONAL = range(7)


def given_first(parts: Sequence[str], context: LeafContext) -> str | None:
    """XPN.1.1, .2, .3, .4, .5, .6 and .14 in the order G of table 0444: prefix, given, middle, family, suffix."""
    return _joined(parts, (_PREFIX, _GIVEN, _MIDDLE, _FAMILY, _SUFFIX, _DEGREE, _PROFESSIONAL), context)


def family_first(parts: Sequence[str], context: LeafContext) -> str | None:
    """The same in the order F: prefix, family, middle, given, suffix."""
    return _joined(parts, (_PREFIX, _FAMILY, _MIDDLE, _GIVEN, _SUFFIX, _DEGREE, _PROFESSIONAL), context)


def _joined(parts: Sequence[str], order: Iterable[int], context: LeafContext) -> str | None:
    return text(" ".join(word for index in order if (word := parts[index].strip())), context)


LEAVES = {
    "given-first": Leaf(given_first, arity=7, produces=("string",)),
    "family-first": Leaf(family_first, arity=7, produces=("string",)),
}
