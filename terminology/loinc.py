"""LOINC's own table (`LoincTable/Loinc.csv`; LOINC Users' Guide): number, long common name, status.

LOINC is free to use under its licence, which wants this notice: "This material contains content from LOINC
(http://loinc.org). LOINC is copyright © Regenstrief Institute, Inc. and the Logical Observation Identifiers Names and
Codes (LOINC) Committee and is available at no cost under the license at http://loinc.org/license".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from terminology.errors import SourceError
from terminology.packs.builder import Row
from terminology.packs.schema import INACTIVE
from terminology.source import Request, built, decoded
from terminology.systems import LOINC

__all__ = ["build_loinc"]

LICENCE = "LOINC, © Regenstrief Institute, Inc. and the LOINC Committee; licence at https://loinc.org/license"
_STATUS = {"ACTIVE": 0, "TRIAL": 0, "DISCOURAGED": 0, "DEPRECATED": INACTIVE}
_NUMBER = re.compile(r"[0-9]{1,7}-[0-9]")


def build_loinc(request: Request) -> list[Path]:
    """One pack. The table doesn't say its version: the request does."""
    data = request.read()
    with request.builder("codes") as pack:
        pack.add("system", [(1, LOINC, "LOINC")])
        pack.add("concept", _rows(decoded(data)))
        return built(request, pack, data, system=LOINC, title="LOINC", licence=LICENCE)


def _rows(content: str) -> Iterator[Row]:
    reader = csv.DictReader(content.splitlines())
    wanted = {"LOINC_NUM", "LONG_COMMON_NAME", "STATUS"}
    try:
        if not wanted.issubset(reader.fieldnames or ()):
            raise SourceError(f"no columns {', '.join(sorted(wanted))}", 1)
        for row in reader:
            number, name, status = row["LOINC_NUM"], row["LONG_COMMON_NAME"], row["STATUS"]
            if not _NUMBER.fullmatch(number or "") or name is None or status not in _STATUS:
                raise SourceError("not a LOINC number, name and known status", reader.line_num)
            yield 1, number, name, _STATUS[status]
    except csv.Error as error:
        raise SourceError("not CSV", reader.line_num) from error
