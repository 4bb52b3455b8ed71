"""Leaf functions for numeric results: NM with a comparator, SN.1, OBX-7 ranges (v2.5.1, 2.A.47, 2.A.70, 7.4.2.7).

A text that is no number is refused, never read halfway: `3+` and `1,5` mean different things in different laboratories.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from adapters.fhir import JsonValue
from mappings.leaves.base import Invalid, Leaf, LeafContext, LeafResult

__all__ = ["LEAVES", "power_unit"]

_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_MEASURED = re.compile(rf"\s*(<=|>=|<|>|≤|≥|=)?\s*({_NUMBER})\s*", re.ASCII)
_BOTH = re.compile(rf"\s*[\[(]?\s*({_NUMBER})\s*(?:-|–|to|\.\.)\s*({_NUMBER})\s*[\])]?\s*", re.ASCII)
# the ends of a FHIR reference range belong to it: `<5` stays text
_BOUND = re.compile(rf"\s*[\[(]?\s*(<=|>=|≤|≥)\s*({_NUMBER})\s*[\])]?\s*", re.ASCII)
_COMPARATORS = {"<": "<", "<=": "<=", "≤": "<=", ">": ">", ">=": ">=", "≥": ">="}
_PLAIN = re.compile(_NUMBER, re.ASCII)
_TEN = re.compile(r"(?:[xX*]\s*)?10", re.ASCII)
_EXPONENT = re.compile(r"[+-]?[0-9]{1,2}\s*(?:/.*)?", re.ASCII)
_DIGITS = 18
"""FHIR asks for 18 significant digits (datatypes.html#decimal)."""


def _decimal(text: str) -> Decimal:
    """A number with its precision: sign + and leading zeros go, 13.20 stays 13.20, 5. is 5."""
    number = text.lstrip("+").rstrip(".")
    if len(number) > _DIGITS + 2:
        raise Invalid("has too many digits")
    found = Decimal(number)
    # Decimal('-0') prints as -0, which says nothing more than 0
    return found if found or not found.is_signed() else -found


def nm_value(text: str, context: LeafContext) -> Decimal:
    """NM -> Quantity.value; the comparator before it, if any, is nm-comparator's."""
    match = _MEASURED.fullmatch(text)
    if match is None:
        raise Invalid("is not a number")
    return _decimal(match[2])


def nm_comparator(text: str, context: LeafContext) -> str | None:
    """NM -> Quantity.comparator: `<5` from analysers that know no SN; nothing for a plain number."""
    match = _MEASURED.fullmatch(text)
    return None if match is None else _COMPARATORS.get(match[1] or "")


def sn_comparator(text: str, context: LeafContext) -> str | None:
    """SN.1 -> Quantity.comparator; `=` is what no comparator means."""
    found = text.strip()
    if found == "=":
        return None
    if found not in _COMPARATORS:
        raise Invalid("is not a comparator of FHIR")
    return _COMPARATORS[found]


def sn_value(texts: Sequence[str], context: LeafContext) -> Decimal:
    """SN.1, SN.2 -> Quantity.value, where SN.1 is a comparator of FHIR, `=` or absent."""
    if texts[0].strip() not in ("", "=") and texts[0].strip() not in _COMPARATORS:
        raise Invalid("has a comparator that FHIR has not")
    return _number(texts[1])


def sn_plain(texts: Sequence[str], context: LeafContext) -> Decimal:
    """SN.1, SN.2 -> a bound of a Range, where SN.1 is `=` or absent: a Range takes no comparator."""
    if texts[0].strip() not in ("", "="):
        raise Invalid("has a comparator that a range can't hold")
    return _number(texts[1])


def sn_bound(texts: Sequence[str], context: LeafContext) -> Decimal:
    """SN.3, SN.4 -> the second number; the separator is what makes it a Range or a Ratio."""
    return _number(texts[1])


def _number(text: str) -> Decimal:
    """A number and nothing else."""
    found = text.strip()
    if not _PLAIN.fullmatch(found):
        raise Invalid("is not a number")
    return _decimal(found)


def number(text: str, context: LeafContext) -> Decimal:
    """NM where no comparator can stand (NR, CQ.1)."""
    return _number(text)


def power_unit(code: str, text: str) -> str:
    """`10^9/L` in OBX-6, sent without escaping: its two components are one unit; '' where they are something else."""
    return f"{code}^{text}" if _TEN.fullmatch(code) and _EXPONENT.fullmatch(text) else ""


def _quantity(number: str, unit: Sequence[str]) -> LeafResult:
    """A SimpleQuantity of a bound, with the unit that OBX-6 gives for the result."""
    value = _decimal(number)
    found: dict[str, JsonValue] = {"value": value}
    if unit[1] or unit[0]:
        found["unit"] = power_unit(unit[0], unit[1]) or unit[1] or unit[0]
    return found


def range_low(texts: Sequence[str], context: LeafContext) -> LeafResult:
    """OBX-7, OBX-6.1, OBX-6.2 -> referenceRange.low, where the text is `a-b` or `>=a` and nothing else."""
    both = _BOTH.fullmatch(texts[0])
    if both is not None:
        return _quantity(both[1], texts[1:]) if _decimal(both[1]) <= _decimal(both[2]) else None
    bound = _BOUND.fullmatch(texts[0])
    return _quantity(bound[2], texts[1:]) if bound is not None and bound[1] in (">=", "≥") else None


def range_high(texts: Sequence[str], context: LeafContext) -> LeafResult:
    """OBX-7, OBX-6.1, OBX-6.2 -> referenceRange.high, where the text is `a-b` or `<=b` and nothing else."""
    both = _BOTH.fullmatch(texts[0])
    if both is not None:
        return _quantity(both[2], texts[1:]) if _decimal(both[1]) <= _decimal(both[2]) else None
    bound = _BOUND.fullmatch(texts[0])
    return _quantity(bound[2], texts[1:]) if bound is not None and bound[1] in ("<=", "≤") else None


LEAVES = {
    "nm-value": Leaf(nm_value, produces=("decimal",)),
    "nm-comparator": Leaf(nm_comparator, produces=("code",)),
    "nm-number": Leaf(number, produces=("decimal",)),
    "sn-value": Leaf(sn_value, arity=2, produces=("decimal",)),
    "sn-plain": Leaf(sn_plain, arity=2, produces=("decimal",)),
    "sn-bound": Leaf(sn_bound, arity=2, produces=("decimal",)),
    "sn-comparator": Leaf(sn_comparator, produces=("code",)),
    "range-low": Leaf(range_low, arity=3, produces=("Quantity",)),
    "range-high": Leaf(range_high, arity=3, produces=("Quantity",)),
}
