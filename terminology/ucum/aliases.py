"""What is written instead of UCUM (aliases.csv): suggestions, each to a unit of UCUM. The original stays the sender's.

A text that is a unit of UCUM already has no alias, even if something else was probably meant (`K/uL` is kelvin).
"""

from __future__ import annotations

import csv
from functools import cache, lru_cache
from importlib.resources import files
from io import StringIO

from terminology.ucum.parser import valid

__all__ = ["alias", "aliases"]

# the two mu of Unicode, and digits written small
_CHARACTERS = str.maketrans({"µ": "u", "μ": "u", "²": "2", "³": "3"})


@cache
def aliases() -> dict[str, str]:
    """The table: as written → UCUM."""
    text = files("terminology.ucum").joinpath("aliases.csv").read_text(encoding="utf-8")
    return {row["written"]: row["ucum"] for row in csv.DictReader(StringIO(text))}


@lru_cache(maxsize=4096)
def alias(text: str) -> str | None:
    """The unit of UCUM that a text commonly stands for; None: it is one itself, or none is known."""
    if valid(text):
        return None
    found = aliases().get(text)
    if found is not None:
        return found
    plain = text.translate(_CHARACTERS)
    if plain == text:
        return None
    return aliases().get(plain, plain if valid(plain) else None)
