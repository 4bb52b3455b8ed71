"""Leaf functions for the values of OBX-5 that are no single primitive (v2.5.1, 7.4.2.5; ED, FT, NA, RP, TX, VR).

A text of several lines or repetitions is joined by line feeds; nothing of it is left out.
"""

from __future__ import annotations

import base64
import binascii
import csv
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from mappings.leaves.base import Invalid, Leaf, LeafContext, Partly
from mappings.leaves.numbers import power_unit
from mappings.leaves.time import date_time, instant

__all__ = ["LEAVES"]

_TABLES = Path(__file__).resolve().parent.parent / "tables"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+\-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+\-]*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_NO_NUMBER = re.compile(r"[^0-9.+\-]", re.ASCII)
_MINUTE = re.compile(r"([0-9]{12})([+-][0-9]{4})?", re.ASCII)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def lines(texts: Sequence[str], context: LeafContext) -> str | None:
    """TX, FT, ST (and any other value as text): each repetition a line; nothing for blanks alone."""
    found = texts[0] if len(texts) == 1 else "\n".join(texts)
    return found if found.strip() else None


def words(texts: Sequence[str], context: LeafContext) -> str | None:
    """Texts in their order, one space between, absent ones left out (the guide's SN.1+" "+SN.2…)."""
    return " ".join(text.strip() for text in texts if text.strip()) or None


def measured_text(texts: Sequence[str], context: LeafContext) -> str | None:
    """OBX-5.1 to .4, OBX-6.1, OBX-6.2 -> the value as text with its unit, where it is no number of FHIR."""
    value = " ".join(text.strip() for text in texts[:4] if text.strip())
    return _with_unit(value, unit_text(texts[4:], context)) or None


def text_with_unit(texts: Sequence[str], context: LeafContext) -> str | None:
    """OBX-5, OBX-6.1, OBX-6.2 -> a text and the unit that it is in; nothing for blanks alone."""
    return _with_unit(texts[0], unit_text(texts[1:], context)) if texts[0].strip() else None


def _with_unit(value: str, unit: str | None) -> str:
    said = not value or value.split()[-1:] == [unit]
    return value if said or not unit else f"{value.rstrip()} {unit}"


def hyphened(texts: Sequence[str], context: LeafContext) -> str | None:
    """VR (the guide's OBX-5.1+"-"+OBX-5.2)."""
    return "-".join(text.strip() for text in texts if text.strip()) or None


@functools.cache
def _table(name: str) -> Mapping[str, str]:
    """Code -> target of a table; also in upper case, where no other row differs only in case (as in the engine)."""
    with (_TABLES / name).open(encoding="utf-8", newline="") as file:
        rows = {row["code"]: row["target"] for row in csv.DictReader(line for line in file if not line.startswith("#"))}
    found = dict(rows)
    for code, target in rows.items():
        found.setdefault(code.upper(), target)
    return found


def _target(name: str, code: str) -> str:
    """What a table makes of a code, '' without."""
    table = _table(name)
    found = table.get(code)
    return (table.get(code.upper()) if found is None else found) or ""


def media_type(texts: Sequence[str], context: LeafContext) -> str | None:
    """ED.2, ED.3 (RP.3, RP.4) -> MIME type: type/subtype as it is, else by tables/MediaType.csv."""
    kind, subtype = (text.strip() for text in texts)
    for text in (subtype, kind):
        if _MEDIA_TYPE.fullmatch(text):
            return text.lower()
    return _target("MediaType.csv", subtype) or (_target("MediaType.csv", kind) if not subtype else "") or None


def attachment_data(texts: Sequence[str], context: LeafContext) -> str | None:
    """ED.4, ED.5 -> base64Binary: table 0299 Base64 as it is, Hex and A (no encoding, as UTF-8) encoded again."""
    encoding, data = texts[0].strip().lower(), texts[1]
    if not data.strip():
        return None
    if encoding == "base64":
        return _base64(data)
    if encoding == "hex":
        found = "".join(data.split())
        if not _HEX.fullmatch(found):
            raise Invalid("is not hexadecimal")
        return base64.b64encode(bytes.fromhex(found)).decode("ascii")
    if encoding in ("a", ""):
        return base64.b64encode(data.encode("utf-8")).decode("ascii")
    raise Invalid("has an encoding outside table 0299")


