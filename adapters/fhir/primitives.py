"""FHIR R4 primitive types (datatypes.html#primitive): is this JSON value a lawful one?

Stricter than HL7's regular expressions where the text of the specification is: dates must exist in the
calendar, integers fit 32 bits, base64 is whole. Digits are ASCII digits only. Leaf functions of maps and the
validator ask the same functions, so what a map writes can't be refused later.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from decimal import Decimal

_YEAR = r"(?!0000)[0-9]{4}"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

_date = re.compile(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?").fullmatch
_date_time = re.compile(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_CLOCK}{_ZONE})?)?)?").fullmatch
_instant = re.compile(f"{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{_ZONE}").fullmatch
_time = re.compile(_CLOCK).fullmatch
_id = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_oid = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+").fullmatch
_uuid = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_base64 = re.compile(r"[A-Za-z0-9+/]*={0,2}").fullmatch
_code = re.compile(r"\S+(?:\s\S+)*").fullmatch
_space = re.compile(r"\s").search
# what XML could not carry, so that a record has the same text in both formats
_control = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]").search

MAX_INTEGER = 2**31 - 1
MAX_STRING = 1024 * 1024
"""datatypes.html#string: at most 1 MB."""


def is_boolean(value: object) -> bool:
    return value is True or value is False


def is_integer(value: object) -> bool:
    """A whole JSON number of 32 bits; 1.0 is a decimal."""
    return type(value) is int and -MAX_INTEGER - 1 <= value <= MAX_INTEGER


def is_unsigned_int(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_INTEGER


def is_positive_int(value: object) -> bool:
    return type(value) is int and 0 < value <= MAX_INTEGER


def is_decimal(value: object) -> bool:
    """A finite JSON number, never a string and never a float."""
    return type(value) is int or (type(value) is Decimal and value.is_finite())


def is_string(value: object) -> bool:
    """Not empty, not longer than 1 MB, no control characters but tab, CR and LF. Also markdown."""
    if type(value) is not str or not value or len(value) > MAX_STRING:
        return False
    return value.isprintable() or _control(value) is None


def is_uri(value: object) -> bool:
    """Without white space, not empty. Also url and canonical."""
    if type(value) is not str or not value:
        return False
    return (value.isprintable() and " " not in value) or (_space(value) is None and _control(value) is None)


def is_code(value: object) -> bool:
    """No white space at the ends, and between words a single one."""
    if type(value) is not str or not value:
        return False
    if value.isprintable() and " " not in value:
        return True
    return _control(value) is None and _code(value) is not None


def is_id(value: object) -> bool:
    return type(value) is str and _id(value) is not None


def is_oid(value: object) -> bool:
    return type(value) is str and _oid(value) is not None


def is_uuid(value: object) -> bool:
    return type(value) is str and _uuid(value) is not None


def is_base64(value: object) -> bool:
    """RFC 4648 section 4 with padding; white space between is allowed."""
    if type(value) is not str or not value:
        return False
    text = "".join(value.split()) if _base64(value) is None else value
    return bool(text) and len(text) % 4 == 0 and _base64(text) is not None


def is_date(value: object) -> bool:
    """YYYY, YYYY-MM or YYYY-MM-DD, a day of the calendar."""
    return type(value) is str and _date(value) is not None and _in_calendar(value)


def is_date_time(value: object) -> bool:
    """A date, or a date with a time and a zone; seconds are required then."""
    return type(value) is str and _date_time(value) is not None and _in_calendar(value)


def is_instant(value: object) -> bool:
    """Date, time to the second or finer, and zone."""
    return type(value) is str and _instant(value) is not None and _in_calendar(value)


def is_time(value: object) -> bool:
    """hh:mm:ss with an optional fraction, no zone, no 24:00."""
    return type(value) is str and _time(value) is not None


def _in_calendar(text: str) -> bool:
    """Whether the day exists, given a text of the right form."""
    day = text[8:10]
    return day <= "28" or int(day) <= calendar.monthrange(int(text[:4]), int(text[5:7]))[1]


PRIMITIVES: Mapping[str, Callable[[object], bool]] = {
    "base64Binary": is_base64,
    "boolean": is_boolean,
    "canonical": is_uri,
    "code": is_code,
    "date": is_date,
    "dateTime": is_date_time,
    "decimal": is_decimal,
    "id": is_id,
    "instant": is_instant,
    "integer": is_integer,
    "markdown": is_string,
    "oid": is_oid,
    "positiveInt": is_positive_int,
    "string": is_string,
    "time": is_time,
    "unsignedInt": is_unsigned_int,
    "uri": is_uri,
    "url": is_uri,
    "uuid": is_uuid,
}
"""The check of each primitive type of R4 but xhtml, which narrative.py looks at."""

_mime = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+*-]+(?:\s*;.+)?").fullmatch
_language = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*").fullmatch
_currency = re.compile(r"[A-Z]{3}").fullmatch

CODE_RULES: Mapping[str, Callable[[str], object]] = {
    "mime": _mime,
    "language": _language,
    "currency": _currency,
    "ucum": is_code,
}
"""Lexical rules for the codes of systems that nobody can list (definitions.Codes.rules)."""
