"""Reading a header (PS3.5 section 7.1, PS3.10 section 7): file or bare data set → `Instance`, without pixels.

pydicom's dictionary names tags and their types; the walk over the bytes is our own, so that nothing in them can cost
more than the limits allow, raise anything but our errors, or lose the elements around a bad one. It is tested against
pydicom's reader over all of its files.

Leniencies: no preamble or no group 0002 (the encoding is found from the first element); implicit elements among
explicit ones and unknown VRs, as pydicom reads them; a value cut off at the end costs itself; a data set cut off in a
sequence keeps what came before.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

from adapters.dicom.charset import Charset, charset
from adapters.dicom.dataset import Dataset, Element, Fault, tag_text
from adapters.dicom.errors import Damaged, DicomError, LimitExceeded, NotDicom
from adapters.dicom.limits import LIMITS, Limits

__all__ = ["BRIEF", "Instance", "looks_like", "payload", "pixels_at", "read"]

_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_KNOWN = _LONG | frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL"}
    | {b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
BRIEF = (
    b"\x00header of DICOM"  # no data set begins so: what follows is digest, size and header of a large one (`brief`)
)
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_DOCUMENT = 0x00420011
_CHARSET = 0x00080005
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_OPEN = 0xFFFFFFFF
_DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"})
_BIG = "1.2.840.10008.1.2.2"


@dataclass(frozen=True, slots=True)
class Instance:
    """One header. `sha256`: of the data set's bytes as received, group 0002 left out. `syntax`: transfer syntax UID,
    '' if nothing says it. `faults`: what fell, in the order of the file."""

    dataset: Dataset
    sha256: bytes
    syntax: str
    faults: tuple[Fault, ...]
    size: int


def read(data: bytes, limits: Limits = LIMITS, assumed: str = "") -> Instance:
    """Read a DICOM file or a bare data set. `assumed`: (0008,0005) where the data set has none. Raises DicomError."""
    if data[:16] == BRIEF:
        whole = data[16:48]
        return replace(_read(data[56:], limits, assumed), sha256=whole, size=int.from_bytes(data[48:56], "big"))
    return _read(data, limits, assumed)


def _read(data: bytes, limits: Limits, assumed: str) -> Instance:
    start, syntax = _meta(data)
    digest = hashlib.sha256(memoryview(data)[start:]).digest()
    body, origin = data, start
    explicit, little, deflated = _encoding(data, start, syntax)
    if deflated:
        body, origin = _inflate(data[start:], limits.inflated), 0
        explicit, little, _ = _encoding(body, 0, "")
    walk = _Walk(body, little, limits, charset(assumed))
    dataset, _ = walk.dataset(origin, len(body), explicit, walk.assumed, "", 0)
    if not dataset.elements:
        raise Damaged("a DICOM data set begins here, but no element of it can be read")
    return Instance(dataset, digest, syntax, tuple(walk.faults), len(data) - start)


def pixels_at(data: bytes, limits: Limits = LIMITS) -> int | None:
    """Where the pixels of a bare data set begin; None: not in these bytes, or its elements can't be told by looking."""
    explicit, little, deflated = _encoding(data, 0, "")
    if deflated:
        return None
    walk = _Walk(data, little, limits, charset(""))
    _, at = walk.dataset(0, len(data), explicit, walk.assumed, "", 0)
    return at if at < len(data) and not walk.faults else None


def payload(data: bytes) -> tuple[int, str]:
    """Where the data set begins (behind preamble and group 0002), and the transfer syntax that group 0002 names.

    Raises DicomError if no data set begins there.
    """
    start, syntax = _meta(data)
    _encoding(data, start, syntax)
    return start, syntax


def looks_like(data: bytes) -> bool:
    """Whether the bytes are a DICOM file, with or without preamble."""
    if data[128:132] == b"DICM":
        return True
    try:
        start, syntax = _meta(data)
        explicit, little, deflated = _encoding(data, start, syntax)
    except DicomError:
        return False
    return not deflated and (start > 0 or _plausible(data, start, explicit, little))


# -- where the data set begins, and how it is encoded ------------------------------------------------------------------


