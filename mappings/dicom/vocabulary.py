"""Code schemes and concepts of DICOM (PS3.16 section 8, CID 29 and 33): what pydicom brings, read and not copied.

SNOMED CT codes are free for use in DICOM; none of them stands in our files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["DCM", "SCT", "Schemes", "acquisition", "body_part", "concept", "from_srt", "known_modality"]

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SCT = "http://snomed.info/sct"
_SRT = frozenset({"SRT", "SNM3", "99SDM"})


@dataclass(frozen=True, slots=True)
class Schemes:
    """Coding schemes as one data set names them: PS3.16 table 8-1, and (0008,0110) for private ones."""

    systems: Mapping[str, str]  # of table Schemes.csv
    uids: Mapping[str, str]  # of (0008,0110)
    site: str  # base of systems for private schemes without UID
    parts: Mapping[str, str]  # of table BodyParts.csv

    def coding(self, scheme: str, code: str) -> tuple[str, str]:
        """(system, code) of a code; system '' if nobody can say it."""
        name = scheme.strip()
        if name.upper() in _SRT:
            mapped = from_srt(code)
            return (SCT, mapped) if mapped else (self.systems["SRT"], code)
        system = self.systems.get(name.upper(), "")
        if not system and self.uids.get(name):
            system = f"urn:oid:{self.uids[name]}"
        if not system and name.upper().startswith("99"):
            system = f"{self.site}/CodeSystem/dicom-{''.join(each if each.isalnum() else '-' for each in name)}"
        return system, code


@cache
def _srt() -> Mapping[str, str]:
    from pydicom.sr._snomed_dict import mapping

    found: Mapping[str, str] = mapping["SRT"]
    return found


def from_srt(code: str) -> str:
    """The SNOMED CT code of an SRT code, '' if none is known (PS3.16 annex O)."""
    return _srt().get(code, "")


@cache
def _concepts(scheme: str) -> Mapping[str, Any]:
    from pydicom.sr._concepts_dict import concepts

    found: Mapping[str, Any] = concepts[scheme]
    return found


@cache
def _group(number: int, scheme: str) -> frozenset[str]:
    """Codes of a context group, of one scheme."""
    return frozenset(
        code for entries in _concepts(scheme).values() for code, (_, groups) in entries.items() if number in groups
    )


def acquisition(code: str) -> bool:
    """CID 29: modalities that acquire; no reports, presentation states or segmentations."""
    return code in _group(29, "DCM")


def known_modality(code: str) -> bool:
    """CID 33."""
    return code in _group(33, "DCM")


@cache
def _parts() -> Mapping[str, tuple[str, str]]:
    """Body parts of CID 4 by their names in capitals: (code, meaning)."""
    found: dict[str, tuple[str, str]] = {}
    for name, entries in _concepts("SCT").items():
        for code, (meaning, groups) in entries.items():
            if 4 in groups:
                found.setdefault(name.upper(), (code, meaning))
    return found


def body_part(term: str, names: Mapping[str, str]) -> tuple[str, str] | None:
    """(code, meaning) of a term of (0018,0015), PS3.16 annex L; `names`: terms whose concept has another name."""
    term = " ".join(term.upper().split())
    if term in names:
        return concept("SCT", names[term])
    return _parts().get(term.replace(" ", "").replace("_", ""))


def concept(scheme: str, name: str) -> tuple[str, str] | None:
    """(code, meaning) of a concept by pydicom's name for it."""
    for code, (meaning, _) in _concepts(scheme).get(name, {}).items():
        return code, meaning
    return None
