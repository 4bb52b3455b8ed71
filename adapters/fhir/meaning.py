"""Which elements of R4 change each other's meaning (isModifier, and what clinicians read together): for `repair`."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.fhir.coded import QUANTITIES

_MEASURE = frozenset({"value", "comparator", "low", "high", "numerator", "denominator", "currency"})
FELLS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys((*QUANTITIES, "Money", "Range", "Ratio"), _MEASURE),
    "Coding": frozenset({"system", "version", "code"}),
    "Identifier": frozenset({"system", "value"}),
    "ContactPoint": frozenset({"system", "value"}),
    "Period": frozenset({"start", "end"}),
    "Attachment": frozenset({"contentType", "data", "url"}),
    "Narrative": frozenset({"status", "div"}),
    "Extension": frozenset({"url", "value", "extension"}),
    "SampledData": frozenset({"data", "dimensions", "factor", "origin", "period"}),
    "Signature": frozenset({"data", "type", "when", "who"}),
    "Timing": frozenset({"code", "event", "repeat"}),
}
"""Type -> the members of which one that can't stand fells the whole value: half a measure is worse than none."""

_DOSAGE = frozenset(
    {"asNeeded", "doseAndRate", "maxDosePerAdministration", "maxDosePerLifetime", "maxDosePerPeriod", "timing"}
)
TOGETHER: Mapping[str, tuple[frozenset[str], ...]] = {
    "Dosage": (_DOSAGE,),
    "Dosage.doseAndRate": (frozenset({"dose", "rate", "type"}),),
    "MedicationAdministration.dosage": (frozenset({"dose", "rate"}),),
    "ImagingStudy.series": (frozenset({"bodySite", "laterality"}),),
    "BodyStructure": (frozenset({"location", "locationQualifier"}),),
}  # fmt: skip
"""Place of an object -> members of which none stays when one falls."""

SITES = frozenset({"bodySite", "site", "targetSite", "locationQualifier"})
"""Site and side may stand as two items of one list: the list falls as one."""

DECISIVE = frozenset(
    {"beneficiary", "clinicalStatus", "doNotPerform", "implicitRules", "modifierExtension", "patient", "subject"}
    | {"verificationStatus"}
)
"""Members of a resource without which it would say something else, or of someone else."""

ABOUT = frozenset({"code", "medication", "vaccineCode"})
"""What a record is about: it may be reduced to its words; a record about nothing falls."""

ENDED = frozenset({"abatement"})
"""Says that a thing is over: like a modifier, its place keeps a reason why it is empty."""

CONTRADICTED: Mapping[str, str] = {
    "obs-6": "value",  # a reason why there is no value, and a value
    "obs-7": "value",  # a component says it, too
    "con-5": "clinicalStatus",  # entered in error outweighs it
    "ait-2": "clinicalStatus",
    "prr-1": "orderDetail",
    "org-2": "use",
    "org-3": "use",
}
"""Invariant of a whole object -> the member that falls so that it holds."""
