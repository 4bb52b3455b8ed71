"""The documents say what is: made parts are up to date, links lead somewhere, nothing names this or that machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import cda_coverage, dicom_coverage, dicom_samples, hl7v2_coverage

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "sample_data").rglob("*.md")])
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_coverage_of_the_maps_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/hl7v2.md ends with what the map files say."""
    import mappings

    maps = Path(str(mappings.__file__)).parent / "hl7v2"
    text = hl7v2_coverage.DOCUMENT.read_text(encoding="utf-8")
    assert text.endswith("\n".join(hl7v2_coverage.coverage(maps)) + "\n")


def test_coverage_of_the_cda_maps_is_up_to_date() -> None:
    """docs/cda.md ends with what the map files say."""
    from mappings import cda

    text = cda_coverage.DOCUMENT.read_text(encoding="utf-8")
    assert text.endswith("\n".join(cda_coverage.coverage(cda.load())) + "\n")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Relative links only name files that are there."""
    for target in _LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_readme_names_every_document() -> None:
    """A guide that nobody finds is none."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        assert f"docs/{path.name}" in readme, path.name


def test_the_index_of_decisions_has_each_under_its_number() -> None:
    """docs/adr/README.md lists every page by number and title, in order."""
    rows = []
    for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        number, _, title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(". ")
        assert int(path.name[:4]) == int(number), path.name
        rows.append(f"| {number} | [{title}]({path.name}) |")
    assert (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8").endswith("\n".join(rows) + "\n")


def test_coverage_of_the_dicom_maps_is_up_to_date() -> None:
    """docs/dicom.md ends with what the map files say."""
    from mappings import dicom

    text = dicom_coverage.DOCUMENT.read_text(encoding="utf-8")
    maps = Path(str(dicom.__file__)).parent / "maps"
    assert text.endswith("\n".join(dicom_coverage.coverage(maps)) + "\n")


def test_dicom_samples_are_what_their_script_writes() -> None:
    for name, data in dicom_samples.samples():
        assert (ROOT / "sample_data" / "dicom" / name).read_bytes() == data, name
