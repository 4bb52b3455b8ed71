"""Overlays: a vendor's ways in files by manufacturer and model; what is wrong in a file is found at load, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mappings import MapError, resource
from mappings.dicom import DicomMap, load, load_content
from tests.mappings.dicom.made import SETTINGS, dumped, image

VENDOR = """\
manufacturer: [ZZ IMAGING]
model: [Old]
charset: GB18030
rows:
  resources/Patient:
  - {id: patient-id, to: identifier.value, from: OtherPatientIDsSequence.PatientID, as: line}
  - {id: occupation, to: contact.name.text, from: Occupation, as: line}
"""


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    (tmp_path / "dicom" / "vendors").mkdir(parents=True)
    (tmp_path / "dicom" / "vendors" / "zz.yaml").write_text(VENDOR)
    return tmp_path


def patient(effective: DicomMap, body: bytes) -> dict[str, object]:
    made = next(change for change in effective.map(body, SETTINGS).changes if change.type == "Patient")
    return dict(resource(made))


def _odd(manufacturer: str, model: str) -> bytes:
    """GB18030 text of a scanner that doesn't say so."""
    made = image(SpecificCharacterSet=None, Manufacturer=manufacturer, ManufacturerModelName=model, Occupation="nurse")
    return dumped(made).replace(b"ZZTEST^ANNA ", "测试^安娜".encode("gb18030") + b"   ")


def test_a_vendors_rows_and_character_set_hold_for_its_instances_only(overlay: Path) -> None:
    effective = load([overlay])
    effective.check()
    theirs = patient(effective, _odd("ZZ Imaging GmbH", "Old 3000"))
    assert theirs["contact"] == [{"name": {"text": "nurse"}}]
    assert "identifier" not in theirs
    assert theirs["name"] == [{"family": "测试", "given": ["安娜"]}]
    for other in (_odd("Other", "Old 3000"), _odd("ZZ Imaging", "New")):
        ours = patient(effective, other)
        assert "contact" not in ours
        assert "name" not in ours  # what can't be decoded is residue, never guessed
        assert "identifier" in ours


def test_the_effective_map_is_its_content(overlay: Path) -> None:
    effective = load([overlay])
    again = load_content(effective.content)
    assert again.hash == effective.hash != load().hash
    body = _odd("ZZ Imaging", "Old")
    assert again.map(body, SETTINGS) == effective.map(body, SETTINGS)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{to: nonsense, from: PatientID, as: line}", "no such element in R4"),
        ("{to: birthDate, from: NoSuchKeyword, as: date}", "no keyword of PS3.6"),
        ("{to: birthDate, from: PatientName, as: PN}", "birthDate is a date"),
        ("{to: gender, set: both}", "no code of"),
        ("{to: gender, from: PatientSex, table: NoTable}", "no table"),
        ("{to: birthDate, from: PatientBirthDate, as: nothing}", "no leaf function"),
        ("{to: birthDate, from: [PatientBirthDate, PatientBirthTime], as: date}", "sources"),
        ("{to: birthDate, fron: PatientBirthDate}", "a row has no fron"),
        ("{to: birthDate}", "where its value is from"),
    ],
)
def test_what_is_wrong_is_found_at_load(tmp_path: Path, row: str, said: str) -> None:
    folder = tmp_path / "dicom" / "resources"
    folder.mkdir(parents=True)
    (folder / "Patient.yaml").write_text(f"resource: Patient\nrows:\n- {row}\n")
    with pytest.raises(MapError, match=said) as error:
        load([tmp_path])
    assert str(error.value).startswith("resources/Patient.yaml:3: ")
