"""FHIR settles: a statement of its sender is complete, older ones change nothing, and ADT owns what it owns."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from pipelines.channels import Channel
from pipelines.mapper import Mapper, MapperConfig
from pipelines.said import Spoken
from pipelines.stamp import Origin, effective
from tests.pipelines.test_settle_messages import Outcome
from tests.pipelines.v2 import BASE, NAMESPACE, adt, pid

MAPPER = Mapper(
    MapperConfig(
        {
            "adt": Channel("adt", zone="Europe/Zurich"),
            "ehr": Channel("ehr", format="fhir", sender_base="https://ehr.example/fhir"),
        },
        NAMESPACE,
        BASE,
    )
)
MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}


def patient(updated: str, **more: Any) -> dict[str, Any]:
    meta = {"meta": {"lastUpdated": updated}} if updated else {}
    identifier = [{"type": MR, "system": "urn:oid:2.999.1", "value": "4711001"}]
    return {"resourceType": "Patient", "id": "p1", **meta, "identifier": identifier, **more}


def spoken(value: dict[str, Any] | bytes) -> Spoken:
    channel, body = ("adt", value) if isinstance(value, bytes) else ("ehr", json.dumps(value).encode())
    result = MAPPER.map(channel, body)
    assert isinstance(result, Spoken), result
    return result


def settled(*values: dict[str, Any] | bytes, places: tuple[int, ...] = ()) -> Outcome:
    """All of them in this order; `places`: where each stands in the journal."""
    outcome = Outcome()
    clocks: dict[str, int | None] = {}
    for number, value in enumerate(values):
        said = spoken(value)
        channel = "adt" if isinstance(value, bytes) else "ehr"
        when, clocks[channel] = effective(said.event_time, clocks.get(channel))
        outcome.take(said, Origin(when, channel, places[number] if places else number))
    return outcome


def the(outcome: Outcome, type_: str) -> Any:
    (body,) = [body for (kind, _), body in outcome.bodies.items() if kind == type_]
    return body


def version(outcome: Outcome, type_: str) -> int:
    (known,) = [known for (kind, _), known in outcome.known.items() if kind == type_]
    return known.version


def test_what_the_sender_took_out_goes() -> None:
    first = patient("2026-03-01T08:00:00Z", gender="female", birthDate="1970-03-12", name=[{"family": "ZZTEST"}],
        deceasedBoolean=True, _birthDate={"extension": [{"url": "urn:x", "valueString": "y"}]})  # fmt: skip
    second = patient("2026-03-02T08:00:00Z", gender="female", deceasedDateTime="2026-03-01")
    found = the(settled(first, second), "Patient")
    assert found["gender"] == "female"
    assert found["deceasedDateTime"] == "2026-03-01"
    assert not {"birthDate", "_birthDate", "name", "deceasedBoolean"} & found.keys()


def test_sent_again_nothing_changes() -> None:
    one = patient("2026-03-01T08:00:00Z", gender="female")
    assert version(settled(one, one, one), "Patient") == 1
    undated = patient("", gender="female")
    assert version(settled(undated, undated), "Patient") == 1


def test_older_never_outdoes_newer_in_any_order() -> None:
    values = (
        patient("2026-03-01T08:00:00Z", gender="female", active=True),
        patient("2026-03-03T08:00:00Z", gender="other", birthDate="1970-03-12"),
        patient("2026-03-02T08:00:00+09:00", gender="male", maritalStatus={"text": "x"}),
    )
    for order in permutations(range(3)):
        found = the(settled(*[values[each] for each in order], places=order), "Patient")
        assert found["gender"] == "other"
        assert found["birthDate"] == "1970-03-12"
        assert not {"active", "maritalStatus"} & found.keys()


def test_without_times_the_place_in_the_channel_counts() -> None:
    first, second = patient("", gender="female"), patient("", gender="male")
    assert the(settled(first, second, first), "Patient")["gender"] == "female"  # said once more, and meant
    assert version(settled(first, second, first), "Patient") == 3


def test_each_resource_of_a_bundle_has_its_own_time() -> None:
    old = patient("2026-03-01T08:00:00Z", gender="female")
    new = {"resourceType": "Observation", "id": "o", "meta": {"lastUpdated": "2026-03-09T08:00:00Z"}, "status": "final",
        "code": {"text": "x"}}  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": old}, {"resource": new}]}
    found = settled(patient("2026-03-05T08:00:00Z", gender="male"), bundle)
    assert the(found, "Patient")["gender"] == "male"


@pytest.mark.parametrize("fhir_first", [True, False])
def test_adt_owns_demographics_and_fhir_fills_what_is_absent(fhir_first: bool) -> None:
    owner = adt("A01", "20260301080000", pid(sex="F", birth="")).replace(b"NORTHTEST^MR", b"X&2.999.1&ISO^MR")
    filler = patient("2026-03-09T08:00:00Z", gender="male", birthDate="1970-03-13", name=[{"family": "ZZTEST-OTHER"}])
    found = the(settled(*((filler, owner) if fhir_first else (owner, filler))), "Patient")
    assert found["gender"] == "female"
    assert found["birthDate"] == "1970-03-13"
    assert [name["family"] for name in found["name"]] == ["ZZTEST"]
    assert {each.get("system") for each in found["identifier"]} >= {
        "urn:oid:2.999.1",
        "https://ehr.example/fhir/Patient",
    }
    assert len([each for each in found["identifier"] if each.get("value") == "4711001"]) >= 1


def test_results_are_anybodys_and_the_newest_stands() -> None:
    def observation(updated: str, value: str) -> dict[str, Any]:
        return {"resourceType": "Observation", "id": "o", "meta": {"lastUpdated": updated}, "status": "final",
            "code": {"text": "x"}, "valueString": value, "interpretation": [{"text": value}]}  # fmt: skip

    quantity = {**observation("2026-03-02T08:00:00Z", "x"), "valueQuantity": {"value": 1}}
    del quantity["valueString"], quantity["interpretation"]
    found = the(settled(observation("2026-03-01T08:00:00Z", "a"), quantity), "Observation")
    assert "valueString" not in found
    assert "interpretation" not in found  # a corrected value never keeps the flag of the one before
