"""Write `sample_data/terminology/rf2/`: a made-up RF2 Snapshot release in the shapes that real map rules have.

    python -m tools.terminology_samples

Every concept is invented, in the invented namespace 9999999, with valid check digits; only identifiers that the RF2
specification itself fixes (types, refset attributes, the sexes, age at onset) are SNOMED International's. Targets are
ICD-10-CM codes. No SNOMED CT content is in it.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

from terminology.rf2.sctid import check_digit

FOLDER = Path(__file__).resolve().parent.parent / "sample_data" / "terminology" / "rf2"
DATE = "20260101"
NAMESPACE = "9999999"
FEMALE, MALE, AGE = "248152002", "248153007", "445518008"
_ACTIVE, _FSN, _SYNONYM, _CASE = "1", "900000000000003001", "900000000000013009", "900000000000448009"
_UNSPECIFIED, _PROPER, _IMPOSSIBLE = "447561005", "447637006", "447638001"
_DEFINITION, _STATED = "900000000000074008", "900000000000011006"


def sctid(item: int, partition: str = "10") -> str:
    """An identifier in our namespace: partition 10 concept, 11 description, 12 relationship."""
    digits = f"{item}{NAMESPACE}{partition}"
    return digits + check_digit(digits)


MODULE, REFSET = sctid(1), sctid(2)
# name → (number, full name, parent)
CONCEPTS = {
    "root": (10, "Invented finding (finding)", None),
    "lung": (11, "Invented lung disease (disorder)", "root"),
    "mould": (12, "Invented mould disease (disorder)", "root"),
    "childless": (101, "Invented childlessness (finding)", "root"),
    "bronchitis": (102, "Invented bronchitis (disorder)", "lung"),
    "growth": (103, "Invented growth finding (finding)", "root"),
    "mould-lung": (104, "Invented mould disease of lung (disorder)", "lung"),
    "unclassifiable": (105, "Invented unclassifiable finding (finding)", "root"),
    "gaps": (106, "Invented finding of groups two and four (finding)", "root"),
    "tie": (107, "Invented finding mapped twice (finding)", "root"),
    "other-finding": (108, "Invented finding with another one (finding)", "root"),
    "unparseable": (109, "Invented finding of odd rule (finding)", "root"),
    "two-true": (110, "Invented finding of two true rows (finding)", "root"),
    "old": (111, "Invented finding of old (finding)", "root"),
    "old-unclear": (112, "Invented finding of old, unclear (finding)", "root"),
    "unmapped": (113, "Invented mild bronchitis (disorder)", "bronchitis"),
    "unmapped-torn": (114, "Invented finding between two (finding)", "lung"),
    "undotted": (115, "Invented undotted finding (finding)", "root"),
    "retired-target": (116, "Invented finding of retired code (finding)", "root"),
    "placeholder": (117, "Invented fracture without side (finding)", "root"),
    "wound": (118, "Invented wound of scalp (disorder)", "root"),
    "newborn": (119, "Invented finding of newborns (finding)", "root"),
    "plain": (120, "Invented plain finding (finding)", "root"),
    "poisoning": (121, "Invented poisoning (disorder)", "root"),
    "translated-terms": (122, "Invented finding with terms in the rule (finding)", "root"),
}
INACTIVE = {"old", "old-unclear"}
_AGE = f"IFA {AGE} | Age at onset of clinical finding (observable entity) |"
# (concept, group, priority, rule, target, further advice), not in the order of priority: real files aren't either
MAPS = (
    ("childless", 1, 3, "OTHERWISE TRUE", "", ""),
    ("childless", 1, 1, f"IFA {FEMALE} | Female (finding) |", "N97.9", ""),
    ("childless", 1, 2, f"IFA {MALE} | Male (finding) |", "N46.9", ""),
    ("bronchitis", 1, 1, f"{_AGE} < 15.0 years", "J20.9", ""),
    ("bronchitis", 1, 2, "OTHERWISE TRUE", "J40", ""),
    ("growth", 1, 3, "OTHERWISE TRUE", "", ""),
    ("growth", 1, 2, f"{_AGE} < 19.0 years", "Z00.2", ""),
    ("growth", 1, 1, f"{_AGE} >= 12.0 years AND {_AGE} < 19.0 years", "Z00.3", ""),
    ("mould-lung", 2, 1, "TRUE", "J17", ""),
    ("mould-lung", 1, 1, "TRUE", "B44.1", ""),
    ("unclassifiable", 1, 1, "TRUE", "", ""),
    ("gaps", 2, 1, "TRUE", "R05.9", ""),
    ("gaps", 4, 1, "TRUE", "R06.2", ""),
    ("tie", 1, 1, "TRUE", "R07.0", ""),
    ("tie", 1, 1, "TRUE", "R07.1", ""),
    ("other-finding", 1, 1, f"IFA {sctid(12)} | Invented mould disease (disorder) |", "B44.9", ""),
    ("other-finding", 1, 2, "OTHERWISE TRUE", "J84.9", ""),
    ("unparseable", 1, 1, f"IFA {FEMALE} | Female (finding) | OR SOMETHING", "R10.9", ""),
    ("unparseable", 1, 2, "OTHERWISE TRUE", "R11.0", ""),
    ("two-true", 1, 1, "TRUE", "R42", ""),
    ("two-true", 1, 2, "TRUE", "R51.9", ""),
    ("undotted", 1, 1, "TRUE", "J40X", ""),
    ("retired-target", 1, 1, "TRUE", "A04.7", ""),
    ("placeholder", 1, 1, "TRUE", "S52.501?", ""),
    ("wound", 1, 1, "TRUE", "S01.01XA", "POSSIBLE REQUIREMENT FOR AN EXTERNAL CAUSE CODE"),
    ("newborn", 1, 1, f"{_AGE} <= 28.0 days", "P22.9", ""),
    ("newborn", 1, 2, f"{_AGE} < 2 years", "R06.03", ""),
    ("newborn", 1, 3, "OTHERWISE TRUE", "J80", ""),
    ("plain", 1, 1, "TRUE", "R05.9", ""),
    ("lung", 1, 1, "TRUE", "J98.4", ""),
    ("mould", 1, 1, "TRUE", "B49", ""),
    ("poisoning", 1, 1, "TRUE", "T39.1X1A", ""),
    ("poisoning", 2, 1, "TRUE", "R10.9", ""),
    ("poisoning", 3, 1, "TRUE", "Y92.9", ""),
    ("translated-terms", 1, 1, f"IFA {FEMALE}|Weiblich (Befund) und AND|", "N97.9", ""),
    ("translated-terms", 1, 2, "OTHERWISE TRUE", "N46.9", ""),
)
# inactive concept → (association refset, successor)
HISTORY = (
    ("old", "900000000000527005", "plain"),
    ("old-unclear", "900000000000523009", "plain"),
    ("old-unclear", "900000000000523009", "wound"),
)


def _id(kind: str, number: int) -> str:
    return str(uuid.uuid5(uuid.UUID(int=0), f"{kind} {number}"))


def files() -> dict[str, list[tuple[str, ...]]]:
    """Rows of each file, header first."""
    by_name = {name: sctid(number) for name, (number, _, _) in CONCEPTS.items()}
    stamp = (DATE, _ACTIVE, MODULE)
    concepts: list[tuple[str, ...]] = [("id", "effectiveTime", "active", "moduleId", "definitionStatusId")]
    concepts += [
        (by_name[name], DATE, "0" if name in INACTIVE else "1", MODULE, _DEFINITION) for name in CONCEPTS
    ]  # fmt: skip
    terms: list[tuple[str, ...]] = [
        (
            "id",
            "effectiveTime",
            "active",
            "moduleId",
            "conceptId",
            "languageCode",
            "typeId",
            "term",
            "caseSignificanceId",
        )
    ]
    preferred: list[tuple[str, ...]] = [
        ("id", "effectiveTime", "active", "moduleId", "refsetId", "referencedComponentId", "acceptabilityId")
    ]
    for name, (number, full, _) in CONCEPTS.items():
        synonym = full.rpartition(" (")[0]
        for place, (type_, term) in enumerate(((_FSN, full), (_SYNONYM, synonym))):
            terms.append((sctid(number * 2 + place, "11"), *stamp, by_name[name], "en", type_, term, _CASE))
        preferred.append(
            (_id("l", number), *stamp, "900000000000509007", sctid(number * 2 + 1, "11"), "900000000000548007")
        )
    relations: list[tuple[str, ...]] = [
        (
            *("id", "effectiveTime", "active", "moduleId", "sourceId", "destinationId"),
            *("relationshipGroup", "typeId", "characteristicTypeId", "modifierId"),
        )
    ]
    above = [(name, parent) for name, (_, _, parent) in CONCEPTS.items() if parent] + [
        ("mould-lung", "mould"),
        ("unmapped-torn", "mould"),
    ]
    for number, (name, parent) in enumerate(above, 1):
        ends = (by_name[name], by_name[parent])
        relations.append(
            (sctid(number, "12"), *stamp, *ends, "0", "116680003", _STATED, "900000000000451002")
        )  # fmt: skip
    refset = ("id", "effectiveTime", "active", "moduleId", "refsetId", "referencedComponentId")
    maps: list[tuple[str, ...]] = [
        (
            *refset,
            *("mapGroup", "mapPriority", "mapRule", "mapAdvice", "mapTarget", "correlationId", "mapCategoryId"),
        )
    ]
    for number, (name, group, priority, rule, target, more) in enumerate(MAPS):
        advice = " | ".join(part for part in (f"ALWAYS {target}" if target else "", more) if part)
        category = _PROPER if target else _IMPOSSIBLE
        maps.append(
            (
                *(_id("m", number), *stamp, REFSET, by_name[name], str(group), str(priority)),
                *(rule, advice, target, _UNSPECIFIED, category),
            )
        )
    history: list[tuple[str, ...]] = [(*refset, "targetComponentId")]
    history += [
        (_id("h", number), *stamp, kind, by_name[source], by_name[target])
        for number, (source, kind, target) in enumerate(HISTORY)
    ]
    return {
        f"Terminology/sct2_Concept_Snapshot_XX{NAMESPACE}_{DATE}.txt": concepts,
        f"Terminology/sct2_Description_Snapshot-en_XX{NAMESPACE}_{DATE}.txt": terms,
        f"Terminology/sct2_Relationship_Snapshot_XX{NAMESPACE}_{DATE}.txt": relations,
        f"Refset/Language/der2_cRefset_LanguageSnapshot-en_XX{NAMESPACE}_{DATE}.txt": preferred,
        f"Refset/Map/der2_iisssccRefset_ExtendedMapSnapshot_XX{NAMESPACE}_{DATE}.txt": maps,
        f"Refset/Content/der2_cRefset_AssociationSnapshot_XX{NAMESPACE}_{DATE}.txt": history,
    }


def main() -> int:
    """Rewrite the sample."""
    for name, rows in files().items():
        path = FOLDER / "Snapshot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("".join("\t".join(row) + "\r\n" for row in rows).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
