"""Importers: each kind from a small file in its format, refusals in plain words, and any bytes → packs or our error."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terminology import IMPORTERS, Entry, Lookup, Request, Shelf, SourceError, import_source
from terminology.fhir.conceptmap import decide, rows
from terminology.systems import ICD9CM, ICD10, ICD10CM, LOINC

LOCAL = "https://tabellion.invalid/CodeSystem/local-dx"


def load(kind: str, path: Path, data: Path, **about: str) -> list[Entry]:
    return import_source(kind, Request(path, data, **about), data)  # type: ignore[arg-type]  # all fields are texts


def load_json(resource: object, tmp_path: Path, **about: str) -> list[Entry]:
    path = tmp_path / "resource.json"
    path.write_text(json.dumps(resource), encoding="utf-8")
    return load("fhir", path, tmp_path / "data", **about)


def test_gem_text_of_cms(folder: Path, tmp_path: Path) -> None:
    (entry,) = load("gem", folder / "gem-9-to-10.txt", tmp_path, version="2018")
    assert (entry.manifest.system, entry.manifest.target, entry.manifest.version) == (ICD9CM, ICD10CM, "2018")
    assert entry.manifest.counts == {"gem": 7}


def test_icd_10_cm_order_and_code_files(tmp_path: Path) -> None:
    order = tmp_path / "icd10cm-order-2027.txt"
    short = "Cholera".ljust(60)
    order.write_text(f"00001 A00     0 {short} Cholera\n00002 A000    1 {short} Cholera due to something\n")
    load("icd-10-cm", order, tmp_path / "data", version="2027")
    lookup = Lookup(Shelf(tmp_path / "data"))
    heading, code = (lookup.find(ICD10CM, each, "2027") for each in ("A00", "A000"))
    assert heading is not None
    assert code is not None
    assert (heading.selectable, code.selectable, code.code) == (False, True, "A00.0")
    assert code.display == "Cholera due to something"
    plain = tmp_path / "codes.txt"
    plain.write_bytes("0010  Cholera\r\n0011  Chol\xe9ra\r\n".encode("cp1252"))
    load("icd-9-cm", plain, tmp_path / "data", version="32b")
    found = Lookup(Shelf(tmp_path / "data")).find(ICD9CM, "001.1", "32b")
    assert found is not None
    assert found.display == "Choléra"


def test_claml_of_who(folder: Path, tmp_path: Path) -> None:
    (entry,) = load("claml", folder / "icd-10-claml.xml", tmp_path)
    assert (entry.manifest.system, entry.manifest.version) == (ICD10, "2026")
    codes = Lookup(Shelf(tmp_path)).codes(ICD10)
    leaf, chapter = codes.find("X991"), codes.find("I")
    assert leaf is not None
    assert chapter is not None
    assert (leaf.display, leaf.selectable, chapter.selectable) == ("Made-up subcategory", True, False)
    assert codes.parents("X99.1") == ("X99",)


def test_claml_expands_no_entity_and_reads_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not read")
    text = (
        f'<!DOCTYPE ClaML [<!ENTITY x SYSTEM "file://{secret}">]><ClaML><Title version="1"/>'
        '<Class code="A" kind="category"><Rubric kind="preferred"><Label>&x;</Label></Rubric></Class></ClaML>'
    )
    (tmp_path / "x.xml").write_text(text)
    load("claml", tmp_path / "x.xml", tmp_path / "data")
    found = Lookup(Shelf(tmp_path / "data")).find(ICD10, "A")
    assert found is not None
    assert "read" not in found.display
    bomb = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha"}">' for n in range(12))
    (tmp_path / "bomb.xml").write_text(f"<!DOCTYPE ClaML [{bomb}]><ClaML><Title>&a11;</Title></ClaML>")
    with pytest.raises(SourceError):
        load("claml", tmp_path / "bomb.xml", tmp_path / "data")


def test_loinc(folder: Path, tmp_path: Path) -> None:
    (entry,) = load("loinc", folder / "Loinc.csv", tmp_path, version="2.81")
    assert "Regenstrief" in entry.manifest.licence
    codes = Lookup(Shelf(tmp_path)).codes(LOINC)
    first, old = codes.find("99990-1"), codes.find("99992-7")
    assert first is not None
    assert old is not None
    assert (first.display, first.inactive, old.inactive) == ("Made-up analyte [Mass/volume] in Serum", False, True)


def test_concept_map(folder: Path, tmp_path: Path) -> None:
    (entry,) = load("fhir", folder / "local-to-icd-10-cm.json", tmp_path)
    assert (entry.manifest.kind, entry.manifest.system, entry.manifest.version) == ("concept-map", LOCAL, "1")
    pack = Shelf(tmp_path).open(entry)
    found = {code: decide(rows(pack, code)) for code in ("ZZ1", "ZZ2", "ZZ3", "ZZ4", "ZZ5", "ZZ6")}
    assert [found[code].status for code in sorted(found)] == [
        *("translated", "translated", "ambiguous", "no-target", "ambiguous", "unknown")
    ]
    assert [found[code].approximate for code in ("ZZ1", "ZZ2")] == [False, True]
    assert found["ZZ2"].advice == ("duration is not carried",)
    assert "depends on" in found["ZZ5"].alternatives[0].when


def test_a_concept_map_of_r5_and_of_several_systems(tmp_path: Path) -> None:
    def group(target: str, relationship: str) -> dict[str, Any]:
        one = {"code": "a", "target": [{"code": "b", "relationship": relationship}]}
        return {"source": "http://s", "target": target, "element": [one, {"code": "n", "noMap": True}]}

    resource = {
        "resourceType": "ConceptMap",
        "version": "2",
        "group": [group("http://t", "source-is-narrower-than-target"), group("http://u", "equivalent")],
    }
    entries = load_json(resource, tmp_path)
    assert [entry.manifest.target for entry in entries] == ["http://t", "http://u"]
    shelf = Shelf(tmp_path / "data")
    first = decide(rows(shelf.open(entries[0]), "a"))
    assert (first.targets[0].equivalence, first.approximate) == ("wider", True)
    assert decide(rows(shelf.open(entries[1]), "n")).status == "no-target"


def test_code_system_with_hierarchy_and_flags(tmp_path: Path) -> None:
    concepts = [
        {
            "code": "top",
            "display": "Top",
            "property": [{"code": "notSelectable", "valueBoolean": True}],
            "concept": [
                {
                    "code": "old",
                    "property": [{"code": "status", "valueCode": "retired"}],
                    "designation": [{"language": "de", "value": "Alt"}],
                }
            ],
        },
    ]
    resource = {
        "resourceType": "CodeSystem",
        "url": "http://c",
        "version": "1",
        "content": "complete",
        "concept": concepts,
    }
    load_json(resource, tmp_path)
    codes = Lookup(Shelf(tmp_path / "data")).codes("http://c")
    top, old = codes.find("top"), codes.find("old")
    assert top is not None
    assert old is not None
    assert (top.selectable, old.inactive) == (False, True)
    assert codes.details("old").parents == ("top",)
    assert ("de", "", "Alt") in codes.details("old").designations


def test_value_set_by_list_or_expansion(tmp_path: Path) -> None:
    include = {"system": "http://c", "concept": [{"code": "a", "display": "A"}]}
    base = {"resourceType": "ValueSet", "url": "http://v", "version": "1"}
    (entry,) = load_json({**base, "compose": {"include": [include]}}, tmp_path)
    assert entry.manifest.counts == {"member": 1}
    contains = [{"system": "http://c", "abstract": True, "contains": [{"system": "http://c", "code": "b"}]}]
    (entry,) = load_json({**base, "expansion": {"contains": contains}}, tmp_path)
    pack = Shelf(tmp_path / "data").open(entry)
    assert pack.rows("SELECT system, code FROM member") == [("http://c", "b")]


def test_the_public_test_resources_of_hl7(shared_data: Path, tmp_path: Path) -> None:
    """HL7's terminology tests (R5): each code system, value set and map is taken, or refused for a known reason."""
    taken, refused = 0, set()
    for path in sorted((shared_data / "terminology" / "tx-ecosystem").rglob("*.json")):
        if not path.name.startswith(("codesystem-", "valueset-", "cs-", "vs-", "cm", "conceptmap-")):
            continue
        try:
            taken += len(IMPORTERS["fhir"].build(Request(path, tmp_path, version="0")))
        except SourceError as error:
            refused.add(str(error))
    assert taken >= 55
    assert refused <= {
        "a CodeSystem whose content is neither complete nor a fragment holds no code list",
        "an include that doesn't list its concepts: import the expanded ValueSet",
        "excludes are not expanded: import the expanded ValueSet",
        "only CodeSystem, ValueSet and ConceptMap are imported",
    }


