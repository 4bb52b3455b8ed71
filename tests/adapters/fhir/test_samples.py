"""The samples are valid: for our own check and for fhir.resources.R4B, an implementation of others."""

from __future__ import annotations

import pytest
from fhir.resources.R4B import get_fhir_model_class

from adapters.fhir import decode, decode_trusted, encode, validate, validate_bundle
from tests.adapters.fhir.samples import RESOURCES, Resource, transaction

EMITTED = {
    "MessageHeader",
    "Provenance",
    "Patient",
    "RelatedPerson",
    "Encounter",
    "AllergyIntolerance",
    "Condition",
    "Coverage",
    "ServiceRequest",
    "Specimen",
    "DiagnosticReport",
    "Observation",
    "DocumentReference",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "Device",
    "Account",
    "EpisodeOfCare",
}


def test_each_type_we_emit_has_a_sample() -> None:
    assert {sample["resourceType"] for sample in RESOURCES} == EMITTED


@pytest.mark.parametrize("sample", RESOURCES, ids=lambda sample: f"{sample['resourceType']}/{sample['id']}")
def test_a_sample_is_valid_for_us_and_for_the_oracle(sample: Resource) -> None:
    assert validate(sample) == []
    get_fhir_model_class(sample["resourceType"]).model_validate_json(encode(sample))


@pytest.mark.parametrize("sample", RESOURCES, ids=lambda sample: f"{sample['resourceType']}/{sample['id']}")
def test_a_sample_survives_both_readers(sample: Resource) -> None:
    data = encode(sample)
    assert decode(data) == decode_trusted(data) == sample
    assert encode(decode(data)) == data


def test_the_transaction_of_all_samples_is_valid() -> None:
    assert validate_bundle(transaction()) == []
