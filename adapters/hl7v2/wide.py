"""Messages in UTF-16 or UTF-32 (HL7 v2 Table 0211): recognised by their first bytes; no byte rule finds their MSH."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FIRST_BYTES = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"M\0\0\0S\0\0\0H\0\0\0", "utf-32-le"),
    (b"\0\0\0M\0\0\0S\0\0\0H", "utf-32-be"),
    (b"M\0S\0H\0", "utf-16-le"),
    (b"\0M\0S\0H", "utf-16-be"),
)
_ENVELOPE = ("FHS", "BHS", "BTS", "FTS")  # of a batch file: they end a message; their counts are not looked at
_BEFORE = frozenset("\r\n\x0b\ufeff")
_ENDS = frozenset("\r\n\x0b\x1c")
_NAME = re.compile("[0-9A-Za-z]").match


def codec(data: bytes) -> str | None:
    """The UTF-16 or UTF-32 codec of data by its mark or its first letters; None if it is neither."""
    return next((name for start, name in _FIRST_BYTES if data.startswith(start)), None)


def split(data: bytes) -> Iterator[bytes]:
    """The messages in UTF-16 or UTF-32 data, cut as those in other character sets are; none if it is neither.

    Cut from the bytes as they are: what is no text stays what it was.
    """
    name = codec(data)
    if name is None:
        return
    width = 2 if "16" in name else 4

    def unit(place: int) -> str:
        return data[place : place + width].decode(name, "replace")

    starts = []
    for segment in ("MSH", *_ENVELOPE):
        first = segment.encode(name)
        at = data.find(first)
        while at >= 0:
            behind = unit(at + len(first))
            begins = at % width == 0 and (not at or unit(at - width) in _BEFORE) and not _NAME(behind)
            if begins and (len(behind) == 1 or segment != "MSH"):  # an envelope segment may be a name alone
                starts.append((at, segment))
            at = data.find(first, at + 1)
    starts.sort()
    ends = [at for at, _ in starts[1:]] + [len(data)]
    for (start, segment), end in zip(starts, ends, strict=False):
        while end > start and ((end - start) % width or unit(end - width) in _ENDS):
            end -= (end - start) % width or width
        if segment == "MSH":
            yield data[start:end]
