"""Packages that a user adds: what they demand is checked, what they can't is said, and a hostile archive is refused."""

from __future__ import annotations

import gc
import gzip
import io
import json
import tarfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import (
    Definitions,
    Package,
    PackageLimits,
    PackageRefused,
    compile_package,
    definitions_with,
    load_package,
    read_package,
    validate,
)

URL = "https://example.org/fhir/StructureDefinition/"
HL7 = "http://hl7.org/fhir/StructureDefinition/"
MANIFEST = {"name": "org.example.ward", "version": "1.2.3", "fhirVersions": ["4.0.1"]}


def row(place: str, **more: Any) -> dict[str, Any]:
    return {"id": place, "path": place.partition(":")[0], **more}


def structure(name: str, kind: str, base: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": URL + name,
        "kind": "complex-type" if kind == "Extension" else "resource",
        "type": kind,
        "derivation": "constraint",
        "baseDefinition": base,
        "differential": {"element": list(rows)},
    }


WARD = structure(
    "ward-patient",
    "Patient",
    HL7 + "Patient",
    row(
        "Patient",
        constraint=[
            {
                "key": "wrd-1",
                "severity": "error",
                "human": "a name or an identifier",
                "expression": "name.exists() or identifier.exists()",
            },
            {"key": "wrd-2", "severity": "error", "human": "of today", "expression": "birthDate <= today()"},
        ],
    ),
    row(
        "Patient.identifier", min=1, slicing={"discriminator": [{"type": "value", "path": "system"}], "rules": "closed"}
    ),
    row("Patient.identifier:mrn", sliceName="mrn", min=1, max="1"),
    row("Patient.identifier:mrn.system", min=1, fixedUri="urn:oid:1.2.3"),
    row("Patient.identifier:other", sliceName="other", max="1"),
    row("Patient.identifier:other.system", patternUri="urn:oid:9"),
    row(
        "Patient.extension:bed", sliceName="bed", min=1, max="1", type=[{"code": "Extension", "profile": [URL + "bed"]}]
    ),
    row("Patient.maritalStatus", binding={"strength": "required", "valueSet": URL + "marital|1"}),
    row("Patient.deceased[x]", type=[{"code": "boolean"}]),
    row(
        "Patient.generalPractitioner",
        type=[{"code": "Reference", "targetProfile": [URL + "doctor", HL7 + "Organization"]}],
    ),
)
BED = structure(
    "bed",
    "Extension",
    HL7 + "Extension",
    row("Extension.url", fixedUri=URL + "bed"),
    row("Extension.value[x]", min=1, type=[{"code": "string"}]),
)
DOCTOR = structure("doctor", "Practitioner", HL7 + "Practitioner", row("Practitioner.name", min=1))
ORPHAN = structure("orphan", "Patient", URL + "not-here", row("Patient.name", min=1))
CHILD = structure("child", "Patient", URL + "ward-patient", row("Patient.birthDate", min=1))
VALUES = {
    "resourceType": "ValueSet",
    "url": URL + "marital",
    "compose": {"include": [{"system": "urn:ward", "filter": [{"property": "concept", "op": "is-a", "value": "any"}]}]},
}
SYSTEM = {
    "resourceType": "CodeSystem",
    "url": "urn:ward",
    "content": "complete",
    "concept": [{"code": "any", "concept": [{"code": "s", "display": "single"}, {"code": "m", "display": "married"}]}],
}
RESOURCES = [WARD, BED, DOCTOR, ORPHAN, CHILD, VALUES, SYSTEM]


def archive(files: dict[str, bytes], compress: bool = True) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0) if compress else buffer.getvalue()


def packed(*resources: dict[str, Any], **manifest: Any) -> bytes:
    files = {"package/package.json": json.dumps(MANIFEST | manifest).encode()}
    files |= {f"package/{number}.json": json.dumps(each).encode() for number, each in enumerate(resources)}
    files["package/example/Patient-x.json"] = b"not even JSON"
    files["package/.index.json"] = b'{"files": []}'
    return archive(files)


@pytest.fixture(scope="module")
def package() -> Package:
    return compile_package(packed(*RESOURCES))


@pytest.fixture(scope="module")
def table(package: Package) -> Definitions:
    return definitions_with([package])


def patient(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "meta": {"profile": [URL + "ward-patient"]},
        "extension": [{"url": URL + "bed", "valueString": "4"}],
        "identifier": [{"system": "urn:oid:1.2.3", "value": "1"}],
    } | more


def test_what_conforms_is_clean(table: Definitions) -> None:
    lawful = patient(
        maritalStatus={"coding": [{"system": "urn:ward", "code": "m", "display": "Married"}]},
        deceasedBoolean=False,
        generalPractitioner=[{"reference": "Practitioner/1"}],
    )
    assert validate(lawful, table=table) == []


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"identifier": [{"system": "urn:oid:9", "value": "1"}]}, "required", "Patient.identifier"),
    ({"identifier": [{"system": "urn:oid:1.2.3"}, {"system": "urn:x"}]}, "structure", "Patient.identifier[1]"),
    ({"identifier": [{"system": "urn:oid:1.2.3"}, {"system": "urn:oid:1.2.3"}]}, "structure", "Patient.identifier"),
    ({"extension": [{"url": "urn:other", "valueString": "4"}]}, "required", "Patient.extension"),
    ({"extension": [{"url": URL + "bed", "valueInteger": 4}]}, "structure", "Patient.extension[0].value"),
    ({"maritalStatus": {"text": "x"}}, "code-invalid", "Patient.maritalStatus"),
    ({"deceasedDateTime": "2024"}, "structure", "Patient.deceased"),
    (
        {"generalPractitioner": [{"reference": "PractitionerRole/1"}]},
        "structure",
        "Patient.generalPractitioner[0].reference",
    ),
    ({"meta": {"profile": [URL + "child|1"]}}, "required", "Patient.birthDate"),
    ({"meta": {"profile": [URL + "doctor"]}}, "structure", "Patient"),
]