def _meta(data: bytes) -> tuple[int, str]:
    """Behind preamble and group 0002 (explicit little endian, but some wrote it as the rest); its (0002,0010)."""
    at = 132 if data[128:132] == b"DICM" else 0
    syntax = ""
    implicit = False
    while at + 8 <= len(data) and data[at : at + 2] == b"\x02\x00":
        vr = data[at + 4 : at + 6]
        implicit = implicit or not vr.isalpha()
        if implicit:
            begin, length = at + 8, int.from_bytes(data[at + 4 : at + 8], "little")
        elif vr in _LONG:
            begin, length = at + 12, int.from_bytes(data[at + 8 : at + 12], "little")
        else:
            begin, length = at + 8, int.from_bytes(data[at + 6 : at + 8], "little")
        if length > len(data) - begin:
            raise Damaged("the file meta information (group 0002) is cut off")
        if data[at + 2 : at + 4] == b"\x10\x00":
            syntax = data[begin : begin + length].decode("ascii", "replace").strip(" \0")
        at = begin + length
    return at, syntax


def _encoding(data: bytes, at: int, syntax: str) -> tuple[bool, bool, bool]:
    """(explicit, little endian, deflated) of the data set there: what its first bytes show, whatever was said of it."""
    head = data[at : at + 8]
    if not head and at:
        raise Damaged("the file ends behind its meta information: there is no data set")
    if len(head) == 8:
        little, big = int.from_bytes(head[:2], "little"), int.from_bytes(head[:2], "big")
        if head[4:6] in _KNOWN:
            if 0 < little <= 0x7FE0 and (little < big or syntax != _BIG) and (little <= 0xFF or big > 0xFF):
                return True, True, False
            return True, False, False
        deflated = syntax in _DEFLATED
        if not deflated and 0 < little <= 0x7FE0 and _implicit(data, at):
            return False, True, False
    if syntax in _DEFLATED or _inflates(data[at : at + 4096]):
        return True, True, True
    if at:
        raise Damaged("the data set behind the meta information has no first element that can be read")
    raise NotDicom("not DICOM: neither a preamble nor a first data element")


def _implicit(data: bytes, at: int) -> bool:
    """An implicit element can be anything, but its length must fit (`looks_like` asks for more)."""
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    return length <= len(data) - at - 8 or (length == _OPEN and (at > 0 or _opens_item(data, at + 8)))


