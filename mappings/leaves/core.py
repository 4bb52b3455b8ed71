"""Leaf functions for HL7 v2 text to FHIR primitives (R4 datatypes.html#primitive), without times."""

from __future__ import annotations

import base64 as base64_
import binascii
import re
from collections.abc import Sequence
from decimal import Decimal

from mappings.leaves.base import Invalid, Leaf, LeafContext

__all__ = ["LEAVES"]

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_CODE = re.compile(r"[^\s]+(?:\s[^\s]+)*")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_URI = re.compile(r"\S+")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_DECIMAL = re.compile(r"([+-]?)0*([0-9]+)(\.[0-9]+)?|([+-]?)(\.[0-9]+)")
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_DIGITS = 18
_LARGEST = 2**31 - 1


def text(source: str, context: LeafContext) -> str | None:
    """string: any text but control characters, which FHIR refuses."""
    found = _CONTROL.sub("", source) if _CONTROL.search(source) else source
    return found if found.strip() else None


def code(source: str, context: LeafContext) -> str:
    """code: no white space at the ends, single spaces inside."""
    found = source.strip()
    if not _CODE.fullmatch(found) or _CONTROL.search(found):
        raise Invalid("is not a code")
    return found


def id_(source: str, context: LeafContext) -> str:
    """id: up to 64 letters, digits, - and dots."""
    if not _ID.fullmatch(source):
        raise Invalid("is not an id")
    return source


def uri(source: str, context: LeafContext) -> str:
    """uri: an OID and a UUID get their urn, anything else without white space stays as it is."""
    found = source.strip()
    if _OID.fullmatch(found):
        return f"urn:oid:{found}"
    if _UUID.fullmatch(found):
        return f"urn:uuid:{found.lower()}"
    if not _URI.fullmatch(found) or _CONTROL.search(found):
        raise Invalid("is not a URI")
    return found


def oid(source: str, context: LeafContext) -> str:
    """oid: urn:oid: form."""
    found = source.strip().removeprefix("urn:oid:")
    if not _OID.fullmatch(found):
        raise Invalid("is not an OID")
    return f"urn:oid:{found}"


def uuid(source: str, context: LeafContext) -> str:
    """uuid: urn:uuid: form."""
    found = source.strip().removeprefix("urn:uuid:")
    if not _UUID.fullmatch(found):
        raise Invalid("is not a UUID")
    return f"urn:uuid:{found.lower()}"


def url(source: str, context: LeafContext) -> str:
    """url: with a scheme."""
    found = source.strip()
    if not _URL.fullmatch(found) or _CONTROL.search(found):
        raise Invalid("is not a URL")
    return found


def authority(parts: Sequence[str], context: LeafContext) -> str | None:
    """HD (namespace, universal id, type) to a system URI; nothing if there is no universal id (table 0301)."""
    universal, kind = parts[1].strip(), parts[2].strip().upper()
    if not universal:
        return None
    if _OID.fullmatch(universal) and kind in ("ISO", "", "HL7"):
        return f"urn:oid:{universal}"
    if _UUID.fullmatch(universal) and kind in ("UUID", "GUID", ""):
        return f"urn:uuid:{universal.lower()}"
    if kind in ("URI", "URL", "") and _URL.fullmatch(universal):
        return universal
    return None


def decimal(source: str, context: LeafContext) -> Decimal:
    """decimal: HL7 NM (2.A.47) with sign and leading zeros dropped, precision kept; up to 18 digits."""
    match = _DECIMAL.fullmatch(source.strip())
    if match is None:
        raise Invalid("is not a number")
    sign = "-" if "-" in (match[1] or "", match[4] or "") else ""
    number = (match[2] or "0") + (match[3] or match[5] or "")
    if len(number) > _DIGITS:
        raise Invalid("has too many digits")
    return Decimal(sign + number)


def integer(source: str, context: LeafContext) -> int:
    """integer: 32 bits."""
    found = source.strip()
    if not _INTEGER.fullmatch(found) or abs(int(found)) > _LARGEST:
        raise Invalid("is not an integer")
    return int(found)


def unsigned(source: str, context: LeafContext) -> int:
    """unsignedInt: 0 and more."""
    found = integer(source, context)
    if found < 0:
        raise Invalid("is negative")
    return found


def positive(source: str, context: LeafContext) -> int:
    """positiveInt: 1 and more."""
    found = integer(source, context)
    if found < 1:
        raise Invalid("is not a positive integer")
    return found


def boolean(source: str, context: LeafContext) -> bool:
    """boolean from table 0136 (Yes/no indicator)."""
    found = source.strip().upper()
    if found not in ("Y", "N"):
        raise Invalid("is neither Y nor N")
    return found == "Y"


def base64(source: str, context: LeafContext) -> str:
    """base64Binary: white space taken out, padding checked."""
    found = "".join(source.split())
    try:
        base64_.b64decode(found, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("is not base64") from error
    return found


def original(source: str, context: LeafContext) -> str | None:
    """The whole text of a field, separators and all."""
    return text(source, context)


LEAVES = {
    "text": Leaf(text, produces=("string", "markdown")),
    "string": Leaf(text, produces=("string", "markdown")),
    "markdown": Leaf(text, produces=("markdown", "string")),
    "code": Leaf(code, produces=("code", "string")),
    "id": Leaf(id_, produces=("id", "string", "code")),
    "uri": Leaf(uri, produces=("uri",)),
    "oid": Leaf(oid, produces=("oid", "uri")),
    "uuid": Leaf(uuid, produces=("uuid", "uri")),
    "url": Leaf(url, produces=("url", "uri")),
    "canonical": Leaf(url, produces=("canonical", "uri")),
    "authority": Leaf(authority, arity=3, produces=("uri",)),
    "decimal": Leaf(decimal, produces=("decimal",)),
    "integer": Leaf(integer, produces=("integer",)),
    "unsignedInt": Leaf(unsigned, produces=("unsignedInt", "integer")),
    "positiveInt": Leaf(positive, produces=("positiveInt", "integer")),
    "boolean": Leaf(boolean, produces=("boolean",)),
    "base64": Leaf(base64, produces=("base64Binary",)),
    "base64Binary": Leaf(base64, produces=("base64Binary",)),
    "original": Leaf(original, produces=("string", "markdown"), whole=True),
}