def package(tmp_path: Path, files: dict[str, object]) -> Path:
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_package_makes_one_pack_of_codes_and_one_of_names(tmp_path: Path) -> None:
    system = {"resourceType": "CodeSystem", "url": "http://c/1", "content": "complete", "concept": [{"code": "a"}]}
    named = {
        "resourceType": "NamingSystem",
        "name": "N",
        "uniqueId": [{"type": "oid", "value": "1.2.3"}, {"type": "uri", "value": "http://n"}],
    }
    files: dict[str, object] = {
        "package/package.json": {"name": "x", "version": "4", "license": "CC0-1.0"},
        "package/CodeSystem-1.json": {**system, "identifier": [{"value": "urn:oid:1.2.4"}]},
        "package/CodeSystem-2.json": {**system, "url": "http://c/2", "content": "not-present"},
        "package/NamingSystem-1.json": named,
        "package/other/ignored.json": [],
    }
    codes, naming = load("fhir-package", package(tmp_path, files), tmp_path / "data")
    assert codes.manifest.counts == {"system": 1, "concept": 1}
    assert naming.manifest.counts == {"naming": 2}
    lookup = Lookup(Shelf(tmp_path / "data"))
    assert lookup.uris("urn:oid:1.2.3") == ("http://n",)
    assert lookup.oids("http://c/1") == ("1.2.4",)
    assert lookup.find("http://c/1", "a", "4") is not None


