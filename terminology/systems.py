"""Code systems by URI, their short names, and how their codes are written (terminology.hl7.org, "Using Codes").

Senders write ICD codes with and without the dot and in either case; `written` gives the one form in which packs hold
them and in which translations are written. The sender's own coding is never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

__all__ = [
    "CVX",
    "ICD9CM",
    "ICD10",
    "ICD10CM",
    "LOINC",
    "NAMES",
    "SNOMED",
    "UCUM",
    "uri",
    "written",
]

ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CVX = "http://hl7.org/fhir/sid/cvx"

NAMES = {
    "icd-9-cm": ICD9CM,
    "icd-10-cm": ICD10CM,
    "icd-10": ICD10,
    "icd-o-3": "http://terminology.hl7.org/CodeSystem/icd-o-3",
    "snomed": SNOMED,
    "loinc": LOINC,
    "ucum": UCUM,
    "cvx": CVX,
}


def uri(name: str) -> str:
    """The URI that a short name stands for; anything else as it is."""
    return NAMES.get(name, name)


def _icd10(code: str) -> str:
    plain = code.replace(".", "").upper()
    return plain if len(plain) <= 3 else f"{plain[:3]}.{plain[3:]}"


def _icd9(code: str) -> str:
    plain = code.replace(".", "").upper()
    head = 4 if plain.startswith("E") else 3
    return plain if len(plain) <= head else f"{plain[:head]}.{plain[head:]}"


_FORMS: dict[str, Callable[[str], str]] = {ICD10CM: _icd10, ICD10: _icd10, ICD9CM: _icd9}


@lru_cache(maxsize=16384)
def written(system: str, code: str) -> str:
    """A code as packs hold it."""
    form = _FORMS.get(system)
    return code if form is None else form(code.strip())