@pytest.mark.parametrize(("change", "code", "expression"), FAULTS, ids=[case[2] for case in FAULTS])
def test_what_does_not_is_named_at_its_place(
    table: Definitions, change: dict[str, Any], code: str, expression: str
) -> None:
    found = validate(patient(**change), table=table)
    assert [(each.severity, each.code, each.expression) for each in found] == [("error", code, expression)]
    assert found[0].profile.startswith(URL) or "extension[" in expression  # that is checked wherever it stands


def test_codes_of_the_packages_complete_systems_are_known(table: Definitions) -> None:
    coded = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "urn:ward", "code": "?"}]},
    }
    assert [each.expression for each in validate(coded, table=table)] == ["Observation.code.coding[0].code"]
    assert validate(coded) == []


def test_what_cannot_be_checked_is_said(package: Package, table: Definitions) -> None:
    assert [each.what for each in package.skipped] == [f"{URL}ward-patient#wrd-2"]
    claimed = patient(meta={"profile": [URL + "orphan"]})
    assert [each.code for each in validate(claimed, table=table)] == ["not-supported"]
    assert [each.severity for each in validate(claimed)] == ["information"]


def test_the_stored_form_is_the_same_each_time_and_reads_back(package: Package, tmp_path: Path) -> None:
    path = tmp_path / "ward.tgz"
    path.write_bytes(packed(*RESOURCES))
    assert load_package(path) == package == read_package(package.encode())
    assert load_package(path).encode() == package.encode()


def test_nothing_in_a_package_changes_r4(package: Package) -> None:
    weak = structure("x", "Patient", HL7 + "Patient") | {"url": HL7 + "bp"}
    cuckoo = {"resourceType": "CodeSystem", "url": "http://hl7.org/fhir/administrative-gender", "content": "complete"}
    gender = {"resourceType": "ValueSet", "url": "http://hl7.org/fhir/ValueSet/administrative-gender"}
    gender["compose"] = {"include": [{"system": "urn:x", "concept": [{"code": "M"}]}]}  # type: ignore[assignment]
    bound = structure(
        "b",
        "Patient",
        HL7 + "Patient",
        row("Patient.gender", binding={"strength": "required", "valueSet": gender["url"]}),
    )
    table = definitions_with([compile_package(packed(weak, cuckoo, gender, bound))])
    assert validate({"resourceType": "Patient", "gender": "M"}, table=table) != []
    assert table.profile(HL7 + "bp") == definitions_with([]).profile(HL7 + "bp")
    assert table.system("http://hl7.org/fhir/administrative-gender")


TINY = PackageLimits(archive=100_000, unpacked=1_000_000, file=50_000, files=20)
HOSTILE: list[tuple[str, bytes]] = [
    ("not an archive", b"PK\x03\x04"),
    ("empty", b""),
    ("cut short", packed(*RESOURCES)[:-200]),
    ("not gzipped", archive({"package/package.json": b"{}"}, compress=False)),
    ("no manifest", archive({"package/x.json": b"{}"})),
    ("manifest without name", archive({"package/package.json": b"{}"})),
    ("for R5", packed(fhirVersions=["5.0.0"])),
    ("a bomb", archive({"package/x.json": bytes(5_000_000)})),
    ("a large file", archive({"package/x.json": b" " * 60_000})),
    ("many files", archive({f"package/{number}.txt": b"" for number in range(30)})),
    ("larger than allowed", bytes(200_000)),
    ("duplicate keys", archive({"package/package.json": b'{"name": "a", "name": "b"}'})),
    ("no lawful profile", packed(WARD | {"differential": {"element": [{}]}})),
    ("no lawful value set", packed(WARD, VALUES | {"compose": {"include": [{"system": "x", "concept": [{}]}]}})),
    ("no lawful code system", packed(SYSTEM | {"concept": [{}]})),
]


@pytest.mark.parametrize("data", [case[1] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_hostile_archive_is_refused(data: bytes) -> None:
    with pytest.raises(PackageRefused):
        compile_package(data, TINY)


def test_paths_out_of_the_folder_links_and_devices_are_not_read() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        manifest = json.dumps(MANIFEST).encode()
        info = tarfile.TarInfo("package/package.json")
        info.size = len(manifest)
        opened.addfile(info, io.BytesIO(manifest))
        link = tarfile.TarInfo("package/link.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        opened.addfile(link)
        outside = tarfile.TarInfo("../package/x.json")
        opened.addfile(outside, io.BytesIO(b""))
    assert compile_package(buffer.getvalue()).profiles == ()


@given(st.binary(max_size=200) | st.binary(max_size=200).map(gzip.compress))
def test_any_bytes_give_a_package_or_our_error(data: bytes) -> None:
    for read in (compile_package, read_package):
        with pytest.raises(PackageRefused):
            read(data)


@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_archive_gives_a_package_or_our_error(place: int, byte: int) -> None:
    data = bytearray(packed(*RESOURCES))
    data[place % len(data)] = byte
    with suppress(PackageRefused):
        compile_package(bytes(data))


def test_what_is_compiled_for_a_table_goes_with_it(package: Package) -> None:
    table = definitions_with([package])
    assert validate(patient(), table=table) == []
    gone = weakref.ref(table)
    del table
    gc.collect()
    assert gone() is None