REFUSED: list[tuple[str, bytes, str]] = [
    ("fhir", b"[]", "not a FHIR resource"),
    ("fhir", b'{"resourceType":"Patient"}', "only CodeSystem"),
    ("fhir", b'{"resourceType":"CodeSystem","content":"not-present"}', "no code list"),
    ("fhir", b'{"resourceType":"CodeSystem","content":"complete","url":"u"}', "version"),
    ("fhir", b'{"resourceType":"ConceptMap"}', "no group"),
    ("fhir", b'{"resourceType":"ConceptMap","group":[{"source":"s"}]}', "without source or target"),
    ("fhir", b'{"resourceType":"ConceptMap","group":[{"source":"s","target":"t","element":[{}]}]}', "without a code"),
    ("fhir", b'{"resourceType":"ValueSet","url":"v","compose":{"include":[{"system":"s"}]}}', "doesn't list"),
    ("fhir", b'{"resourceType":"ValueSet","url":"v","compose":{"exclude":[{}]}}', "not expanded"),
    ("loinc", b"a,b\n", "no columns"),
    ("loinc", b"LOINC_NUM,LONG_COMMON_NAME,STATUS\nx,y,ACTIVE\n", "not a LOINC number"),
    ("icd-10-cm", b"nonsense\n", "line 1"),
    ("icd-10-cm", b"A00 x\nA00 y\n", "twice"),
    ("claml", b"<x/>", "not ClaML"),
    ("claml", b"<ClaML><Class/></ClaML>", "without a code"),
    ("claml", b"<", "well-formed"),
    ("fhir-package", b"", "not a FHIR package"),
    ("rf2", b"", "not a folder"),
]


@pytest.mark.parametrize(("kind", "content", "said"), REFUSED)
def test_what_is_not_of_the_format_is_refused(tmp_path: Path, kind: str, content: bytes, said: str) -> None:
    path = tmp_path / "source"
    path.write_bytes(content)
    about = {} if kind == "fhir" else {"version": "1"}
    with pytest.raises(SourceError, match=said):
        load(kind, path, tmp_path / "data", **about)


@pytest.mark.parametrize("kind", [kind for kind, importer in IMPORTERS.items() if importer.needs])
def test_a_version_that_the_source_does_not_say_is_asked_for(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SourceError, match="version"):
        load(kind, tmp_path / "any", tmp_path / "data")


KEYS = (
    *("resourceType", "group", "element", "target", "source", "code", "equivalence", "concept", "content", "url"),
    *("version", "property", "compose", "include", "system", "designation", "value", "display", "contains"),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
JSON = st.recursive(
    LEAVES | st.sampled_from(["complete", "equivalent", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(set(IMPORTERS) - {"rf2"})), st.binary(max_size=200))
def test_any_bytes_are_packs_or_our_error(tmp_path: Path, kind: str, data: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(data)
    with contextlib.suppress(SourceError):
        load(kind, path, tmp_path / "data", version="1")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["CodeSystem", "ValueSet", "ConceptMap"]), JSON)
def test_any_json_is_packs_or_our_error(tmp_path: Path, kind: str, content: object) -> None:
    body = content if isinstance(content, dict) else {"concept": content, "group": content, "compose": content}
    with contextlib.suppress(SourceError):
        load_json({**body, "resourceType": kind, "content": "complete"}, tmp_path, version="1")
