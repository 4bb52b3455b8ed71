"""What can be imported, as a table: kind → what it is and the function that makes packs of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from terminology.errors import PackError, SourceError
from terminology.fhir import build_fhir, build_package
from terminology.icd import build_claml, build_codes, build_gem
from terminology.loinc import build_loinc
from terminology.packs import Entry, install
from terminology.rf2 import build_rf2
from terminology.source import Request
from terminology.systems import ICD9CM, ICD10CM

__all__ = ["IMPORTERS", "Importer", "import_source"]


@dataclass(frozen=True, slots=True)
class Importer:
    """`what`: in words, for --help and the guide. `needs`: what the source doesn't say itself."""

    what: str
    build: Callable[[Request], list[Path]]
    needs: tuple[str, ...] = ()


def _of(system: str) -> Callable[[Request], list[Path]]:
    return lambda request: build_codes(replace(request, system=system))


IMPORTERS: Mapping[str, Importer] = {
    "gem": Importer("General Equivalence Mappings, CMS text or NBER CSV, either direction", build_gem, ("version",)),
    "icd-10-cm": Importer("ICD-10-CM codes or order file of CMS", _of(ICD10CM), ("version",)),
    "icd-9-cm": Importer("ICD-9-CM diagnosis titles of CMS", _of(ICD9CM), ("version",)),
    "claml": Importer("a classification in ClaML (ISO 13120), e.g. the WHO's ICD-10", build_claml),
    "loinc": Importer("LOINC's Loinc.csv", build_loinc, ("version",)),
    "rf2": Importer("a SNOMED CT RF2 release, folder or ZIP: concepts, terms, history, map refsets", build_rf2),
    "fhir": Importer("one FHIR ConceptMap, CodeSystem or ValueSet in JSON", build_fhir),
    "fhir-package": Importer("all complete code systems and OIDs of a FHIR package (.tgz)", build_package),
}


def import_source(kind: str, request: Request, shelf: Path) -> list[Entry]:
    """Build packs and put them on the shelf's list. Raises SourceError, PackError, OSError of the source."""
    importer = IMPORTERS[kind]
    for each in importer.needs:
        if not getattr(request, each):
            raise SourceError(f"the source doesn't say its {each}: give one")
    try:
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
        # beside its later place, so that the rename stays within one file system
        folder = Path(tempfile.mkdtemp(prefix=".import-", dir=shelf))
    except OSError as error:
        raise PackError(f"{shelf}: {error.strerror or type(error).__name__}") from error
    try:
        return [install(shelf, path) for path in importer.build(replace(request, folder=folder))]
    finally:
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()
