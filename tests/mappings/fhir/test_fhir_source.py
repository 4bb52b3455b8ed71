"""FHIR as a source: every leaf accounted for, our ids, references that lead somewhere, and what we don't do refused."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.fhir import DecodeError, decode, validate_bundle
from mappings import Mapped, MapSettings, bundle, load, resource
from mappings.fhir import FhirSourceError, NothingStands, NotTaken
from mappings.fhir import load as load_fhir
from mappings.fhir.account import leaves, lost
from pipelines.formats import maps
from tests.pipelines.v2 import BASE, NAMESPACE, adt, pid

SETTINGS = MapSettings(NAMESPACE, base=BASE, sender="https://ehr.example/fhir")
MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"versionId": "7", "lastUpdated": "2026-03-02T09:15:00+01:00"},
    "identifier": [{"system": "urn:oid:2.999.7", "value": "X-9"}, {"type": MR, "system": "urn:a", "value": "4711"}],
    "name": [{"family": "ZZTEST", "given": ["ANNA"]}],
    "birthDate": "1970-03-12",
}


def observation(subject: str = "Patient/p1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
        "subject": {"reference": subject},
        **more,
    }


def container(kind: str, *resources: Any, **more: Any) -> dict[str, Any]:
    entries = [each if "resource" in each or "request" in each else {"resource": each} for each in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **more}


def mapped(value: Any, given_: MapSettings = SETTINGS) -> Mapped:
    """What it makes, with what must hold for everything checked."""
    body = json.dumps(value).encode()
    found = load_fhir().map(body, given_)
    total = sum(1 for _ in leaves(decode(body), ""))
    assert sum(found.leaves) == total
    assert min(found.leaves) >= 0
    assert found.leaves[2:] == (len(found.excused), len(found.residue))
    made = decode(bundle(found, given_.base))
    assert [each for each in validate_bundle(made, level="structure") if each.severity == "error"] == []
    assert Mapped.from_bytes(found.to_bytes()) == found
    return found


def made(found: Mapped, type_: str) -> dict[str, Any]:
    """The one resource of a type."""
    (change,) = [change for change in found.changes if change.type == type_]
    return resource(change)


# -- identity ----------------------------------------------------------------------------------------------------------


def test_a_patient_is_known_by_the_channels_order_of_identifiers_as_in_hl7_v2() -> None:
    theirs = mapped({**PATIENT, "identifier": [{"type": MR, "system": "urn:oid:2.999.1", "value": "4711001"}]})
    body = adt("A01", "20260301080000+0100", pid()).replace(b"NORTHTEST^MR", b"X&2.999.1&ISO^MR")
    ours = maps("hl7v2").map(body, replace(SETTINGS, identifier_order=("MR",)))
    assert made(theirs, "Patient")["id"] == made(ours, "Patient")["id"]
    first = mapped(PATIENT, replace(SETTINGS, identifier_order=("MR",)))
    assert (
        made(first, "Patient")["id"]
        != made(mapped({**PATIENT, "identifier": PATIENT["identifier"][:1]}), "Patient")["id"]
    )
    assert load().hash != load_fhir().hash


def test_without_an_authority_nobody_is_merged() -> None:
    nameless = {**PATIENT, "identifier": [{"value": "4711"}]}
    one, two = (mapped({**nameless, "id": id_}) for id_ in ("p1", "p2"))
    assert made(one, "Patient")["id"] != made(two, "Patient")["id"]
    named = replace(SETTINGS, default_authority="north")
    one, two = (mapped({**nameless, "id": id_}, named) for id_ in ("p1", "p2"))
    assert made(one, "Patient")["id"] == made(two, "Patient")["id"]


def test_ids_of_two_senders_never_meet() -> None:
    value = observation(id="o1")
    other = replace(SETTINGS, sender="https://other.example/fhir")
    assert made(mapped(value), "Observation")["id"] != made(mapped(value, other), "Observation")["id"]
    full = container("collection", {"fullUrl": "https://ehr.example/fhir/Observation/o1", "resource": value})
    assert made(mapped(full, other), "Observation")["id"] == made(mapped(value), "Observation")["id"]


def test_the_senders_id_stays_as_an_identifier_or_as_the_source() -> None:
    found = made(mapped(PATIENT), "Patient")
    assert {"system": "https://ehr.example/fhir/Patient", "value": "p1"} in found["identifier"]
    assert "meta" not in found
    binary = {"resourceType": "Binary", "id": "b1", "contentType": "text/plain", "data": "QQ=="}
    assert made(mapped(binary), "Binary")["meta"] == {"source": "https://ehr.example/fhir/Binary/b1"}
    posted = {
        "resource": observation(id="o1"),
        "request": {"method": "POST", "url": "Observation"},
        "fullUrl": "urn:uuid:a",
    }
    one = mapped(container("transaction", posted))
    two = mapped(container("transaction", posted, id="other"))
    assert made(one, "Observation")["id"] != made(two, "Observation")["id"]  # a POST makes a new one


# -- references --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("urn:uuid:0b1c7a52-6c1e-4f4e-9a53-1f7d3f3a8d11", "urn:uuid:0b1c7a52-6c1e-4f4e-9a53-1f7d3f3a8d11"),
        ("https://ehr.example/fhir/Patient/p1", "https://ehr.example/fhir/Patient/p1"),
        ("https://ehr.example/fhir/Patient/p1", "Patient/p1"),
        ("https://ehr.example/fhir/Patient/p1", "Patient/p1/_history/7"),
        ("", "Patient/p1"),
        ("", "Patient?identifier=urn:a|4711"),
    ],
)
def test_references_within_the_message_lead_to_our_ids(url: str, text: str) -> None:
    entry = {"resource": PATIENT, **({"fullUrl": url} if url else {})}
    found = mapped(
        container(
            "collection", entry, {"resource": observation(text), "fullUrl": "https://ehr.example/fhir/Observation/o1"}
        )
    )
    patient = made(found, "Patient")["id"]
    assert made(found, "Observation")["subject"] == {"reference": f"Patient/{patient}"}
    assert {change.patient for change in found.changes if change.type != "Provenance"} == {patient}
    assert found.status == "ok"


@pytest.mark.parametrize(
    ("text", "identifier", "type_"),
    [
        ("Patient/p9", {"system": "https://ehr.example/fhir/Patient", "value": "p9"}, "Patient"),
        ("https://x.example/r4/Patient/p9", {"system": "https://x.example/r4/Patient", "value": "p9"}, "Patient"),
        ("Patient?identifier=urn:b|9", {"system": "urn:b", "value": "9"}, "Patient"),
        ("urn:uuid:0b1c7a52-6c1e-4f4e-9a53-1f7d3f3a8d11", {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:0b1c7a52-6c1e-4f4e-9a53-1f7d3f3a8d11"}, None),
    ],
)  # fmt: skip
def test_references_out_of_the_message_become_identifiers(text: str, identifier: dict[str, str], type_: str) -> None:
    value = observation(text, performer=[{"reference": "#d", "display": "Dr. ZZTEST"}])
    value["contained"] = [{"resourceType": "Practitioner", "id": "d", "name": [{"family": "ZZTEST"}]}]
    value["subject"]["display"] = "ZZTEST"
    found = mapped(value)
    subject = {"identifier": identifier, "display": "ZZTEST", **({"type": type_} if type_ else {})}
    assert made(found, "Observation")["subject"] == subject
    assert made(found, "Observation")["performer"][0]["reference"] == "#d"
    assert found.leaves[1] == 1
    keys = {change.patient for change in found.changes if change.type == "Observation"}
    assert (None in keys) == (type_ is None)  # the key of the patient's topic needs no patient resource


def test_one_who_is_only_named_has_the_topic_key_of_who_comes_by_the_same_name() -> None:
    named = observation()
    named["subject"]["identifier"] = {"type": MR, "system": "urn:a", "value": "4711"}
    whole = mapped({**PATIENT, "identifier": PATIENT["identifier"][1:]})
    found = mapped(named)
    assert [each.patient for each in found.changes if each.type == "Observation"] == [made(whole, "Patient")["id"]]
    assert found.residue == (("Observation.subject.reference", "no-target"),)


def test_uris_named_reference_are_no_references() -> None:
    issue = {"resourceType": "DetectedIssue", "status": "final", "reference": "http://x.example/Patient/1"}
    assert made(mapped(issue), "DetectedIssue")["reference"] == "http://x.example/Patient/1"


def test_an_attachment_follows_its_binary() -> None:
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/b1"}}],
    }
    binary = {"resourceType": "Binary", "id": "b1", "contentType": "text/plain", "data": "QQ=="}
    found = mapped(container("collection", document, binary))
    url = made(found, "DocumentReference")["content"][0]["attachment"]["url"]
    assert url == f"Binary/{made(found, 'Binary')['id']}"


# -- what can't stand --------------------------------------------------------------------------------------------------


def test_a_bad_field_costs_that_field_and_is_named_where_it_stood() -> None:
    bad = {
        **PATIENT,
        "gender": "M",
        "birthDate": "1970-13-45",
        "name": [{"family": "ZZTEST", "use": "x"}, {"family": "TWO"}],
    }
    found = mapped(container("collection", bad))
    assert set(found.residue) == {
        ("Bundle.entry[0].resource.gender", "invalid"),
        ("Bundle.entry[0].resource.birthDate", "invalid"),
        ("Bundle.entry[0].resource.name[0].use", "invalid"),
    }
    assert found.status == "partial"
    patient = made(found, "Patient")
    assert [name["family"] for name in patient["name"]] == ["ZZTEST", "TWO"]
    assert "birthDate" not in patient
    assert not any("1970" in issue.text for issue in found.issues)


def test_what_cant_stand_is_set_aside_and_what_pointed_at_it_still_names_it() -> None:
    """A bad subject fells the observation; the report keeps what it knows of it, and is not silently shorter."""
    fallen = observation("not a reference", id="o1")
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "panel"},
        "result": [{"reference": "Observation/o1", "display": "glucose"}],
    }
    found = mapped(container("collection", fallen, report))
    assert [change.type for change in found.changes] == ["DiagnosticReport", "Provenance"]
    (result,) = made(found, "DiagnosticReport")["result"]
    assert result["display"] == "glucose"
    assert result["identifier"] == {"system": "https://ehr.example/fhir/Observation", "value": "o1"}
    assert {reason for _, reason in found.residue} == {"set-aside"}


def test_active_narrative_is_taken_out_at_every_level() -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script>x</div>'
    found = mapped({**PATIENT, "text": {"status": "generated", "div": div}})
    assert "text" not in made(found, "Patient")
    assert {path for path, _ in found.residue} == {"Patient.text.status", "Patient.text.div"}


def test_of_two_that_are_one_resource_the_first_stands() -> None:
    found = mapped(container("collection", PATIENT, {**PATIENT, "gender": "female"}))
    assert "gender" not in made(found, "Patient")
    assert [issue.code for issue in found.issues] == ["duplicate"]


# -- what is refused ---------------------------------------------------------------------------------------------------


def asked(method: str, url: str, **more: Any) -> dict[str, Any]:
    return {"resource": observation(id="o1"), "request": {"method": method, "url": url, **more}}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([], ""),
        ({"a": 1}, ""),
        ({"resourceType": "Medicament"}, "resourceType"),
        ({"resourceType": "Parameters"}, "Parameters"),
        ({"resourceType": "OperationOutcome"}, "OperationOutcome"),
        ({"resourceType": "Bundle"}, "Bundle.type"),
        (container("history"), "Bundle.type"),
        (container("transaction-response"), "Bundle.type"),
        (container("collection", implicitRules="http://x.example"), "Bundle.implicitRules"),
        ({"resourceType": "Bundle", "type": "collection", "entry": [3]}, "Bundle.entry[0]"),
        (container("collection", {"resource": 3}), "Bundle.entry[0].resource"),
        (container("transaction", {"resource": PATIENT}), "Bundle.entry[0].request"),
        (container("transaction", {"request": {"method": "DELETE", "url": "Patient/p1"}}), "Bundle.entry[0].request.method"),
        (container("batch", asked("PATCH", "Observation/o1")), "Bundle.entry[0].request.method"),
        (container("batch", asked("GET", "Observation/o1")), "Bundle.entry[0].request.method"),
        (container("batch", asked("PUT", "Observation/o1", ifMatch='W/"1"')), "Bundle.entry[0].request.ifMatch"),
        (container("batch", asked("PUT", "Patient/o1")), "Bundle.entry[0].request.url"),
        (container("batch", asked("PUT", "Observation?status=final")), "Bundle.entry[0].request.url"),
        (container("batch", asked("POST", "Observation/$stats")), "Bundle.entry[0].request.url"),
        (container("batch", asked("POST", "Observation", ifNoneExist="code=x")), "Bundle.entry[0].request.ifNoneExist"),
    ],
)  # fmt: skip
def test_what_we_dont_do_is_refused_as_a_whole(value: Any, place: str) -> None:
    with pytest.raises(NotTaken) as error:
        load_fhir().map(json.dumps(value).encode(), SETTINGS)
    assert error.value.place == place


def test_a_condition_on_an_identifier_says_who_is_meant() -> None:
    entry = asked("POST", "Observation", ifNoneExist="identifier=urn:a%7C9")
    one = mapped(container("batch", entry))
    two = mapped(container("batch", asked("PUT", "Observation?identifier=urn:a|9"), timestamp="2026-03-02T09:15:00Z"))
    assert made(one, "Observation")["id"] == made(two, "Observation")["id"]


def test_nothing_that_stands_is_a_failure() -> None:
    for value in (
        container("collection"),
        observation("not a reference"),
        container("collection", container("document")),
    ):
        with pytest.raises(NothingStands):
            load_fhir().map(json.dumps(value).encode(), SETTINGS)


# -- times and registers -----------------------------------------------------------------------------------------------


def test_each_resource_has_its_own_time_and_the_message_the_newest() -> None:
    later = observation(id="o1", meta={"lastUpdated": "2026-03-02T08:30:00Z"})
    found = mapped(container("collection", PATIENT, later, observation(id="o2")))
    assert [change.event_time for change in found.changes] == [
        "2026-03-02T09:15:00+01:00", "2026-03-02T08:30:00Z", None, None,
    ]  # fmt: skip
    assert found.event_time == "2026-03-02T08:30:00Z"  # 09:15 in Zurich is 08:15
    assert (
        mapped(container("collection", PATIENT, timestamp="2026-03-03T00:00:00Z")).event_time == "2026-03-03T00:00:00Z"
    )


def test_the_account_finds_what_is_gone() -> None:
    before = {"a": [{"b": 1, "c": 2}, {"b": 3}, {"b": 4}], "d": "x", "e": {"f": True}}
    after = {"a": [{"c": 2}, {"b": 4}], "d": "y"}
    assert list(lost(before, after, "R")) == ["R.a[0].b", "R.a[1].b", "R.d", "R.e.f"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.sampled_from(["Patient/p1", "final", "#x"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "meta", "identifier", "subject", "reference", "status", "code", "name", "text", "value", "x.y", "[x]", "_id"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=120)
@given(extra=st.dictionaries(st.sampled_from(["id", "meta", "identifier", "subject", "valueString", "_status", "text", "contained", "a.b", "[x]"]), JSON), kind=st.sampled_from(["Patient", "Observation", "Bundle"]))  # fmt: skip
def test_any_json_is_mapped_or_refused_and_accounted_for(extra: dict[str, Any], kind: str) -> None:
    value = {"resourceType": kind, **({"type": "collection", "entry": [{"resource": {"resourceType": "Patient", **extra}}]} if kind == "Bundle" else extra)}  # fmt: skip
    with suppress(FhirSourceError, DecodeError):
        mapped(value)
