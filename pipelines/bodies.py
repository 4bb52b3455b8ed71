"""The bytes of a journal entry: in the entry itself, or a blob; of a large one only what its format needs of it."""

from __future__ import annotations

from pipelines.acknowledging import HEAD
from pipelines.errors import BlobMissing
from pipelines.formats import FORMATS, source
from pipelines.ports import Blobs, Entry

__all__ = ["Bodies"]


class Bodies:
    """Reads what the entries hold."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def read(self, entry: Entry) -> bytes:
        """What the mappers are given. Raises BlobMissing."""
        if entry.body is not None:
            return entry.body
        if not entry.blob:
            raise BlobMissing("the message's bytes were erased")
        row = source(entry.format) if entry.format in FORMATS else None
        if row is None or row.brief is None:
            return self._blobs.read(entry.sha256)
        try:
            with self._blobs.open(entry.sha256) as stream:
                return row.brief(stream, entry.sha256, entry.size)
        except row.errors as error:
            raise BlobMissing(f"blob {entry.sha256.hex()} is damaged: {error}") from error

    def ends(self, entry: Entry) -> tuple[bytes, bytes]:
        """The beginning and the end of a message: all of it twice, or as much as its first and last segment need."""
        if entry.body is not None:
            return entry.body, entry.body
        if not entry.blob:
            return b"", b""
        try:
            with self._blobs.open(entry.sha256) as stream:
                head = stream.read(HEAD)
                stream.seek(max(0, entry.size - HEAD))
                return head, stream.read(HEAD)
        except BlobMissing:
            return b"", b""

    def head(self, entry: Entry) -> bytes:
        """The beginning of a message, enough for its header."""
        if entry.body is not None or not entry.blob:
            return (entry.body or b"")[:HEAD]
        try:
            with self._blobs.open(entry.sha256) as stream:
                return stream.read(HEAD)
        except BlobMissing:
            return b""
