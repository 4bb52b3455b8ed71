"""Log leaf: all that the log holds of a record version, canonical JSON {alg, c, class, date, institution}.

No patient id, resource id or exact time: the class is coarse (the topic group), the date that of receipt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ledger import canonical
from ledger.commitment import ALG
from ledger.errors import Malformed

LIMIT = 4096  # bytes; a tlog-tiles entry must stay below 64 KiB
_NAMES = ("alg", "c", "class", "date", "institution")
_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}")
_DATE = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Leaf:
    """`commitment` 32 bytes, `resource_class` a coarse class (topic group), `date` YYYY-MM-DD (UTC day of receipt)."""

    commitment: bytes
    resource_class: str
    institution: str
    date: str


@lru_cache(maxsize=1024)
def _template(resource_class: str, institution: str, date: str) -> tuple[bytes, bytes]:
    """What stands before and after the hex of c: the same for all records of a class, day and institution."""
    if not _CLASS.fullmatch(resource_class):
        raise Malformed("leaf: class is not a short word")
    if not _DATE.fullmatch(date):
        raise Malformed("leaf: date is not YYYY-MM-DD")
    whole = canonical.encode({"alg": ALG, "c": "", "class": resource_class, "date": date, "institution": institution})
    if len(whole) + 64 > LIMIT:
        raise Malformed("leaf: institution name is too long")
    at = whole.index(b'"c":"') + 5
    return whole[:at], whole[at:]


def make(commitment: bytes, resource_class: str, institution: str, date: str) -> bytes:
    """The leaf's bytes; Malformed if a part is not of its form."""
    before, after = _template(resource_class, institution, date)
    return before + commitment.hex().encode() + after


def parse(data: bytes) -> Leaf:
    """A leaf from its bytes, which must be canonical; an unknown alg is Malformed."""
    alg, c, resource_class, date, institution = canonical.texts(canonical.decode(data, LIMIT), _NAMES)
    if alg != ALG:
        raise Malformed("leaf: unknown alg")
    if not _HEX.fullmatch(c):
        raise Malformed("leaf: c is not 64 lower-case hexadecimal digits")
    _template(resource_class, institution, date)
    return Leaf(bytes.fromhex(c), resource_class, institution, date)
