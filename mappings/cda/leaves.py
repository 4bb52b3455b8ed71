"""Leaf functions for CDA data types (V3 data types R1): one text to one FHIR value.

What HL7 v2 and CDA share (times, numbers, base64) stands in mappings/leaves.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from decimal import Decimal, InvalidOperation

from mappings.engine.tables import Table
from mappings.leaves.base import Invalid, Leaf, LeafContext
from mappings.leaves.core import base64 as base64_text
from mappings.leaves.core import url
from mappings.leaves.time import instant

__all__ = ["leaves_of"]

_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_UUID = re.compile(r"\{?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\}?")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_V2 = re.compile(r"2\.16\.840\.1\.113883\.12\.([1-9][0-9]{0,3})")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(.*)", re.DOTALL)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_MIME = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:\s*;.+)?")
_LOCAL_SYSTEM = "urn:tabellion:cda-code-system:"
_DIGITS = 18
_WITHOUT_SCHEME = re.compile(r"\+?[0-9][0-9 ().\-/x]*")


def _uri(text: str, names: Table) -> str:
    """The URI of a root: the table's, a v2 table's, urn:oid:, urn:uuid:, or itself."""
    root = "".join(text.split())
    known = names.find(root)
    if known:
        return known[0].code
    v2 = _V2.fullmatch(root)
    if v2 is not None:
        return f"http://terminology.hl7.org/CodeSystem/v2-{v2[1]:0>4}"
    if _OID.fullmatch(root):
        return f"urn:oid:{root}"
    uuid = _UUID.fullmatch(root)
    if uuid is not None:
        return f"urn:uuid:{uuid[1].lower()}"
    if _URI.fullmatch(root):
        return root
    raise Invalid("is no OID, UUID or URI")


def boolean(text: str, context: LeafContext) -> bool:
    """BL."""
    found = text.strip().lower()
    if found not in ("true", "false"):
        raise Invalid("is neither true nor false")
    return found == "true"


def no_if_true(text: str, context: LeafContext) -> bool | None:
    """A flag that only matters when it is true: false says nothing."""
    return True if boolean(text, context) else None


def root_value(text: str, context: LeafContext) -> str:
    """II without extension: the root is the identifier, as a URI."""
    root = "".join(text.split())
    uuid = _UUID.fullmatch(root)
    if uuid is not None:
        return f"urn:uuid:{uuid[1].lower()}"
    if _OID.fullmatch(root):
        return f"urn:oid:{root}"
    raise Invalid("is no OID or UUID")


def telecom_system(text: str, context: LeafContext) -> str:
    """The scheme of a TEL, as ContactPoint.system."""
    match = _SCHEME.fullmatch(text.strip())
    scheme = match[1].lower() if match else ""
    if not match and "@" in text:
        return "email"
    if not match and _WITHOUT_SCHEME.fullmatch(text.strip()):
        return "phone"
    return _SCHEMES.get(scheme, "other")


_SCHEMES = {
    "tel": "phone",
    "fax": "fax",
    "x-text-fax": "fax",
    "mailto": "email",
    "sms": "sms",
    "http": "url",
    "https": "url",
    "ftp": "url",
}
_SHORT = frozenset({"tel", "fax", "x-text-fax", "mailto", "sms"})


def telecom_value(text: str, context: LeafContext) -> str | None:
    """The address of a TEL: without a scheme that the system says already."""
    found = text.strip()
    match = _SCHEME.fullmatch(found)
    if match is not None and match[1].lower() in _SHORT:
        found = match[2].strip()
    return found or None


def number(text: str, context: LeafContext) -> Decimal:
    """REAL and PQ.value: precision kept, exponents written out."""
    try:
        found = Decimal(text.strip().removeprefix("+"))
    except InvalidOperation as error:
        raise Invalid("is not a number") from error
    if not found.is_finite() or len(found.as_tuple().digits) > _DIGITS or abs(found.adjusted()) > _DIGITS:
        raise Invalid("is not a number of up to 18 digits")
    if int(found.as_tuple().exponent) > 0:
        found = found.quantize(Decimal(1))
    return abs(found) if found.is_zero() else found


def measure(text: str, context: LeafContext) -> Decimal:
    """A number that can't be negative."""
    found = number(text, context)
    if found < 0:
        raise Invalid("is negative")
    return found


