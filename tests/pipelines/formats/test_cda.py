"""CDA through the journey: one patient with HL7 v2, versions of a document, a refused vaccine that stays refused."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from adapters.fhir import decode_trusted
from pipelines import journey
from pipelines.channels import Channel
from pipelines.formats import source
from pipelines.mapper import Failure, Mapper, MapperConfig
from pipelines.said import Spoken
from pipelines.settle import Incoming, Known, NewVersion, Policy, after
from pipelines.stamp import Origin, effective
from tests.mappings.cda.cda import C, document, section
from tests.pipelines.v2 import BASE, NAMESPACE, adt

CHANNELS = {"adt": Channel("adt", zone="Europe/Zurich"), "docs": Channel("docs", format="cda", zone="Europe/Zurich")}
MAPPER = Mapper(MapperConfig(CHANNELS, NAMESPACE, BASE))
OID = "1.2.3"
WHO = (
    f'<recordTarget><patientRole><id root="{OID}" extension="4711001"/><patient><name><family>ZZTEST-OTHER</family></name>'
    '<birthTime value="19700313"/><maritalStatusCode code="M" codeSystem="2.16.840.1.113883.5.2"/></patient></patientRole></recordTarget>'
)


def version(number: int, time: str, *entries: str) -> bytes:
    head = f'{WHO}<setId root="1.9" extension="S"/><versionNumber value="{number}"/>'
    made = document(
        section(*entries, text=f"<paragraph>version {number}</paragraph>", loinc="11369-6"), head=head, time=time
    )
    return made.replace(b'"D1"', f'"D{number}"'.encode())


def settled(*bodies: tuple[str, bytes]) -> dict[str, list[dict[str, Any]]]:
    """The resources after these units, by type."""
    known: dict[tuple[str, str], Known] = {}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    clocks: dict[str, int | None] = {}
    for place, (channel, body) in enumerate(bodies, 1):
        spoken = MAPPER.map(channel, body)
        assert isinstance(spoken, Spoken), spoken
        time, clocks[channel] = effective(spoken.event_time, clocks.get(channel))
        for said in spoken.said:
            key = (said.type, said.id)
            result = journey.settle(known.get(key), Incoming(said, Origin(time, channel, place)), Policy())
            if isinstance(result, NewVersion):
                value = decode_trusted(result.body)
                assert isinstance(value, dict)
                found[key] = value
            now = after(known.get(key), result)
            assert now is not None
            known[key] = now
    by_type: dict[str, list[dict[str, Any]]] = {}
    for (type_, _), each in found.items():
        by_type.setdefault(type_, []).append(each)
    return by_type


def test_a_patient_of_adt_and_cda_is_one_and_adt_owns_the_demographics() -> None:
    admitted = adt("A01", "20260101080000+0100", f"PID|1||4711001^^^&{OID}&ISO^MR||ZZTEST^ANNA^^^^^L||19700312|F")
    for order in permutations([("adt", admitted), ("docs", version(1, "20260102080000+0100"))]):
        (patient,) = settled(*order)["Patient"]
        assert patient["birthDate"] == "1970-03-12"
        assert [name["family"] for name in patient["name"] if name.get("given")] == ["ZZTEST"]
        assert patient["maritalStatus"]["coding"][0]["code"] == "M", "what ADT has not said is filled in"


def test_only_the_same_authority_makes_the_same_patient() -> None:
    other = adt("A01", "20260101080000+0100", "PID|1||4711001^^^&1.2.4&ISO^MR||ZZTEST^ANNA")
    assert len(settled(("adt", other), ("docs", version(1, "20260102080000+0100")))["Patient"]) == 2


def test_the_newest_version_of_a_document_stands_whatever_comes_when() -> None:
    versions = [version(1, "20260101"), version(2, "20260101"), version(3, "20251231")]
    for order in permutations(versions[:2]):
        (composition,) = settled(*(("docs", body) for body in order))["Composition"]
        assert "version 2" in composition["section"][0]["text"]["div"]
        assert [each["value"] for each in [composition["identifier"]]] == ["D2"]
    (composition,) = settled(*(("docs", body) for body in versions))["Composition"]
    assert "version 2" in composition["section"][0]["text"]["div"], "time before number"


def test_a_vaccine_that_a_new_version_refuses_is_not_done_any_more() -> None:
    def vaccine(negated: str) -> str:
        return (
            f'<substanceAdministration classCode="SBADM" moodCode="EVN" negationInd="{negated}"><templateId root="{C}52"/>'
            '<id root="1.7" extension="I"/><statusCode code="completed"/><effectiveTime value="20260101"/></substanceAdministration>'
        )

    units = [("docs", version(1, "20260101", vaccine("false"))), ("docs", version(2, "20260102", vaccine("true")))]
    for order in permutations(units):
        assert [each["status"] for each in settled(*order)["Immunization"]] == ["not-done"]


def test_what_is_no_document_is_a_failure_with_a_cause() -> None:
    for body, cause in ((b"<!DOCTYPE x><ClinicalDocument/>", "structure"), (b"<a/>", "structure"), (b"", "structure")):
        result = MAPPER.map("docs", body)
        assert isinstance(result, Failure)
        assert result.cause == cause


def test_identity_is_the_document_id() -> None:
    row = source("cda")
    assert row.identity(document()) == b"1.2.3.4^D1"
    assert row.identity(b"<a/>") == b""
    assert row.unreadable(b"<a/>") is not None
    assert row.unreadable(document()) is None
