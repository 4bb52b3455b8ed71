"""Invariants of R4 (the constraints of the StructureDefinitions) for data types and for the resources we make.

FHIRPath by hand: each function is named by its key and says what it demands; the table at the end tells where
it holds. Only constraints of severity error are here. A value of a wrong type is the structure check's matter:
the functions take anything for a member and stay silent when it is not what they need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from adapters.fhir.findings import Path, Run

Members: TypeAlias = dict[str, Any]
Rule: TypeAlias = Callable[[Members, Path, Run], None]

_ALLERGY_VERIFICATION = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
_CONDITION_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def objects(value: object) -> list[Members]:
    """The objects in an array; [] for everything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _has_choice(value: Members, stem: str) -> bool:
    start = len(stem)
    return any(name.startswith(stem) and name[start : start + 1].isupper() for name in value)


def _has_code(concept: object, system: str, codes: tuple[str, ...]) -> bool:
    codings = objects(concept.get("coding")) if isinstance(concept, dict) else []
    return any(coding.get("system") == system and coding.get("code") in codes for coding in codings)


def _fail(run: Run, path: Path, text: str) -> None:
    run.error("invariant", path, text)


def ext_1(value: Members, path: Path, run: Run) -> None:
    if ("extension" in value) == _has_choice({name.removeprefix("_"): None for name in value}, "value"):
        _fail(run, path, "ext-1: either a value or nested extensions, not both and not neither")


def att_1(value: Members, path: Path, run: Run) -> None:
    if "data" in value and "contentType" not in value:
        _fail(run, path, "att-1: data needs a contentType")


def cpt_2(value: Members, path: Path, run: Run) -> None:
    # an element that holds only an extension (why it is absent) exists, too (FHIRPath exists())
    if "value" in value and not {"system", "_system"} & value.keys():
        _fail(run, path, "cpt-2: a value needs a system")


def per_1(value: Members, path: Path, run: Run) -> None:
    start, end = value.get("start"), value.get("end")
    if isinstance(start, str) and isinstance(end, str) and _later(start, end):
        _fail(run, path, "per-1: the start is after the end")


def _later(start: str, end: str) -> bool:
    """Whether start is surely after end: compared to the shared precision, times only with what both say."""
    from datetime import datetime

    if "T" in start and "T" in end:
        try:
            return datetime.fromisoformat(start) > datetime.fromisoformat(end)
        except (ValueError, TypeError):  # a leap second, or a fault that the structure check names
            return False
    shared = min(len(start.partition("T")[0]), len(end.partition("T")[0]))
    if "T" in start or "T" in end:
        shared = min(shared, 7)  # across zones a day is not the same day
    return start[:shared] > end[:shared]


def qty_3(value: Members, path: Path, run: Run) -> None:
    if "code" in value and "system" not in value:
        _fail(run, path, "qty-3: a code needs a system")


def rat_1(value: Members, path: Path, run: Run) -> None:
    if ("numerator" in value) != ("denominator" in value) or not ({"numerator", "extension"} & value.keys()):
        _fail(run, path, "rat-1: numerator and denominator, both or none; none only with an extension")


def rng_2(value: Members, path: Path, run: Run) -> None:
    low, high = value.get("low"), value.get("high")
    if not isinstance(low, dict) or not isinstance(high, dict):
        return
    least, most = low.get("value"), high.get("value")
    same_unit = low.get("code") == high.get("code") and low.get("unit") == high.get("unit")
    if same_unit and isinstance(least, (int, Decimal)) and isinstance(most, (int, Decimal)) and least > most:
        _fail(run, path, "rng-2: low is above high")


def pat_1(value: Members, path: Path, run: Run) -> None:
    if not {"name", "telecom", "address", "organization"} & value.keys():
        _fail(run, path, "pat-1: a contact has a name, telecom, address or organization")


def ait(value: Members, path: Path, run: Run) -> None:
    wrong = _has_code(value.get("verificationStatus"), _ALLERGY_VERIFICATION, ("entered-in-error",))
    if wrong and "clinicalStatus" in value:
        _fail(run, path, "ait-2: what was entered in error has no clinicalStatus")
    if not wrong and "clinicalStatus" not in value:
        _fail(run, path, "ait-1: clinicalStatus is needed unless entered in error")


def con_4(value: Members, path: Path, run: Run) -> None:
    closed = ("inactive", "remission", "resolved")
    if _has_choice(value, "abatement") and not _has_code(value.get("clinicalStatus"), _CONDITION_CLINICAL, closed):
        _fail(run, path, "con-4: what has abated is inactive, resolved or in remission")


def con_5(value: Members, path: Path, run: Run) -> None:
    wrong = _has_code(value.get("verificationStatus"), _CONDITION_VERIFICATION, ("entered-in-error",))
    if wrong and "clinicalStatus" in value:
        _fail(run, path, "con-5: what was entered in error has no clinicalStatus")


