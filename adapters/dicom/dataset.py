"""Data set and element (PS3.5 section 7): values as they were sent, decoded when they are asked for."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from adapters.dicom.charset import Charset

__all__ = ["Dataset", "Element", "Fault", "keyword", "tag_of", "tag_text"]

_TEXT = frozenset({"SH", "LO", "ST", "PN", "LT", "UC", "UT"})
_WHOLE = frozenset({"ST", "LT", "UT", "UR"})  # a backslash is a character in these
_CODES = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
_NUMBERS = {
    "US": "H",
    "SS": "h",
    "UL": "I",
    "SL": "i",
    "FL": "f",
    "FD": "d",
    "UV": "Q",
    "SV": "q",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the element at `path`; the text holds no value."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Element:
    """One data element. `items` of a sequence, else None; `value` None: too large to be kept, or cut off."""

    tag: int
    vr: str
    value: bytes | None
    items: tuple[Dataset, ...] | None = None

    @property
    def empty(self) -> bool:
        """No value, or nothing but padding."""
        if self.items is not None:
            return not self.items
        if self.vr in _TEXT or self.vr in _CODES:
            return self.value is not None and not self.value.strip(b" \0")
        return self.value == b""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Elements by tag, in the order of the file; `charset` is its own or that of the data set around it."""

    elements: Mapping[int, Element]
    charset: Charset
    little: bool

    def get(self, tag: int) -> Element | None:
        """One element."""
        return self.elements.get(tag)

    def values(self, tag: int) -> tuple[str, ...]:
        """The values as text, without padding; () if there are none or they can't be read."""
        element = self.elements.get(tag)
        return () if element is None else self.texts(element)[0]

    def text(self, tag: int) -> str:
        """The first value."""
        found = self.values(tag)
        return found[0] if found else ""

    def items(self, tag: int) -> tuple[Dataset, ...]:
        """The items of a sequence."""
        element = self.elements.get(tag)
        return () if element is None or element.items is None else element.items

    def texts(self, element: Element) -> tuple[tuple[str, ...], str]:
        """(values, what is to be said of them)."""
        raw, vr = element.value, element.vr
        if not raw:
            return (), ""
        if vr in _NUMBERS:
            return self._numbers(raw, _NUMBERS[vr])
        if vr == "AT":
            return self._tags(raw)
        if vr not in _TEXT and vr not in _CODES:
            return (), ""
        said = ""
        if vr in _TEXT:
            decoded, said = self.charset.decode(raw)
            if decoded is None:
                return (), said
        else:
            # by the standard these are ASCII; the odd letter in a code string is read as all Latin text is
            decoded = raw.decode("ascii", "ignore") if raw.isascii() else self.charset.decode(raw)[0] or ""
        parts = [decoded] if vr in _WHOLE else decoded.split("\\")
        # leading blanks are text in ST, LT and UT; everywhere else they are padding
        values = [part.rstrip(" \0") if vr in _WHOLE else part.strip(" \0") for part in parts]
        while values and not values[-1]:
            values.pop()
        return tuple(values), said

    def _numbers(self, raw: bytes, kind: str) -> tuple[tuple[str, ...], str]:
        size = struct.calcsize(kind)
        if len(raw) % size:
            return (), "has a length that its type can't have"
        found = struct.unpack(f"{'<' if self.little else '>'}{len(raw) // size}{kind}", raw)
        return tuple([repr(number) for number in found]), ""

    def _tags(self, raw: bytes) -> tuple[tuple[str, ...], str]:
        if len(raw) % 4:
            return (), "has a length that its type can't have"
        found = struct.unpack(f"{'<' if self.little else '>'}{len(raw) // 2}H", raw)
        return tuple([f"{found[at]:04X}{found[at + 1]:04X}" for at in range(0, len(found), 2)]), ""

    def leaves(self, prefix: str = "") -> Iterator[tuple[str, Dataset, Element]]:
        """Every non-empty element that is no sequence: (path, its data set, the element)."""
        for element in self.elements.values():
            path = prefix + tag_text(element.tag)
            if element.items is None:
                if not element.empty:
                    yield path, self, element
                continue
            for number, item in enumerate(element.items, 1):
                yield from item.leaves(f"{path}[{number}].")


@lru_cache(maxsize=8192)
def tag_text(tag: int) -> str:
    """Eight hexadecimal digits: `0020000D`."""
    return f"{tag:08X}"


@lru_cache(maxsize=8192)
def tag_of(name: str) -> int:
    """The tag of a keyword of PS3.6 (`PatientID`) or of eight hexadecimal digits; 0 for neither."""
    if len(name) == 8:
        try:
            return int(name, 16)
        except ValueError:
            pass
    from pydicom.datadict import tag_for_keyword

    return tag_for_keyword(name) or 0


def keyword(tag: int) -> str:
    """The keyword of a tag, '' if PS3.6 has none."""
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag)