def _base64(data: str) -> str:
    found = data if data.isascii() and " " not in data and "\n" not in data else "".join(data.split())
    try:
        binascii.a2b_base64(found, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("is not base64") from error
    return found


def pointer(text: str, context: LeafContext) -> str:
    """RP.1 -> Attachment.url; what a URL can't hold (blanks, backslashes) is percent-encoded."""
    return quote(text.strip(), safe="!#$%&'()*+,/:;=?@[]~-._")


def issued(text: str, context: LeafContext) -> str | Partly | None:
    """OBR-22 -> DiagnosticReport.issued: an instant; one to the minute gets :00 and keeps its text beside it.

    Nothing where no zone is known (`issued-text` keeps the text); what is no time at all is refused.
    """
    date_time(text, context)
    match = _MINUTE.fullmatch(text.strip())
    try:
        found = instant(text if match is None else f"{match[1]}00{match[2] or ''}", context)
    except Invalid:
        return None
    return found if match is None else Partly(found, "is known to the minute: seconds are zero-filled")


def issued_text(text: str, context: LeafContext) -> str | None:
    """OBR-22 that is a time but no instant: its text, for an extension beside `issued`."""
    return text.strip() if issued(text, context) is None else None


def samples(texts: Sequence[str], context: LeafContext) -> str:
    """NA, all rows -> SampledData.data, row after row; a place without a value is E (no valid value)."""
    found = [number for text in texts for number in _row(text)]
    if not any(number != "E" for number in found):
        raise Invalid("has no numbers")
    return " ".join(found)


def sample_dimensions(texts: Sequence[str], context: LeafContext) -> int:
    """NA, all rows -> SampledData.dimensions: one row is one series, of several each is one point of time."""
    return 1 if len(texts) == 1 else max(len(_row(text)) for text in texts)


def _row(text: str) -> list[str]:
    """The numbers of one row, whatever the component separator is."""
    found = []
    for part in _NO_NUMBER.split(text):
        if part and not _NUMBER.fullmatch(part):
            raise Invalid("is not an array of numbers")
        found.append(part.lstrip("+").rstrip(".") if part else "E")
    return found


def unit_text(texts: Sequence[str], context: LeafContext) -> str | None:
    """CWE.1, CWE.2 without CWE.3 -> Quantity.unit: both, where nothing makes the code a code."""
    code, text = (each.strip() for each in texts)
    power = power_unit(code, text)
    if power:
        return power
    if code and text and code != text and not _target("Unit.csv", code):
        return f"{code} ({text})"
    return text or code or None


def unit_system(text: str, context: LeafContext) -> str | None:
    """CWE.1 without CWE.3 -> Quantity.system: UCUM beside the code that tables/Unit.csv gives, else nothing."""
    return "http://unitsofmeasure.org" if _target("Unit.csv", text.strip()) else None


LEAVES = {
    "lines": Leaf(lines, arity=0, produces=("string", "markdown"), all=True),
    "words": Leaf(words, arity=0, produces=("string", "markdown")),
    "measured-text": Leaf(measured_text, arity=6, produces=("string",)),
    "text-with-unit": Leaf(text_with_unit, arity=3, produces=("string",)),
    "hyphened": Leaf(hyphened, arity=0, produces=("string",)),
    "media-type": Leaf(media_type, arity=2, produces=("code",)),
    "attachment-data": Leaf(attachment_data, arity=2, produces=("base64Binary",)),
    "pointer": Leaf(pointer, produces=("url", "uri")),
    "issued": Leaf(issued, produces=("instant",)),
    "issued-text": Leaf(issued_text, produces=("string",)),
    "samples": Leaf(samples, arity=0, produces=("string",), all=True),
    "sample-dimensions": Leaf(sample_dimensions, arity=0, produces=("positiveInt",), all=True),
    "unit-text": Leaf(unit_text, arity=2, produces=("string",)),
    "unit-system": Leaf(unit_system, produces=("uri",)),
}
