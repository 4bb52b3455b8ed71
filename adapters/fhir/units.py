"""Units of a file: one JSON document, or one resource per line (NDJSON, as of the Bulk Data specification)."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["units"]

_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


def units(data: bytes) -> Iterator[bytes]:
    """The bytes of each unit, without blanks around it. Never raises."""
    text = data.removeprefix(_BOM).strip(_BLANK)
    if not text:
        return
    first, _, rest = text.partition(b"\n")
    if not first.rstrip(_BLANK).endswith(b"}") or not rest.lstrip(_BLANK).startswith(b"{"):
        yield text
        return
    for line in text.split(b"\n"):
        body = line.strip(_BLANK)
        if body:
            yield body
