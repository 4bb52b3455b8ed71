"""Overlays: rows replaced, removed and added by id; the hash of the effective map; the difference as people read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mappings import MapError, MappingError, load, load_content
from mappings.engine.difference import difference
from mappings.engine.effective import EffectiveMap
from mappings.engine.library import _overlaid
from mappings.engine.yamlfile import read as read_yaml
from tests.mappings.engine.small import library, mapped, message, patient_map, resources

BASE = "- {id: born, to: birthDate, from: PID-7, as: date}\n- {to: gender, from: PID-8, as: code}"
TEXT = message("PID|||||||1970|male|||||||||||||||||||||1980")


def overlaid(over: str) -> EffectiveMap:
    files = dict(library(patient_map(BASE)).files)
    name = "segments/PID-Patient.yaml"
    files[name] = _overlaid(files[name], read_yaml(over.encode(), name), name)
    return EffectiveMap(type(library({}))(files))


def patient(effective: EffectiveMap) -> dict[str, object]:
    from adapters.hl7v2 import read
    from tests.mappings.engine.small import SETTINGS

    return resources(effective.map(read(TEXT.encode()), SETTINGS), "Patient")[0]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ("rows:\n- {id: born, to: birthDate, from: PID-29, as: date}", {"birthDate": "1980", "gender": "male"}),
        ("rows:\n- {id: 'gender:PID-8', remove: true}", {"birthDate": "1970"}),
        ("rows:\n- {to: active, set: 'false'}", {"birthDate": "1970", "gender": "male", "active": False}),
        (
            "rows:\n- {id: first, to: birthDate, from: PID-29, as: date, before: born}",
            {"birthDate": "1980", "gender": "male"},
        ),
        (
            "rows:\n- {id: last, to: birthDate, from: PID-29, as: date, after: born}",
            {"birthDate": "1970", "gender": "male"},
        ),
    ],
)
def test_rows_by_id(over: str, expected: dict[str, object]) -> None:
    effective = overlaid(over)
    assert patient(effective) == expected
    assert effective.hash != overlaid("rows: []").hash


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("segments/PID-Patient.yaml", "rows:\n- {to: active, set: 'true'}\n- {to: banana, from: PID-7}\n", 3),
        ("segments/ZPI-Patient.yaml", "segment: ZPI -> Patient\nrows:\n- {to: gender, from: ZPI-2, table: None}\n", 3),
        ("messages/ADT_A01.yaml", "rows:\n- {for: PID, make: Patient, into: patient}\n", 2),
        ("segments/PV1-Encounter.yaml", "rows:\n- {id: nobody, remove: true}\n", 2),
        ("datatypes/CX-Identifier.yaml", "rows: [\n", 2),
        ("tables/AdministrativeSex.csv", "# policy: miss=banana\ncode,target\n", 1),
    ],
)
def test_a_finding_in_an_overlay_names_its_folder(tmp_path: Path, file: str, text: str, place: int) -> None:
    path = tmp_path / "north" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(MappingError) as raised:
        load((tmp_path / "north",)).check()
    assert f"north/{file}:{place}: " in str(raised.value)


@pytest.mark.parametrize(
    "over", ["rows:\n- {id: nobody, remove: true}", "rows:\n- {id: x, to: active, set: 'true', after: nobody}"]
)
def test_unknown_ids_are_refused(over: str) -> None:
    with pytest.raises(MapError, match="no row nobody"):
        overlaid(over)


def test_the_hash_is_of_the_content_alone() -> None:
    plain = EffectiveMap(library(patient_map(BASE)))
    commented = EffectiveMap(
        library(patient_map("# a comment\n\n" + BASE.replace("{id: born, to:", "{id: born,   to:")))
    )
    assert plain.hash == commented.hash
    assert plain.hash == overlaid("rows: []").hash


def test_folders_over_the_release(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "segments").mkdir(parents=True)
    (folder / "segments" / "PID-Patient.yaml").write_text("rows:\n- {id: 'gender:PID-8', remove: true}\n")
    base, site = load(), load([folder])
    assert base.hash != site.hash
    lines = list(difference(base, site))
    assert lines[:2] == [f"- {base.hash}", f"+ {site.hash}"]
    assert len(lines) == 3
    assert lines[2].startswith("- segments/PID-Patient.yaml:")
    assert "gender:PID-8" in lines[2]
    assert list(difference(base, load())) == []


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(MapError):
        load([tmp_path / "nothing"])


def test_content_makes_the_same_map() -> None:
    files = patient_map(BASE)
    first = EffectiveMap(library(files))
    again = load_content(first.content)
    assert again.hash == first.hash
    assert patient(again) == patient(first) == resources(mapped(files, TEXT), "Patient")[0]
