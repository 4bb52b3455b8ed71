"""Who is right where a ReportStream pair and we differ, and why. What no rule explains is `unexplained`.

A rule: (element pattern, who has a value, who is right, reason). `theirs`: only they have one; `ours`: only we;
`both`: both have, not the same; `any`. The first that fits counts, so what is special stands above what is general.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Rule = tuple[str, str, str, str]

RULES: Sequence[Rule] = (
    # what makes no sense to compare: their pipeline and our engine say different things about themselves
    (r"Provenance\.activity\..*", "any", "both", "ours is the guide's activity of a transformation with its prefix `message - `; theirs names their pipeline's step"),
    (r"Provenance\.agent\..*", "any", "both", "we name the sender, the people of the order and ourselves; they name CDC PRIME, which is not in the message"),
    (r"Provenance\.(occurred|location|signature|text|_recorded|extension).*", "ours", "ours", "MSH-7, EVN and ORC say it; their Provenance has no such element"),
    (r"Provenance\..*", "any", "both", "their Provenance is about their own pipeline"),
    # header
    (r"MessageHeader\.source\._endpoint\..*", "ours", "ours", "source.endpoint is required: absent with a reason where MSH-3 gives none; theirs is not valid R4"),
    (r"MessageHeader\.destination\._endpoint\..*", "ours", "ours", "destination.endpoint is required: absent with a reason; theirs is not valid R4"),
    (r"MessageHeader\.(source|destination)\.(endpoint|name)", "any", "ours", "namespace and universal id as the guide writes them; `urn:oid:` before a text that is no OID is no URI"),
    (r"MessageHeader\.destination\.(target|receiver)\..*", "any", "both", "we carry MSH-5 as a Device and MSH-6 as the receiver; they keep parts in extensions of their own"),
    (r"MessageHeader\.(sender|responsible)\..*", "theirs", "ours", "they make an Organization of MSH-17 (country) or MSH-22 alone; a country is no sender"),
    (r"MessageHeader\.language", "theirs", "ours", "MSH-19 is carried where it is a BCP 47 tag; theirs is the text of a v2 table"),
    (r"MessageHeader\..*", "any", "both", "same content in another element of the header"),
    # resources they make of nothing, or that we make in another shape
    (r"DiagnosticReport\.specimen\.reference", "theirs", "ours", "they make an empty Specimen of every OBR; ours needs a field that speaks of a specimen (safety: obr-specimen)"),
    (r"Specimen\.(collection\.collected.*|subject\..*)", "any", "ours", "a Specimen only where OBR-9, 10, 14, 15, 39 or an SPM speaks of one; then it has its subject"),
    (r"DiagnosticReport\.basedOn\.reference", "theirs", "ours", "the OBR says nothing of an order: theirs refers to an empty ServiceRequest"),
    (r"ServiceRequest\.(subject\.reference|status|intent)", "theirs", "ours", "the OBR says nothing of an order: theirs is an empty ServiceRequest"),
    (r"ServiceRequest\.intent", "ours", "ours", "intent is required and the guide assigns `order`"),
    (r"ServiceRequest\.status", "both", "ours", "ORC-1 NW is a new order: active by the guide's table; they write unknown always"),
    (r"ServiceRequest\.subject\.extension.*", "ours", "ours", "subject is required: absent with a reason where no PID is; theirs is not valid R4"),
    (r"DiagnosticReport\.code\.extension.*", "ours", "ours", "code is required: absent with a reason where OBR-4 is empty; theirs is not valid R4"),
    (r"DiagnosticReport\._status\..*|Observation\._status\..*", "ours", "ours", "the original status code stands beside one that the translation makes coarser"),
    (r"DiagnosticReport\.status", "both", "ours", "an OBR-25 that the table doesn't hold is unknown; entered-in-error would take the report back"),
    (r"ServiceRequest\.extension\(businessEvent\).*", "ours", "ours", "guide: ORC-1 and ORC-9 in the extension businessEvent"),
    (r"ServiceRequest\.extension\(servicerequest-order-callback-phone-number\).*", "ours", "ours", "guide: OBR-17 or ORC-14; they keep it in an extension of their own"),
    (r"ServiceRequest\.requisition.*", "ours", "ours", "guide: ORC-4 is the requisition"),
    (r"(ServiceRequest|DiagnosticReport)\.identifier\.(value|type\.coding\.code)", "both", "ours", "ORC-4 is an EI before v2.7: one group number, not a placer's and a filler's number in its parts"),
    (r"ServiceRequest\.note\.text", "both", "ours", "all repetitions of NTE-3 are carried, each a line; they take the first"),
    (r"(ServiceRequest|Observation)\.note\.extension\(annotationType\).*", "ours", "ours", "NTE-4 in HL7's extension annotationType; they keep it in an extension of their own"),
    (r"ServiceRequest\.encounter\..*", "ours", "ours", "the order belongs to the visit in the message"),
    (r"Patient\.extension\(note\).*", "ours", "ours", "NTE after PID in HL7's extension note; they keep it in an extension of their own"),
    (r"DiagnosticReport\.issued", "any", "ours", "an OBR-22 to the minute is zero-filled as theirs; one without a zone is no instant and stays as text"),
    # results
    (r"DocumentReference\..*", "ours", "ours", "an embedded document is a DocumentReference; theirs is an R5 extension on an Observation without a value"),
    (r"Observation\.extension\(observation-value-attachment\).*", "theirs", "ours", "an embedded document is a DocumentReference; `JPEG` is no MIME type and AAAAAAAAA no base64"),
    (r"DiagnosticReport\.result\.reference", "theirs", "ours", "the only OBX is an embedded document: a DocumentReference that refers to the report"),
    (r"Observation\.dataAbsentReason\..*", "any", "ours", "no OBX-5: a reason of the FHIR code system; `cannot-be-obtained` is not in it"),
    (r"Observation\.status", "both", "ours", "OBX-11 N and X say that there is no result: cancelled, not unknown"),
    (r"Observation\.(_valueDateTime.*|valueDateTime)", "any", "ours", "an hour without minutes: the date and the original text; theirs invents :00"),
    (r"Observation\.valueTime", "both", "ours", "TM as a FHIR time; theirs is the v2 text"),
    (r"Observation\.value(Quantity|Ratio|Range|String)(\.(?!code|system|unit).*)?", "any", "ours", "an SN whose comparator or separator FHIR has not is text as a whole (safety: obx-5-dot, obx-5-comparator)"),
    (r"Observation\.value(Ratio|Range).*", "any", "ours", "an SN whose comparator FHIR has not is text as a whole (safety: obx-5-comparator)"),
    (r"Observation\.valueQuantity\.(code|system|unit)", "any", "ours", "the URI of UCUM, also for a unit that is a UCUM code without saying so; METRIC is no URI"),
    (r"Observation\.referenceRange\.(low|high)\..*", "ours", "ours", "OBX-7 is parsed where it is nothing but a range; the text stays"),
    (r"Observation\.interpretation\.coding\..*", "any", "ours", "guide: InterpretationCodes, the original code beside it"),
    (r"Observation\.effectiveDateTime", "both", "ours", "without OBX-14 the time of OBR-7 counts (safety: obx-14-obr-7)"),
    (r"Observation\.effectiveDateTime", "ours", "ours", "without OBX-14 the time of OBR-7 counts (safety: obx-14-obr-7)"),
    (r"Observation\.extension\((observation-v2-subid|observation-analysis-date-time)\).*", "ours", "ours", "guide: OBX-4, OBX-19; they keep it in an extension of their own"),
    (r"Observation\.specimen\..*", "ours", "ours", "guide: OBX-33; and the OBX of an SPM is about its specimen"),
    (r"Observation\.(subject|code|valueCodeableConcept).*", "ours", "ours", "guide: PD1-7 is an Observation of the living will; an original code keeps its version and text"),
    (r"Observation\.(code\.coding\.code|valueCodeableConcept\.(text|coding\.(code|display|version)))", "both", "ours", "guide: PD1-7 is an Observation of the living will"),
    # specimens
    (r"Specimen\.note\.text", "both", "ours", "the whole of OBR-39 with its separators; theirs joins code and text with a comma"),
    (r"Specimen\.(collection\.quantity|condition|type|container)\..*", "ours", "ours", "system or unit of the original coding"),
    (r"Specimen\.container\..*", "theirs", "theirs", "not carried"),
    # identifiers: a namespace is no URI
    (r".*\bassigner\.reference", "theirs", "both", "they make an Organization of the authority; ours is assigner.identifier and assigner.display"),
    (r".*\bassigner\..*", "ours", "ours", "a namespace is no URI: it names the assigner, and a universal id of another kind is the assigner's identifier"),
    (r".*\bidentifier\.system", "any", "ours", "a system is a URI: the OID, not the namespace, nor `urn:oid:` before a text that is no OID"),
    (r".*\bpreAdmissionIdentifier\.system", "any", "ours", "a system is a URI, not `urn:oid:` before a text that is no OID"),
    (r"(Location|Device)\.identifier\.(type|value|system).*", "any", "ours", "an OID as urn:oid: under urn:ietf:rfc:3986, its type from table 0301"),
    (r"Organization\.identifier\.type.*", "any", "both", "the type of a universal id stands with the identifier that has it; theirs types also the empty one"),
    (r".*\.extension\(namingsystem-checkDigit\)\.value(Code|String)", "any", "both", "the guide says valueString, HL7's extension valueCode; same text"),
    (r".*\.extension\(identifier-checkDigit\).*", "any", "both", "same text at the identifier that has it"),
    # codes: the system of a v2 table, the translation beside the original
    (r".*\.system", "both", "ours", "a code system's URI; `…#v2-0396-99zzzorL` is a page about local codes, ours is one URN per local system"),
    (r".*\.system", "ours", "ours", "the field's own HL7 table, which the message doesn't name"),
    (r".*\.(coding\.(code|display)|code)", "both", "ours", "guide's vocabulary: the translation and beside it the original code"),
    (r".*\.coding\.(code|display|version|userSelected)", "ours", "ours", "guide's vocabulary: translated as well, the original code stays"),
)  # fmt: skip
_COMPILED = [(re.compile(pattern), case, right, reason) for pattern, case, right, reason in RULES]


def verdict(pair: str, element: str, theirs: set[str], ours: set[str]) -> tuple[str, str]:
    """(`ours`, `theirs` or `both`; the reason) of one element."""
    case = "theirs" if not ours else "ours" if not theirs else "both"
    for pattern, wanted, right, reason in _COMPILED:
        if wanted in ("any", case) and pattern.fullmatch(element):
            return right, reason
    return "", "unexplained"
