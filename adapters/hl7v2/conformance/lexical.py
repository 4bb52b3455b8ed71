"""Lexical forms of primitive data types (HL7 v2 chapter 2A): what a text of each type must look like.

Types without a rule (ST, TX, FT, IS, TN ...) take any text. A date is also looked at as a date: there is no 30
February. Versions before 2.5 write a time of day with fewer rules; one form, the widest, serves all.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping

__all__ = ["WORDS", "fits"]

_OFFSET = r"(?:[+-](?:0\d|1[0-4])(?:[0-5]\d)?)?"
_CLOCK = r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,4})?)?)?"
_DATE = re.compile(r"(\d{4})(?:(0[1-9]|1[0-2])(?:(0[1-9]|[12]\d|3[01]))?)?").fullmatch
_TIME = re.compile(_CLOCK + _OFFSET).fullmatch
_STAMP = re.compile(rf"(\d{{4}}(?:\d{{2}}(?:\d{{2}}(?:{_CLOCK})?)?)?){_OFFSET}").fullmatch
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)").fullmatch
_COUNT = re.compile(r"\d{1,9}").fullmatch
_CODE = re.compile(r"[^\s]+(?: [^\s]+)*").fullmatch  # an ID is a code of a table: no blanks around it


def _date(text: str) -> bool:
    found = _DATE(text)
    if found is None or found[1] == "0000":
        return False
    return found[3] is None or int(found[3]) <= monthrange(int(found[1]), int(found[2]))[1]


def _stamp(text: str) -> bool:
    found = _STAMP(text)
    return found is not None and _date(found[1][:8])


_FORMS: Mapping[str, Callable[[str], object]] = {
    "DT": _date,
    "TM": _TIME,
    "DTM": _stamp,
    "TS": _stamp,
    "NM": _NUMBER,
    "SI": _COUNT,
    "ID": _CODE,
}
WORDS: Mapping[str, str] = {
    "DT": "a date (YYYY[MM[DD]])",
    "TM": "a time (HH[MM[SS[.SSSS]]][+/-ZZZZ])",
    "DTM": "a date and time (YYYY[MM[DD[HH[MM[SS[.SSSS]]]]]][+/-ZZZZ])",
    "TS": "a date and time (YYYY[MM[DD[HH[MM[SS[.SSSS]]]]]][+/-ZZZZ])",
    "NM": "a number",
    "SI": "a sequence number",
    "ID": "a code",
}


def fits(datatype: str, text: str) -> bool:
    """Whether a text, unescaped, has the form of a primitive data type."""
    form = _FORMS.get(datatype)
    return form is None or bool(form(text))
