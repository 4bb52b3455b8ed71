"""Messages continued in the next message (HL7 v2 chapter 2.10.2): DSC with a pointer, MSH-14 that answers it.

The parts are one message: the first without its DSC, then what follows the others' MSH. Where a part was cut inside a
segment the next begins with ADD, which the reader joins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Fragment", "fragment", "joined"]

_ENDS = re.compile(rb"[\r\n\x0b\x1c]+")
_PADDING = b"\r\n\x0b\x1c\x00\x1a \t"  # what the reader, too, takes for nothing at the end
_NULL = b'""'
_FIELDS = 14
_HEADER = re.compile(rb"MSH[^\r\n]*")


@dataclass(frozen=True, slots=True)
class Fragment:
    """How a message hangs together with others, as its own words say. `link`: what its parts share, delimiters,
    sender and receiver; `follows`: MSH-14; `pointer`: DSC-1, b'' where nothing is to follow."""

    link: bytes
    follows: bytes
    pointer: bytes


def fragment(head: bytes, tail: bytes) -> Fragment | None:
    """Of a message's beginning and end (both may be all of it); None: it speaks of no other part."""
    separator = head[3:4]
    _, last = _last(tail) if b"DSC" in tail else (0, b"")
    header = _HEADER.match(head)
    if header is None or not separator:
        return None
    fields = header[0].split(separator, _FIELDS)
    follows = fields[_FIELDS - 1].strip() if len(fields) >= _FIELDS else b""
    follows = b"" if follows == _NULL else follows
    pointer = _pointer(last, separator) if last else b""
    if not follows and not pointer:
        return None
    return Fragment(separator.join([separator, *fields[1:6]]), follows, pointer)


def _last(tail: bytes) -> tuple[int, bytes]:
    """Where the last segment begins, and its bytes if it is a DSC, else b''."""
    end = tail.rstrip(_PADDING)
    start = max(end.rfind(b"\r"), end.rfind(b"\n")) + 1
    segment = end[start:]
    return start, segment if segment[:3] == b"DSC" and len(segment) > 3 and not segment[3:4].isalnum() else b""


def _pointer(segment: bytes, separator: bytes) -> bytes:
    """DSC-1; b'' if there is none, or if the receiver is to ask for the rest (DSC-2 = I)."""
    fields = [field.strip() for field in segment.split(separator, 3)[1:3]]
    if not fields or fields[0] == _NULL or fields[1:] == [b"I"]:
        return b""
    return fields[0]


def joined(bodies: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """(place of the first part, bytes) of each message. A continuation that nothing answers stays as it is."""
    begun: tuple[int, bytes] | None = None
    for place, body in enumerate(bodies):
        if begun is not None:
            whole = _with(begun[1], body)
            if whole is not None:
                begun = (begun[0], whole)
                continue
            yield begun
        begun = (place, body)
    if begun is not None:
        yield begun


def _with(body: bytes, part: bytes) -> bytes | None:
    """A message and its next part; None if the part is a message of its own."""
    start, last = _last(body)
    if not last:
        return None
    separator = body[3:4]
    pointer = _pointer(last, separator)
    header, *rest = _ENDS.split(part, maxsplit=1)
    fields = header.split(separator, _FIELDS)
    same = fields[:2] == _ENDS.split(body, maxsplit=1)[0].split(separator, _FIELDS)[:2]
    if not same or not pointer:
        return None
    if len(fields) < _FIELDS or fields[_FIELDS - 1].strip() != pointer:
        return None
    return body[:start] + (rest[0] if rest else b"")
