"""Leaf functions for telephone numbers (v2-to-FHIR guide, XTN[ContactPoint])."""

from __future__ import annotations

from collections.abc import Sequence

from mappings.leaves.base import Leaf, LeafContext
from mappings.leaves.core import text

__all__ = ["LEAVES"]


def phone(parts: Sequence[str], context: LeafContext) -> str | None:
    """XTN.5 country, .6 area, .7 local number, .8 extension: `+1 720 301 3954 X12`, by the parts that are there."""
    country, area, local, extension = (part.strip() for part in parts)
    words = []
    if country:
        words.append(country if country.startswith("+") else f"+{country}")
    words += [word for word in (area, local) if word]
    if extension:
        words.append(f"X{extension}")
    return text(" ".join(words), context)


LEAVES = {"phone": Leaf(phone, arity=4, produces=("string",))}
