"""multipart/related as STOW-RS uses it (PS3.18 section 8.6.1.2.1, RFC 2046 section 5.1, RFC 2387): body → parts.

Parts are views of the body, not copies. What stands before the first boundary and behind the last is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.dicom.errors import Damaged, LimitExceeded

__all__ = ["Part", "boundary_of", "parts"]

_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))""", re.IGNORECASE)
_TYPE = re.compile(rb"^content-type\s*:\s*([^\r\n;]+)", re.IGNORECASE | re.MULTILINE)
_HEADERS_MAX = 8192  # bytes of the headers of one part
_PARTS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `media_type` in lower case, without parameters; '' if it doesn't say."""

    media_type: str
    body: memoryview


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a Content-Type names."""
    found = _BOUNDARY.search(content_type)
    return None if found is None else (found[1] or found[2]).encode("latin-1", "replace")


def parts(body: bytes, boundary: bytes) -> Iterator[Part]:
    """Each part. Raises Damaged and LimitExceeded."""
    mark = b"--" + boundary
    at = _next(body, mark, 0)
    if at is None:
        raise Damaged("the body has no boundary")
    view = memoryview(body)
    for _ in range(_PARTS_MAX):
        begin = at + len(mark)
        if body[begin : begin + 2] == b"--":
            return
        line = body.find(b"\n", begin, begin + _HEADERS_MAX)
        if line < 0 or body[begin:line].strip(b" \t\r"):
            raise Damaged("a boundary is not followed by a line end")
        following = _next(body, mark, line)
        if following is None:
            raise Damaged("the last boundary is missing: the body is cut off")
        yield _part(body, view, line + 1, following)
        at = following
    raise LimitExceeded(f"more than {_PARTS_MAX} parts")


def _next(body: bytes, mark: bytes, at: int) -> int | None:
    """The next boundary at the beginning of a line."""
    while True:
        found = body.find(mark, at)
        if found < 0:
            return None
        if found == 0 or body[found - 1 : found] == b"\n":
            return found
        at = found + 1


def _part(body: bytes, view: memoryview, begin: int, end: int) -> Part:
    end -= 2 if body[end - 2 : end] == b"\r\n" else 1  # the line end belongs to the boundary
    if body[begin : begin + 2] == b"\r\n" or body[begin : begin + 1] == b"\n":
        return Part("", view[begin + (2 if body[begin : begin + 1] == b"\r" else 1) : max(end, begin)])
    windows = body.find(b"\r\n\r\n", begin, min(end, begin + _HEADERS_MAX))
    unix = body.find(b"\n\n", begin, min(end, begin + _HEADERS_MAX))
    ends = [(at, size) for at, size in ((windows, 4), (unix, 2)) if at >= 0]
    if not ends:
        raise Damaged("the headers of a part don't end")
    at, size = min(ends)
    found = _TYPE.search(body[begin:at])
    kind = found[1].decode("latin-1").strip().lower() if found else ""
    return Part(kind, view[at + size : max(end, at + size)])
