"""Looking up: codes of any pack by system, names and OIDs, and what the FHIR validator may conclude."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters import fhir
from terminology import Lookup, PackMissing, Request, Shelf, import_source, ucum
from terminology.systems import ICD9CM, ICD10CM, LOINC, UCUM

THO = "http://terminology.hl7.org/CodeSystem/"


@pytest.fixture(scope="module")
def lookup() -> Lookup:
    return Lookup(Shelf())


FOUND = [
    (ICD10CM, "E119", "E11.9", "Type 2 diabetes mellitus without complications"),
    (ICD10CM, "s01.01xa", "S01.01XA", "Laceration without foreign body of scalp, initial encounter"),
    (ICD10CM, "T36.0X1A", "T36.0X1A", "Poisoning by penicillins, accidental (unintentional), initial encounter"),
    (ICD9CM, "0010", "001.0", "Cholera due to vibrio cholerae"),
    (THO + "v2-0203", "MR", "MR", "Medical record number"),
    (THO + "v3-ActCode", "AMB", "AMB", "ambulatory"),
    (UCUM, "mg/dL", "mg/dL", "10.g.m-3"),
]


@pytest.mark.parametrize(("system", "code", "form", "display"), FOUND)
def test_codes_that_come_with_the_release(lookup: Lookup, system: str, code: str, form: str, display: str) -> None:
    found = lookup.find(system, code)
    assert found is not None
    assert (found.code, found.display) == (form, display)


def test_headings_are_not_to_be_used(lookup: Lookup) -> None:
    for code, selectable in (("E11", False), ("A04.7", False), ("E11.9", True), ("S01.01XA", True), ("S01.01", False)):
        found = lookup.find(ICD10CM, code)
        assert found is not None
        assert found.selectable is selectable, code


def test_what_is_not_there(lookup: Lookup) -> None:
    assert lookup.find(ICD10CM, "nonsense") is None
    assert lookup.find(UCUM, "mmHg") is None
    with pytest.raises(PackMissing):
        lookup.find(LOINC, "1-8")


def test_oids_and_uris(lookup: Lookup) -> None:
    assert lookup.uris("urn:oid:2.16.840.1.113883.6.96") == ("http://snomed.info/sct",)
    assert "2.16.840.1.113883.6.1" in lookup.oids(LOINC)
    assert lookup.uris("1.2.3") == ()


CONCLUSIONS = [
    (THO + "v3-ActCode", "AMB", True),
    (THO + "v3-ActCode", "nonsense", False),
    (THO + "v2-0203", "LOCAL", None),  # v2's tables grow at each site
    (ICD10CM, "H40.11X0", None),  # withdrawn since: an old record may have it
    (LOINC, "1-8", None),
    ("urn:nobody", "x", None),
    (UCUM, "mmHg", False),
]


@pytest.mark.parametrize(("system", "code", "known"), CONCLUSIONS)
def test_what_can_be_said_of_a_code(lookup: Lookup, system: str, code: str, known: bool | None) -> None:
    found = lookup.displays(system, code)
    assert (None if found is None else bool(found)) is known


def test_a_fragment_concludes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    concept = [{"code": "a", "designation": [{"value": "Ah"}]}]
    base = {"resourceType": "CodeSystem", "url": "http://c", "version": "1", "concept": concept}
    for content, conclusion in (("fragment", None), ("complete", frozenset[str]())):
        path.write_text(json.dumps({**base, "content": content}))
        import_source("fhir", Request(path, tmp_path), tmp_path)
        found = Lookup(Shelf(tmp_path))
        assert found.displays("http://c", "b") == conclusion
        assert found.displays("http://c", "a") == frozenset({"Ah"})


def test_the_validator_takes_both_as_they_are(lookup: Lookup) -> None:
    """The two callables fit; what they know is found."""
    coding = {"system": THO + "v3-ActCode", "code": "nonsense"}
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [coding]},
        "valueQuantity": {"value": 1, "system": UCUM, "code": "mmHg"},
    }
    found = fhir.validate(observation, units=ucum.valid, codes=lookup.displays)
    said = {finding.text for finding in found if finding.severity == "error"}
    assert {"the code system has no such code", "not a unit of UCUM"} <= said