def _opens_item(data: bytes, at: int) -> bool:
    return data[at : at + 4] in (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0")


def _plausible(data: bytes, at: int, explicit: bool, little: bool) -> bool:
    """Without preamble and meta group: the first element is one of those that can come first."""
    group = int.from_bytes(data[at : at + 2], "little" if little else "big")
    element = int.from_bytes(data[at + 2 : at + 4], "little" if little else "big")
    return group in (0x0008, 0x0010) and element <= (0x0100 if explicit else 0x0070)


def _inflates(head: bytes) -> bool:
    """Raw deflate whose first bytes are an explicit element (PS3.5 A.5)."""
    try:
        found = zlib.decompressobj(-15).decompress(head, 8)
    except zlib.error:
        return False
    return len(found) == 8 and found[4:6] in _KNOWN and found[0] in (0x08, 0x10)


def _inflate(data: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(-15)
    try:
        found = inflater.decompress(data, limit)
    except zlib.error as error:
        raise Damaged("the deflated data set can't be inflated") from error
    if inflater.unconsumed_tail:
        raise LimitExceeded(f"the data set inflates to more than {limit >> 20} MiB")
    return found


# -- the walk ----------------------------------------------------------------------------------------------------------


class _Cut(Exception):
    """The bytes end inside an element: what was read before stands."""


@lru_cache(maxsize=16384)
def _vr_of(tag: int) -> str:
    """The VR of PS3.6; the first where there is a choice."""
    from pydicom.datadict import dictionary_VR

    if tag & 0xFFFF == 0:
        return "UL"
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "LO" if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    return "US" if vr == "US or SS" else str(vr)[:2]


class _Walk:
    """One pass over the bytes of a data set."""

    def __init__(self, data: bytes, little: bool, limits: Limits, assumed: Charset) -> None:
        self._data = data
        self._little = little
        self._limits = limits
        self._left = limits.elements
        self._tag = struct.Struct("<HH" if little else ">HH").unpack_from
        self._u32 = struct.Struct("<I" if little else ">I").unpack_from
        self._u16 = struct.Struct("<H" if little else ">H").unpack_from
        self.assumed = assumed
        self.faults: list[Fault] = []

    def dataset(self, at: int, end: int, explicit: bool, outer: Charset, path: str, depth: int) -> tuple[Dataset, int]:
        """Elements from `at` up to `end` or an item delimiter; the place behind them."""
        if depth > self._limits.depth:
            raise LimitExceeded(f"sequences are nested deeper than {self._limits.depth} levels")
        found: dict[int, Element] = {}
        chosen = outer
        try:
            while at + 8 <= end:
                group, number = self._tag(self._data, at)
                tag = group << 16 | number
                if tag == _ITEM_END:
                    return Dataset(found, chosen, self._little), at + 8
                if group == 0xFFFE:
                    at += 8  # a delimiter without its sequence
                    continue
                if depth == 0 and tag in _PIXELS:
                    break
                element, at = self._element(at, end, tag, explicit, chosen, path, depth)
                if tag not in found:  # twice is against the standard: the first stands
                    found[tag] = element
                if tag == _CHARSET and element.value:
                    chosen = self._charset(element.value, path)
        except _Cut:
            at = end
        return Dataset(found, chosen, self._little), at

    def _charset(self, raw: bytes, path: str) -> Charset:
        chosen = charset(raw.decode("ascii", "replace"))
        if chosen.unknown:
            self._fault(path, _CHARSET, "names a character set that is not known")
        return self.assumed if not chosen.declared else chosen

    def _fault(self, path: str, tag: int, text: str) -> None:
        if len(self.faults) < 1000:
            self.faults.append(Fault(path + tag_text(tag), text))

    def _element(
        self, at: int, end: int, tag: int, explicit: bool, chosen: Charset, path: str, depth: int
    ) -> tuple[Element, int]:
        self._left -= 1
        if self._left < 0:
            raise LimitExceeded(f"more than {self._limits.elements} elements")
        vr, length, begin = self._header(at, end, tag, explicit)
        nested = explicit
        if vr == "UN" and length == _OPEN:
            vr, nested = "SQ", False  # PS3.5 6.2.2: as if implicit little endian
        elif vr == "UN" and _vr_of(tag) != "UN":
            vr = _vr_of(tag)
            nested = False
        if vr == "SQ" or (length == _OPEN and vr not in ("OB", "OW")):
            return self._sequence(tag, begin, length, end, nested, chosen, path, depth)
        if length == _OPEN:  # encapsulated pixels, of an icon
            return Element(tag, vr, None), self._fragments(begin, end)
        if length > end - begin:
            self._fault(path, tag, "is cut off: the data set ends inside its value")
            return Element(tag, vr, None), end
        limit = self._limits.document if tag == _DOCUMENT else self._limits.value
        value = self._data[begin : begin + length] if length <= limit else None
        return Element(tag, vr, value), begin + length

    def _header(self, at: int, end: int, tag: int, explicit: bool) -> tuple[str, int, int]:
        """(VR, length, where the value begins)."""
        data = self._data
        vr = data[at + 4 : at + 6]
        if not explicit or not (vr.isalpha() and vr.isupper()):
            return _vr_of(tag), self._u32(data, at + 4)[0], at + 8
        if vr in _LONG or (vr not in _KNOWN and data[at + 6 : at + 8] == b"\0\0" and at + 12 <= end):
            if at + 12 > end:
                raise _Cut
            length = self._u32(data, at + 8)[0]
            if vr in _KNOWN or length <= end - at - 12:
                return vr.decode() if vr in _KNOWN else "UN", length, at + 12
        return vr.decode() if vr in _KNOWN else _vr_of(tag), self._u16(data, at + 6)[0], at + 8

    def _sequence(
        self, tag: int, at: int, length: int, end: int, explicit: bool, chosen: Charset, path: str, depth: int
    ) -> tuple[Element, int]:
        stop = end if length == _OPEN else min(at + length, end)
        if length != _OPEN and length > end - at:
            self._fault(path, tag, "is cut off: the data set ends inside its items")
        items: list[Dataset] = []
        while at + 8 <= stop:
            group, number = self._tag(self._data, at)
            size = self._u32(self._data, at + 4)[0]
            kind = group << 16 | number
            if kind == _SEQUENCE_END:
                at += 8
                if length == _OPEN:
                    return Element(tag, "SQ", b"", tuple(items)), at
                continue
            if kind != _ITEM:
                self._fault(path, tag, "holds something that is no item")
                return Element(tag, "SQ", b"", tuple(items)), stop
            self._left -= 1
            inner = f"{path}{tag_text(tag)}[{len(items) + 1}]."
            until = stop if size == _OPEN else min(at + 8 + size, stop)
            item, after = self.dataset(at + 8, until, explicit, chosen, inner, depth + 1)
            at = after if size == _OPEN else until
            items.append(item)
        return Element(tag, "SQ", b"", tuple(items)), stop

    def _fragments(self, at: int, end: int) -> int:
        """Behind the fragments of encapsulated pixels."""
        while at + 8 <= end:
            group, number = self._tag(self._data, at)
            size = self._u32(self._data, at + 4)[0]
            at += 8
            if group << 16 | number != _ITEM:
                return at
            self._left -= 1
            if self._left < 0:
                raise LimitExceeded(f"more than {self._limits.elements} elements")
            at += size
        return end
