"""FHIR packages that a user added to a data folder: profiles, value sets and code systems for validation.

A package is compiled once, when it is added, and kept as one file under its name and version.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from adapters import fhir
from pipelines.database import write_durably
from pipelines.errors import FolderError

__all__ = ["add", "listed", "paths", "table"]

_SUFFIX = ".package"
_OTHER = re.compile(r"[^A-Za-z0-9._-]")


def add(folder: Path, archive: Path) -> fhir.Package:
    """Compile and keep the archive at a path; the same name and version replaces. Raises PackageRefused, OSError."""
    package = fhir.load_package(archive)
    folder.mkdir(mode=0o700, exist_ok=True)
    name = _OTHER.sub("_", f"{package.name}-{package.version}")
    write_durably(folder / f"{name}{_SUFFIX}", package.encode())
    return package


def paths(folder: Path | None) -> tuple[Path, ...]:
    """The packages of a folder, in the order of their names: of two that define the same the last one counts."""
    return () if folder is None else tuple(sorted(folder.glob(f"*{_SUFFIX}")))


def listed(folder: Path) -> list[fhir.Package]:
    """All that were added. Raises FolderError for a file that isn't one."""
    return [_read(path) for path in paths(folder)]


@lru_cache(maxsize=4)
def table(found: tuple[Path, ...]) -> fhir.Definitions:
    """R4 with packages over it; kept, with all that is compiled for it. Raises FolderError."""
    return fhir.definitions_with([_read(path) for path in found]) if found else fhir.definitions()


def _read(path: Path) -> fhir.Package:
    try:
        return fhir.read_package(path.read_bytes())
    except (fhir.PackageRefused, OSError) as error:
        raise FolderError(f"{path}: {error}") from error
