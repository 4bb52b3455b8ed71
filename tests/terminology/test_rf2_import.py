"""RF2 releases: files by their names, columns by their headers, rows in force, and packs made of them."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terminology import Lookup, Request, Shelf, SourceError, import_source
from terminology.rf2.extended import rows
from terminology.rf2.sctid import check_digit, valid_sctid
from terminology.systems import ICD10CM, SNOMED
from tools import terminology_samples
from tools.terminology_samples import CONCEPTS, MAPS, REFSET, sctid

_MAP_HEADER = (
    "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\t"
    "mapGroup\tmapPriority\tmapRule\tmapAdvice\tmapTarget\tcorrelationId"
)


def release(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder


def imported(source: Path, data: Path, **about: str) -> Shelf:
    import_source("rf2", Request(source, data, **about), data)  # type: ignore[arg-type]  # all given fields are texts
    return Shelf(data)


def map_file(*lines: str, header: str = "\tmapCategoryId", name: str = "iissscc") -> dict[str, str]:
    text = "\r\n".join([_MAP_HEADER + header, *lines]) + "\r\n"
    return {f"der2_{name}Refset_ExtendedMapSnapshot_XX_20260101.txt": text}


def test_the_sample_is_what_the_kept_script_makes(folder: Path) -> None:
    for name, lines in terminology_samples.files().items():
        path = folder / "rf2" / "Snapshot" / name
        assert path.read_bytes() == "".join("\t".join(row) + "\r\n" for row in lines).encode()


def test_identifiers_of_the_sample_are_well_formed_and_in_the_invented_namespace() -> None:
    for number, _, _ in CONCEPTS.values():
        assert valid_sctid(sctid(number))
        assert sctid(number)[-10:-3] == "9999999"


@pytest.mark.parametrize("known", ["248152002", "445518008", "900000000000003001", "116680003", "447562003"])
def test_check_digits_of_known_identifiers(known: str) -> None:
    assert valid_sctid(known)
    assert check_digit(known[:-1]) == known[-1]
    assert not valid_sctid(known[:-2] + known[-1] + known[-2])  # swapped digits, if they differ


def test_concepts_terms_history_and_map(shelf: Shelf) -> None:
    concepts, mapped = (
        next(
            entry.manifest
            for entry in shelf.entries()
            if entry.manifest.system == SNOMED and entry.manifest.kind == kind
        )
        for kind in ("codes", "extended-map")
    )
    assert concepts.version == mapped.version == "20260101"
    assert concepts.counts["concept"] == len(CONCEPTS)
    assert concepts.counts["designation"] == 2 * len(CONCEPTS)
    assert concepts.counts["history"] == 3
    assert mapped.counts == {"extended_map": len(MAPS)}
    lookup = Lookup(shelf)
    found = lookup.find(SNOMED, sctid(102))
    assert found is not None
    assert (found.display, found.inactive) == ("Invented bronchitis", False)  # the preferred term, not the full name
    details = lookup.codes(SNOMED).details(sctid(104))
    assert details.parents == tuple(sorted((sctid(11), sctid(12))))
    assert ("en", "fsn", "Invented mould disease of lung (disorder)") in details.designations
    old = lookup.find(SNOMED, sctid(111))
    assert old is not None
    assert old.inactive


def test_a_zip_is_the_same_as_its_folder(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    archive = tmp_path / "release.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for path in sorted((folder / "rf2").rglob("*.txt")):
            made.write(path, path.relative_to(folder))
    other = imported(archive, tmp_path / "data", refset=REFSET, target=ICD10CM)
    for kind in ("codes", "extended-map"):
        assert other.find((kind,), SNOMED).manifest.digest == shelf.find((kind,), SNOMED).manifest.digest


def test_20_full_files_take_the_latest_row_that_the_release_knows(tmp_path: Path) -> None:
    """Two modules, of which the release depends on one as of July: what the other has of October is not in force."""
    ours, theirs, stranger = sctid(1), sctid(3), sctid(4)
    dependency = (
        "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tsourceEffectiveTime\ttargetEffectiveTime\r\n"
        f"d\t20260101\t1\t{ours}\t900000000000534007\t{theirs}\t20260101\t20250701\r\n"
    )
    rows_in = [
        f"a\t20250101\t1\t{ours}\t{REFSET}\t{sctid(120)}\t1\t1\tTRUE\t\tR05.1\t447561005\t",
        f"a\t20260101\t1\t{ours}\t{REFSET}\t{sctid(120)}\t1\t1\tTRUE\t\tR05.9\t447561005\t",
        f"b\t20250701\t1\t{theirs}\t{REFSET}\t{sctid(121)}\t1\t1\tTRUE\t\tR07.0\t447561005\t",
        f"b\t20251001\t1\t{theirs}\t{REFSET}\t{sctid(121)}\t1\t1\tTRUE\t\tR07.1\t447561005\t",
        f"c\t20250101\t1\t{ours}\t{REFSET}\t{sctid(122)}\t1\t1\tTRUE\t\tR11.0\t447561005\t",
        f"c\t20260101\t0\t{ours}\t{REFSET}\t{sctid(122)}\t1\t1\tTRUE\t\tR11.0\t447561005\t",
        f"e\t20250101\t1\t{stranger}\t{REFSET}\t{sctid(118)}\t1\t1\tTRUE\t\tR42\t447561005\t",
    ]
    files = map_file(*rows_in)
    files = {name.replace("Snapshot", "Full"): text for name, text in files.items()}
    files["der2_ssRefset_ModuleDependencyFull_XX_20260101.txt"] = dependency
    shelf = imported(release(tmp_path / "full", files), tmp_path / "data", refset=REFSET, target=ICD10CM)
    pack = shelf.open(shelf.find(("extended-map",), SNOMED))
    found = {number: [row.target for row in rows(pack, sctid(number))] for number in (118, 120, 121, 122)}
    assert found == {118: [], 120: ["R05.9"], 121: ["R07.0"], 122: []}


def test_the_uk_file_ends_in_an_integer_not_in_a_category(tmp_path: Path) -> None:
    line = f"a\t20260101\t1\t{sctid(1)}\t{REFSET}\t{sctid(120)}\t1\t1\tTRUE\tALWAYS G35.X\tG35X\t447561005\t7"
    files = map_file(line, header="\tmapBlock", name="iisssci")
    shelf = imported(release(tmp_path / "uk", files), tmp_path / "data", refset=REFSET, target=ICD10CM)
    pack = shelf.open(shelf.find(("extended-map",), SNOMED))
    (row,) = rows(pack, sctid(120))
    assert (row.target, row.category) == ("G35X", "")


def test_quotes_and_odd_white_space_are_text(tmp_path: Path) -> None:
    line = f'a\t20260101\t1\t{sctid(1)}\t{REFSET}\t{sctid(120)}\t1\t1\tTRUE\t"ALWAYS  x\tR05.9\t447561005\t1'
    shelf = imported(release(tmp_path / "q", map_file(line)), tmp_path / "data", refset=REFSET, target=ICD10CM)
    (row,) = rows(shelf.open(shelf.find(("extended-map",), SNOMED)), sctid(120))
    assert row.advice == '"ALWAYS  x'


GOOD = f"a\t20260101\t1\t{sctid(1)}\t{REFSET}\t{sctid(120)}\t1\t1\tTRUE\t\tR05.9\t447561005\t"
BAD: list[tuple[dict[str, str], str]] = [
    ({"readme.txt": "x"}, "no Snapshot or Full"),
    (map_file(GOOD, name="iisssc"), "promises"),
    (map_file(GOOD + "\tmore"), "14 columns"),
    (map_file(GOOD.replace("\t1\t1\tTRUE", "\tone\t1\tTRUE")), "not a number"),
    (map_file(GOOD, GOOD), "twice"),
    (map_file(GOOD.replace(REFSET, sctid(5))), "no map refset"),
    (
        {"sct2_Concept_Snapshot_XX_20260101.txt": "id\teffectiveTime\tactive\tmoduleId\r\n123\t1\t1\t2\r\n"},
        "identifier",
    ),
    ({"sct2_Concept_Snapshot_XX_20260101.txt": "id\tactive\r\n"}, "no column"),
]


@pytest.mark.parametrize(("files", "said"), BAD)
def test_what_is_no_release_is_refused_in_plain_words(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(SourceError, match=said):
        imported(release(tmp_path / "bad", files), tmp_path / "data", refset=REFSET, target=ICD10CM)
    assert [each.name for each in (tmp_path / "data").iterdir() if each.name != ".lock"] == []


def test_an_unknown_map_refset_wants_a_target(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="name one of"):
        imported(release(tmp_path / "r", map_file(GOOD)), tmp_path / "data")
    with pytest.raises(SourceError, match="into which"):
        imported(release(tmp_path / "r", map_file(GOOD)), tmp_path / "data", refset=REFSET)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from(["map", "concept", "zip"]))
def test_any_bytes_are_a_release_or_our_error(tmp_path: Path, data: bytes, kind: str) -> None:
    source = tmp_path / "any"
    name = {
        "map": "der2_iisssccRefset_ExtendedMapSnapshot_XX_20260101.txt",
        "concept": "sct2_Concept_Snapshot_XX_20260101.txt",
        "zip": "release.zip",
    }[kind]
    source.mkdir(exist_ok=True)
    for old in source.iterdir():
        old.unlink()
    head = f"{_MAP_HEADER}\tmapCategoryId\n".encode() if kind == "map" else b""
    (source / name).write_bytes(head + data)
    with contextlib.suppress(SourceError):
        imported(source / name if kind == "zip" else source, tmp_path / "data", refset=REFSET, target=ICD10CM)