def con_1(value: Members, path: Path, run: Run) -> None:
    if not {"summary", "assessment"} & value.keys():
        _fail(run, path, "con-1: a stage has a summary or an assessment")


def con_2(value: Members, path: Path, run: Run) -> None:
    if not {"code", "detail"} & value.keys():
        _fail(run, path, "con-2: evidence has a code or a detail")


def prr_1(value: Members, path: Path, run: Run) -> None:
    if "orderDetail" in value and "code" not in value:
        _fail(run, path, "prr-1: orderDetail needs a code")


def obs_6(value: Members, path: Path, run: Run) -> None:
    if "dataAbsentReason" in value and _has_choice(value, "value"):
        _fail(run, path, "obs-6: dataAbsentReason only where there is no value")


def obs_7(value: Members, path: Path, run: Run) -> None:
    if not _has_choice(value, "value"):
        return
    own = _codings(value.get("code"))
    for place, component in enumerate(objects(value.get("component"))):
        if own & _codings(component.get("code")):
            _fail(run, ((path, ".component"), place), "obs-7: a component has the code that the value has")


def _codings(concept: object) -> set[tuple[str, str]]:
    codings = objects(concept.get("coding")) if isinstance(concept, dict) else []
    return {
        (coding["system"], coding["code"])
        for coding in codings
        if isinstance(coding.get("system"), str) and isinstance(coding.get("code"), str)
    }


def obs_3(value: Members, path: Path, run: Run) -> None:
    if not {"low", "high", "text"} & value.keys():
        _fail(run, path, "obs-3: a reference range has low, high or text")


def org_1(value: Members, path: Path, run: Run) -> None:
    if not {"identifier", "name", "_name"} & value.keys():
        _fail(run, path, "org-1: an organization has an identifier or a name")


def org_2_3(value: Members, path: Path, run: Run) -> None:
    for key, name in (("org-2", "address"), ("org-3", "telecom")):
        for place, item in enumerate(objects(value.get(name))):
            if item.get("use") == "home":
                _fail(run, ((path, f".{name}"), place), f"{key}: an organization has no home")


def check_contained(value: Any, path: Path, run: Run) -> None:
    """ref-1 and dom-2 to dom-5: local references resolve, contained resources are bare, used and not nested."""
    contained = value.get("contained") if isinstance(value, dict) else None
    ids: set[str] = set()
    used = {text for text, _ in run.local}
    for place, inner in enumerate(contained if isinstance(contained, list) else []):
        if not isinstance(inner, dict):
            continue
        here: Path = ((path, ".contained"), place)
        _check_one_contained(inner, here, run)
        name = inner.get("id")
        if isinstance(name, str):
            ids.add(name)
        if not isinstance(name, str) or not (f"#{name}" in used or says(value, f"#{name}") or says(inner, "#")):
            _fail(run, here, "dom-3: nothing refers to this contained resource")
    for text, place_of in run.local:
        if text != "#" and text[1:] not in ids:
            _fail(run, place_of, "ref-1: no contained resource has this id")


def _check_one_contained(inner: Members, here: Path, run: Run) -> None:
    if "contained" in inner:
        _fail(run, here, "dom-2: a contained resource contains nothing")
    meta = inner.get("meta")
    if isinstance(meta, dict) and {"versionId", "lastUpdated"} & meta.keys():
        _fail(run, here, "dom-4: a contained resource has no version")
    if isinstance(meta, dict) and "security" in meta:
        _fail(run, here, "dom-5: a contained resource has no security label")


def says(value: object, text: str) -> bool:
    """Whether this text stands anywhere as a whole value (a reference, a uri or a canonical)."""
    if isinstance(value, dict):
        return any(says(inner, text) for inner in value.values())
    if isinstance(value, list):
        return any(says(inner, text) for inner in value)
    return value == text


INVARIANTS: Mapping[str, tuple[Rule, ...]] = {
    "Extension": (ext_1,),
    "Attachment": (att_1,),
    "ContactPoint": (cpt_2,),
    "Period": (per_1,),
    "Quantity": (qty_3,),
    "Age": (qty_3,),
    "Count": (qty_3,),
    "Distance": (qty_3,),
    "Duration": (qty_3,),
    "Ratio": (rat_1,),
    "Range": (rng_2,),
    "Patient.contact": (pat_1,),
    "AllergyIntolerance": (ait,),
    "Condition": (con_4, con_5),
    "Condition.stage": (con_1,),
    "Condition.evidence": (con_2,),
    "ServiceRequest": (prr_1,),
    "Observation": (obs_6, obs_7),
    "Observation.referenceRange": (obs_3,),
    "Organization": (org_1, org_2_3),
}
"""Type or type.path of a backbone element -> its rules. Those of Bundle stand in bundles.py."""
