"""What says that there is no allergy (AL1-3, IAM-3): a coded statement, never a substance (mappings.md, "v2 negation").

SNOMED CT concepts for it are read from tables/NoKnownAllergy.csv: codes, abbreviations and phrases in English, German,
Spanish, French and Chinese, compared without case, punctuation and repeated spaces.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from adapters.fhir import JsonValue
from mappings.leaves.base import Invalid, Leaf, LeafContext

__all__ = ["LEAVES", "says_no_allergy"]

_TABLE = Path(__file__).resolve().parent.parent / "tables" / "NoKnownAllergy.csv"
_NOISE = re.compile(r"[\s.,;:!()/_\-]+")


def _plain(text: str) -> str:
    return _NOISE.sub(" ", text).strip().casefold()


@functools.cache
def _statements() -> Mapping[str, tuple[str, str, str]]:
    """Plain text or code -> (code, system, display)."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return {_plain(row["code"]): (row["target"], row["system"], row["display"]) for row in rows}


@functools.lru_cache(maxsize=4096)  # allergens repeat, and several rows of a map ask about the same one
def _statement(text: str) -> tuple[str, str, str] | None:
    return _statements().get(_plain(text))


def _found(texts: Iterable[str]) -> tuple[str, str, str] | None:
    for text in texts:
        if text and (found := _statement(text)):
            return found
    return None


def says_no_allergy(texts: Iterable[str]) -> bool:
    """Whether one of the codes or texts of an allergen says that there is none."""
    return _found(texts) is not None


def no_known_allergy(parts: Sequence[str], context: LeafContext) -> JsonValue:
    """CWE.1, .2, .3, .4, .5, .9 to the SNOMED CT coding of the statement."""
    found = _found(parts)
    if found is None:
        raise Invalid("does not say that there is no allergy")
    code, system, display = found
    return {"code": code, "system": system, "display": display}


LEAVES = {"no-known-allergy": Leaf(no_known_allergy, arity=6, produces=("Coding",))}
