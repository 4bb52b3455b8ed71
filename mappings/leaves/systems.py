"""Leaf functions for the names of coding systems (HL7 table 0396) and codes in them.

The rule: a name of tables/CodingSystem.csv -> its URI; HL7nnnn and HL7's OIDs of v2 tables -> the v2 code system; an
OID -> urn:oid:; a URI as it is; any other name -> `urn:tabellion:v2-coding-system:<name>`, percent-encoded. Codes of
the sender (L, 99zzz) get such a URN too: a code without a system could be taken for anybody's.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from mappings.leaves.base import Leaf, LeafContext

__all__ = ["LEAVES", "LOCAL"]

LOCAL = "urn:tabellion:v2-coding-system:"
"""Prefix of a coding system that only its sender knows."""

_TABLES = Path(__file__).resolve().parent.parent / "tables"
_V2 = "http://terminology.hl7.org/CodeSystem/v2-"
_HL7_TABLE = re.compile(r"HL7-?([0-9]{4})")
_HL7_OID = re.compile(r"2\.16\.840\.1\.113883\.12\.([1-9][0-9]{0,3})")
_OID = re.compile(r"(?:urn:oid:)?([0-2](?:\.(?:0|[1-9][0-9]*)){2,})", re.IGNORECASE)
_URI = re.compile(r"(?:https?://|urn:[a-z0-9][a-z0-9\-]+:)\S+", re.IGNORECASE)


@functools.cache
def _names() -> Mapping[str, str]:
    """Upper case name or OID -> URI, from tables/CodingSystem.csv."""
    with (_TABLES / "CodingSystem.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return {row["code"].upper(): row["target"] for row in rows}


@functools.lru_cache(maxsize=4096)
def _system(name: str) -> str:
    known = _names().get(name.upper())
    if known is not None:
        return known
    table = _HL7_TABLE.fullmatch(name.upper()) or _HL7_OID.fullmatch(name)
    if table is not None:
        return f"{_V2}{table[1]:0>4}"
    oid = _OID.fullmatch(name)
    if oid is not None:
        return _names().get(oid[1]) or f"urn:oid:{oid[1]}"
    if _URI.fullmatch(name):
        return name
    return LOCAL + quote(name, safe="")


def coding_system(text: str, context: LeafContext) -> str | None:
    """CWE.3, .6, .12 (CE.3, .6) -> the code system's URI."""
    name = text.strip()
    return _system(name) if name else None


LEAVES = {"coding-system": Leaf(coding_system, produces=("uri",))}
