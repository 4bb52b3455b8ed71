"""Validation of FHIR R4 resources (validation.html) at two levels.

`structure`: names, types, cardinality, primitives, required codes, references, Bundle rules. `full`: also constraints,
the profiles that a resource claims, narratives, codes of known systems with their displays, units.
"""

from __future__ import annotations

import functools
from typing import Literal, TypeAlias

from adapters.fhir.bundles import check_bundle
from adapters.fhir.definitions import Definitions, definitions
from adapters.fhir.findings import CodeLookup, Finding, Run, Units
from adapters.fhir.structure import Compiler

Level: TypeAlias = Literal["structure", "full"]


def validate(
    resource: object,
    level: Level = "full",
    *,
    table: Definitions | None = None,
    units: Units | None = None,
    codes: CodeLookup | None = None,
) -> list[Finding]:
    """The findings about one resource (also a Bundle with all its entries), [] if there are none.

    `resource`: from `decode`. `table`: from `definitions_with`, for profiles of packages. `units` says whether a text
    is a unit of UCUM; `codes` what is known of a code. Only an error makes a resource invalid; warnings and
    information do not. References out of a Bundle are its authors' right, but urn:uuid must resolve within it.
    """
    run = _run(resource, level, table, units, codes)
    if isinstance(resource, dict) and resource.get("resourceType") == "Bundle":
        check_bundle(resource, run, closed=False)
    return run.findings


def validate_bundle(
    bundle: object,
    *,
    closed: bool = True,
    level: Level = "full",
    table: Definitions | None = None,
    units: Units | None = None,
    codes: CodeLookup | None = None,
) -> list[Finding]:
    """As `validate`, for what must be a Bundle.

    `closed`: every literal reference of a transaction, document or message has to resolve within the Bundle.
    FHIR lets others point outside; ours never do.
    """
    run = _run(bundle, level, table, units, codes)
    if isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle":
        check_bundle(bundle, run, closed=closed)
    else:
        run.error("structure", (None, "Bundle"), "a Bundle is expected")
    return run.findings


def _run(
    resource: object, level: Level, table: Definitions | None, units: Units | None, codes: CodeLookup | None
) -> Run:
    compiler = _own(level == "full") if table is None else _compiler(table, level == "full")
    return compiler.run(resource, units, codes)


@functools.cache
def _own(full: bool) -> Compiler:
    return _compiler(definitions(), full)


def _compiler(table: Definitions, full: bool) -> Compiler:
    """The closures of a table and level; they live as long as the table does."""
    compiler = table.kept.get(full)
    if not isinstance(compiler, Compiler):
        compiler = table.kept[full] = Compiler(table, full)
    return compiler
