"""The terminology room: packs of codes and maps, importers, lookup, translation after a plan, and UCUM.

The door. Values and errors are imported at once; what opens files or needs libraries only when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from terminology.decision import STATUSES, Alternative, Decision, Target
from terminology.errors import (
    PackDamaged,
    PackError,
    PackMissing,
    PackNewer,
    PlanError,
    SourceError,
    TerminologyError,
    UnitError,
)

if TYPE_CHECKING:
    from terminology import ucum
    from terminology.importers import IMPORTERS, Importer, import_source
    from terminology.lookup import Codes, Concept, Details, Lookup
    from terminology.packs import PACK_LIST, Entry, Manifest, Shelf, read_list
    from terminology.plan import Plan, PlanRow, parse_plan
    from terminology.rf2 import NO_CONTEXT, Age, Context
    from terminology.rf2.extended import candidates
    from terminology.source import Request
    from terminology.translator import MAPS, RowTranslator, Translation, Translator
    from terminology.worklist import MIGRATIONS, Untranslated, WorklistRow, note, read_worklist

_LATER = {
    "Age": "rf2",
    "Codes": "lookup",
    "Concept": "lookup",
    "Context": "rf2",
    "Details": "lookup",
    "Entry": "packs",
    "IMPORTERS": "importers",
    "Importer": "importers",
    "Lookup": "lookup",
    "MAPS": "translator",
    "MIGRATIONS": "worklist",
    "Manifest": "packs",
    "NO_CONTEXT": "rf2",
    "PACK_LIST": "packs",
    "Plan": "plan",
    "PlanRow": "plan",
    "Request": "source",
    "RowTranslator": "translator",
    "Shelf": "packs",
    "Translation": "translator",
    "Translator": "translator",
    "Untranslated": "worklist",
    "WorklistRow": "worklist",
    "candidates": "rf2.extended",
    "import_source": "importers",
    "note": "worklist",
    "parse_plan": "plan",
    "read_list": "packs",
    "read_worklist": "worklist",
}

__all__ = [
    "IMPORTERS",
    "MAPS",
    "MIGRATIONS",
    "NO_CONTEXT",
    "PACK_LIST",
    "STATUSES",
    "Age",
    "Alternative",
    "Codes",
    "Concept",
    "Context",
    "Decision",
    "Details",
    "Entry",
    "Importer",
    "Lookup",
    "Manifest",
    "PackDamaged",
    "PackError",
    "PackMissing",
    "PackNewer",
    "Plan",
    "PlanError",
    "PlanRow",
    "Request",
    "RowTranslator",
    "Shelf",
    "SourceError",
    "Target",
    "TerminologyError",
    "Translation",
    "Translator",
    "UnitError",
    "Untranslated",
    "WorklistRow",
    "candidates",
    "import_source",
    "note",
    "parse_plan",
    "read_list",
    "read_worklist",
    "ucum",
]


def __getattr__(name: str) -> object:
    """PEP 562: names of the door that cost an import."""
    if name == "ucum":
        return import_module("terminology.ucum")
    if name not in _LATER:
        raise AttributeError(f"module 'terminology' has no attribute {name!r}")
    return getattr(import_module(f"terminology.{_LATER[name]}"), name)
