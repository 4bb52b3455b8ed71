"""Validation as one value: R4 and a data folder's packages, units of UCUM, and codes of its packs where they count.

The room's adapters know neither packages on disk nor terminology: both are handed in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from adapters import fhir
from adapters.fhir import CodeLookup
from pipelines.packages import paths, table

__all__ = ["Validator", "validator"]


@dataclass(frozen=True)
class Validator:
    """Findings of one resource at a level. `codes`: None in the journey, where an old pack must not cost an element."""

    table: fhir.Definitions
    codes: CodeLookup | None = None

    def __call__(self, resource: Any, level: str) -> list[fhir.Finding]:
        from terminology import ucum

        wanted = cast("fhir.Level", level)
        return fhir.validate(resource, wanted, table=self.table, units=ucum.valid, codes=self.codes)

    def repair(self, resource: dict[str, Any], findings: list[fhir.Finding], level: str) -> fhir.Repaired:
        """The resource without what its errors name."""
        return fhir.repair(resource, findings, lambda each: self(each, level), table=self.table)


def validator(packages: Path | None, packs: Path | None = None) -> Validator:
    """With the packages of a folder, and with `packs` its codes, too. Raises FolderError."""
    found = table(paths(packages))
    if packs is None:
        return Validator(found)
    from terminology import Lookup, Shelf

    return Validator(found, Lookup(Shelf(packs)).displays)
