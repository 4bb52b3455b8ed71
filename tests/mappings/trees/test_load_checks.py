"""What the load checks find, with file and line: nothing that a row names may be unknown, misplaced or of another type."""

from __future__ import annotations

from pathlib import Path

import pytest

from mappings import MapErrors, cda
from mappings.errors import MapError
from mappings.trees.library import row_id
from mappings.trees.paths import PathError, compile_path, compile_predicate

ROW = "map: x -> Patient\nrows:\n- {row}\n"


def findings(folder: Path, name: str, text: str) -> str:
    """What a map file in an overlay gives."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises((MapErrors, MapError)) as caught:
        cda.load([folder]).check()
    return str(caught.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{to: nmae, from: patient/name, as: PN}", "no such element in R4"),
        ("{to: name, from: patient/nmae, as: PN}", "there is no element nmae in CDA"),
        ("{to: birthDate, from: patient/birthTime/@valeu}", "there is no attribute valeu in CDA"),
        ("{to: name, from: patient/name, as: PM}", "there is no map or leaf function PM"),
        ("{to: name, from: patient/name, as: AD}", "name is a HumanName, the row makes a Address"),
        (
            "{to: birthDate, from: patient/birthTime/@value, as: dateTime}",
            "birthDate is a date, the row makes a dateTime",
        ),
        ("{to: gender, from: patient/administrativeGenderCode/@code, table: Nope}", "there is no table Nope"),
        ("{to: gender, from: patient/administrativeGenderCode/@code, table: NameUse}", "the binding is required"),
        ("{to: gender, from: patient/administrativeGenderCode, table: AdministrativeGender}", "an attribute or a text"),
        ("{to: gender, value: femal}", "the binding is required"),
        ("{to: active, value: 'on'}", "active is true or false"),
        ("{to: 'deceased[x]', from: patient/birthTime/@value}", "several types"),
        ("{to: managingOrganization, from: providerOrganization, emit: Device}", "can't refer to a Device"),
        ("{to: name, from: providerOrganization, emit: Organization}", "is no reference"),
        ("{to: name, link: patient}", "is no reference"),
        ("{to: name, form: patient/name}", "a row has no form"),
        ("{to: name}", "a row says one of"),
        ("{to: name, from: 'patient/name[', as: PN}", "is no path"),
        ("{to: name, from: patient/name, as: PN, when: 'not('}", "is no path"),
        ("{to: birthDate, from: patient/birthTime/@value, as: birth-order}", "more than one text"),
    ],
)
def test_a_row_that_cannot_be(tmp_path: Path, row: str, said: str) -> None:
    text = findings(tmp_path, "documents/Extra.yaml", ROW.replace("{row}", row))
    assert said in text
    assert text.startswith(("documents/Extra.yaml:3:", "tables/NameUse.csv:"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("documents/Extra.yaml", "rows: []\n", "a map begins with"),
        ("documents/Extra.yaml", "map: x -> Patent\nrows: []\n", "R4 has no type Patent"),
        ("documents/Extra.yaml", "map: x -> Patient\nguard: Nope\nrows: []\n", "there is no guard Nope"),
        ("documents/Extra.yaml", "map: x -> Patient\ninclude: [Nope]\nrows: []\n", "there is no map Nope"),
        ("entries/Patient.yaml", "map: x -> Patient\nrows: []\n", "has the same name"),
        ("statements.yaml", "statements:\n- {template: 1.2, emit: Organization}\n", "has no guard"),
        ("statements.yaml", "statements:\n- {template: 1.2, open: 'entryRelationship/*'}\n", "names its guard"),
        ("guard.yaml", "guards: {X: {classes: [act], rows: [{mood: EVN}]}}\n", "go: yes"),
        ("documents/Patient.yaml", "rows:\n- {id: nope, remove: 'true'}\n", "there is no row nope to remove"),
        ("tables/NameUse.csv", "a,b\n", "a table has the columns"),
    ],
)
def test_a_file_that_cannot_be(tmp_path: Path, name: str, text: str, said: str) -> None:
    assert said in findings(tmp_path, name, text)


def test_the_built_in_maps_pass_and_every_map_is_used() -> None:
    maps = cda.load()
    maps.check()
    named = set()
    for name, content in maps.library.files.items():
        if name.endswith(".yaml"):
            named |= set(str(content).replace("'", " ").replace('"', " ").replace(",", " ").split())
        else:
            named |= {part for line in content.splitlines() for part in line.split(",")}
    assert {name for name in maps.library.maps if name not in named and name != "Composition"} == set()
    assert {Path(name).stem for name in maps.library.files if name.startswith("tables/")} <= named | {
        "CodeSystems", "Identifiers", "Units",
    }  # fmt: skip


def test_overlays_replace_remove_and_add_rows_by_id(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "Patient.yaml").write_text(
        "rows:\n- {id: race, remove: 'true'}\n- {id: 'gender:patient/administrativeGenderCode/@code', to: gender, value: other}\n"
        "- {to: language, value: de}\n"
    )
    changed, base = cda.load([tmp_path]), cda.load()
    changed.check()
    assert changed.hash != base.hash
    ids = [
        row["id"] if "id" in row else row["to"]
        for row in changed.library.files["documents/Patient.yaml"]["rows"]
        if "first" not in row
    ]
    assert "race" not in ids
    assert "language" in ids
    assert cda.load_content(changed.content).hash == changed.hash


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "a/",
        "a//b",
        "a[",
        "a[@b='c]",
        "a[0]",
        "@",
        "a/@b/c",
        "..",
        "following::a",
        "a[position()=1]",
        "a and b",
        "a[b=c=d]",
        "$x",
        "a|",
        "text()/a",
    ],
)
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(PathError):
        compile_path(text)


def test_what_is_no_condition() -> None:
    for text in ("", "a and", "not(a", "(a", "a or or b", "a)"):
        with pytest.raises(PathError):
            compile_predicate(text)


def test_every_safety_deviation_names_what_is_there_and_why() -> None:
    files = cda.load().library.files
    for each in files["safety.yaml"]["deviations"]:
        assert set(each) == {"id", "rows", "does", "reason"}
        assert each["rows"]
        for name in each["rows"]:
            file, _, row = str(name).partition("#")
            if file == "guard.yaml":
                assert row in files[file]["guards"], name
            elif file == "statements.yaml":
                assert row in files[file], name
            else:
                assert row in {row_id(found) for found in files[file]["rows"]}, name
