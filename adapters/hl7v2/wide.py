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
_UNIT = re.compile("(?:\\A|(?<=[\r\n\x0b\ufeff]))MSH[^0-9A-Za-z]")


def codec(data: bytes) -> str | None:
    """The UTF-16 or UTF-32 codec of data by its mark or its first letters; None if it is neither."""
    return next((name for start, name in _FIRST_BYTES if data.startswith(start)), None)


def split(data: bytes) -> Iterator[bytes]:
    """The messages in UTF-16 or UTF-32 data, cut as those in other character sets are; none if it is neither."""
    name = codec(data)
    if name is None:
        return
    text = data.decode(name, "replace")
    starts = [found.start() for found in _UNIT.finditer(text)]
    ends = [*starts[1:], len(text)][: len(starts)]
    for start, end in zip(starts, ends, strict=True):
        yield text[start:end].rstrip("\r\n\x0b\x1c").encode(name)
