"""The tables of a pack, by kind: narrow, keyed by what is looked up, without rowid.

Primary keys come first in each table: the content digest reads the rows in their order.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["APPLICATION_ID", "FORMAT", "KINDS", "TABLES", "columns"]

APPLICATION_ID = 0x54425054  # "TBPT"
FORMAT = 1

# flags of a concept
INACTIVE = 1
NOT_SELECTABLE = 2  # a heading or category: not to be used as a code

TABLES: Mapping[str, str] = {
    "system": "number INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE, name TEXT NOT NULL",
    "concept": "system INTEGER NOT NULL, code TEXT NOT NULL, display TEXT NOT NULL, flags INTEGER NOT NULL,"
    " PRIMARY KEY(system, code)",
    "designation": "system INTEGER NOT NULL, code TEXT NOT NULL, language TEXT NOT NULL, use TEXT NOT NULL,"
    " term TEXT NOT NULL, PRIMARY KEY(system, code, language, use, term)",
    "parent": "system INTEGER NOT NULL, code TEXT NOT NULL, parent TEXT NOT NULL, PRIMARY KEY(system, code, parent)",
    # why an inactive concept went, and for what: 'same-as', 'replaced-by', 'possibly-equivalent-to', 'alternative'
    "history": "code TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY(code, kind, target)",
    # flags: 1 approximate, 2 no map, 4 combination
    "gem": "source TEXT NOT NULL, place INTEGER NOT NULL, target TEXT NOT NULL, flags INTEGER NOT NULL,"
    " scenario INTEGER NOT NULL, choice INTEGER NOT NULL, PRIMARY KEY(source, place)",
    "extended_map": "source TEXT NOT NULL, grp INTEGER NOT NULL, priority INTEGER NOT NULL, id TEXT NOT NULL,"
    " rule TEXT NOT NULL, advice TEXT NOT NULL, target TEXT NOT NULL, correlation TEXT NOT NULL,"
    " category TEXT NOT NULL, PRIMARY KEY(source, grp, priority, id)",
    # conditional: the target depends on something else, or comes with products
    "concept_map": "source TEXT NOT NULL, place INTEGER NOT NULL, target TEXT NOT NULL, equivalence TEXT NOT NULL,"
    " conditional TEXT NOT NULL, comment TEXT NOT NULL, display TEXT NOT NULL, PRIMARY KEY(source, place)",
    "member": "system TEXT NOT NULL, code TEXT NOT NULL, display TEXT NOT NULL, PRIMARY KEY(system, code)",
    "naming": "oid TEXT NOT NULL, uri TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY(oid, uri)",
}

KINDS: Mapping[str, tuple[str, ...]] = {
    "codes": ("system", "concept", "designation", "parent", "history"),
    "gem": ("gem",),
    "extended-map": ("extended_map",),
    "concept-map": ("concept_map",),
    "value-set": ("member",),
    "naming": ("naming",),
}


def columns(table: str) -> int:
    """How many columns a table has."""
    head = TABLES[table].partition("PRIMARY KEY(")[0]
    return head.count(",") + (0 if head.rstrip().endswith(",") else 1)
