"""A received instance without its pixels: digest, size and header, so that nobody holds a gigabyte to read a header.

The digest is the one that the bytes are kept under; the bytes are hashed again on the way.
"""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from adapters.dicom.errors import Damaged, DicomError
from adapters.dicom.limits import LIMITS
from adapters.dicom.reader import BRIEF, pixels_at

__all__ = ["brief"]

_PIECE = 1 << 20
_MOST = LIMITS.document + _PIECE  # bytes of a header: an encapsulated document stands in it


def brief(stream: BinaryIO, digest: bytes, size: int) -> bytes:
    """What `read` takes in place of a bare data set. Raises DicomError if the bytes are not those of the digest."""
    state = hashlib.sha256()
    head = bytearray()
    end: int | None = None
    while piece := stream.read(_PIECE):
        state.update(piece)
        if end is None and len(head) < _MOST:
            head += piece
            if len(head) & (len(head) - 1) == 0:  # looked at when it has doubled
                end = _pixels(bytes(head))
    if end is None:
        end = _pixels(bytes(head))
    if state.digest() != digest:
        raise Damaged("the bytes are not those that were received")
    return BRIEF + digest + size.to_bytes(8, "big") + bytes(head[:end])


def _pixels(head: bytes) -> int | None:
    try:
        return pixels_at(head)
    except DicomError:
        return None
