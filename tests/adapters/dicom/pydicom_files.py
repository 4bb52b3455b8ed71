"""The files that pydicom brings with it (MIT): the test corpus of DICOM, at hand wherever the package is."""

from __future__ import annotations

from pathlib import Path

import pydicom

_DATA = Path(pydicom.__file__).parent / "data"
_OTHERS = {".txt", ".md", ".icc", ".dump", ".gz", ".py", ".pyc", ".json"}

# Not DICOM, or so broken that no element can be told: a byte is missing or added in front, as its name says
BROKEN = {"no_meta.dcm"}


def folder() -> Path:
    """Where they lie."""
    return _DATA


def files() -> list[Path]:
    """All that are DICOM, in order."""
    found = [
        path
        for name in ("test_files", "charset_files")
        for path in sorted((_DATA / name).rglob("*"))
        if path.is_file() and path.suffix not in _OTHERS and path.name != "README"
    ]
    return [path for path in found if path.name not in BROKEN]


def label(path: Path) -> str:
    """Its name for a test."""
    return path.relative_to(_DATA).as_posix()