def language(text: str, context: LeafContext) -> str:
    """languageCode: a BCP 47 tag; `en_US` is read as `en-US`."""
    found = text.strip().replace("_", "-")
    if not _LANGUAGE.fullmatch(found):
        raise Invalid("is no language tag")
    return found


def mime(text: str, context: LeafContext) -> str:
    """mediaType."""
    found = text.strip()
    if not _MIME.fullmatch(found):
        raise Invalid("is no media type")
    return found


def encoded(text: str, context: LeafContext) -> str:
    """Text that isn't base64 yet, as base64 of its UTF-8."""
    return base64.b64encode(text.strip().encode()).decode()


def sha1(text: str, context: LeafContext) -> str:
    """The SHA-1 of base64 content, as Attachment.hash wants it."""
    try:
        content = base64.b64decode(base64_text(text, context), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("is not base64") from error
    return base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


def joined(text: str, context: LeafContext) -> str | None:
    """A text with its white space made single."""
    return " ".join(text.split()) or None


def outside_url(text: str, context: LeafContext) -> str | None:
    """A reference out of the document; one into its narrative is no URL."""
    return None if text.startswith("#") else url(text, context)


def one_less(text: str, context: LeafContext) -> int:
    """repeatNumber counts the first fill, numberOfRepeatsAllowed does not."""
    found = text.strip()
    if not found.isascii() or not found.isdigit() or not 1 <= int(found) <= 1000:
        raise Invalid("is not a number of fills")
    return int(found) - 1


def clock_unit(text: str, context: LeafContext) -> str:
    """A UCUM unit of time, as UnitsOfTime."""
    found = text.strip()
    if found not in ("s", "min", "h", "d", "wk", "mo", "a"):
        raise Invalid("is no unit of time")
    return found


def instant_or_none(text: str, context: LeafContext) -> str | None:
    """A TS where FHIR has an instant: less than that says nothing there."""
    try:
        return instant(text, context)
    except Invalid:
        return None


def leaves_of(systems: Table, identifiers: Table, units: Table) -> dict[str, Leaf]:
    """The leaf functions, with the tables that they look things up in."""

    def code_system(text: str, context: LeafContext) -> str:
        try:
            return _uri(text, systems)
        except Invalid:
            name = "".join(text.split())
            if re.fullmatch(r"[A-Za-z0-9.\-_]{1,64}", name):
                return _LOCAL_SYSTEM + name
            raise

    def identifier_system(text: str, context: LeafContext) -> str:
        return _uri(text, identifiers)

    def ucum(text: str, context: LeafContext) -> str | None:
        """The UCUM code of a unit: CDA says that a unit is UCUM; what is known not to be is repaired or left out."""
        unit = text.strip()
        known = units.find(unit)
        if known is not None:
            return known[0].code if known else None
        lawful = unit and unit.isascii() and not any(character.isspace() for character in unit)
        return unit if lawful else None

    def ucum_system(text: str, context: LeafContext) -> str | None:
        return "http://unitsofmeasure.org" if ucum(text, context) is not None else None

    return {
        "code-system": Leaf(code_system, produces=("uri",)),
        "identifier-system": Leaf(identifier_system, produces=("uri",)),
        "root-value": Leaf(root_value, produces=("string", "uri")),
        "bl": Leaf(boolean, produces=("boolean",)),
        "true-only": Leaf(no_if_true, produces=("boolean",)),
        "telecom-system": Leaf(telecom_system, produces=("code",)),
        "telecom-value": Leaf(telecom_value, produces=("string",)),
        "number": Leaf(number, produces=("decimal",)),
        "measure": Leaf(measure, produces=("decimal",)),
        "language": Leaf(language, produces=("code",)),
        "mime": Leaf(mime, produces=("code",)),
        "encoded": Leaf(encoded, produces=("base64Binary",)),
        "sha1": Leaf(sha1, produces=("base64Binary",)),
        "joined": Leaf(joined, produces=("string", "markdown")),
        "outside-url": Leaf(outside_url, produces=("url",)),
        "one-less": Leaf(one_less, produces=("unsignedInt",)),
        "clock-unit": Leaf(clock_unit, produces=("code",)),
        "instant-or-none": Leaf(instant_or_none, produces=("instant",)),
        "ucum": Leaf(ucum, produces=("code",)),
        "ucum-system": Leaf(ucum_system, produces=("uri",)),
    }
