"""Content-addressed files: write aside, fsync, rename, fsync the folder (architecture: "Storage", port Blobs)."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipelines.database import sync_folder
from pipelines.errors import BlobMissing

PIECE = 1 << 20


class FileBlobs:
    """Blobs in a folder: `ab/abcdef…` by the hex of their SHA-256, 0600."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes | BinaryIO) -> bytes:
        """Store bytes or a stream; returns the SHA-256 once they are durable. The same bytes are kept once."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        aside = self._folder / f".{secrets.token_hex(8)}.part"
        state = hashlib.sha256()
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as out:
                for piece in _pieces(data):
                    state.update(piece)
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            self._settle(aside, state.digest())
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        return state.digest()

    def _settle(self, aside: Path, digest: bytes) -> None:
        target = self.path(digest)
        if not target.parent.is_dir():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._folder)
        os.replace(aside, target)
        sync_folder(target.parent)

    def open(self, digest: bytes) -> BinaryIO:
        """A stream of the bytes, not checked against their name (`read` does)."""
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError as error:
            raise BlobMissing(f"no blob {digest.hex()}") from error

    def read(self, digest: bytes) -> bytes:
        """All bytes, checked against their name."""
        with self.open(digest) as stream:
            data = stream.read()
        if hashlib.sha256(data).digest() != digest:
            raise BlobMissing(f"blob {digest.hex()} is damaged: its bytes have another hash")
        return data

    def remove(self, digest: bytes) -> None:
        """Erase (retention, forgetting)."""
        self.path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[bytes]:
        """All blobs, in order; half-written ones don't count."""
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                yield bytes.fromhex(path.name)

    def path(self, digest: bytes) -> Path:
        """Where a blob lies, or would."""
        name = digest.hex()
        return self._folder / name[:2] / name


def _pieces(data: bytes | BinaryIO) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    while piece := data.read(PIECE):
        yield piece
