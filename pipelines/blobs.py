"""Content-addressed files: write aside, fsync, rename, fsync the folder (architecture: "Storage", port Blobs)."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pipelines.database import sync_folder
from pipelines.errors import BlobMissing

PIECE = 1 << 20
INCOMING = "incoming-"


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

    def incoming(self) -> Incoming:
        """A blob that comes piece by piece. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return Incoming(self, self._folder / f".{INCOMING}{secrets.token_hex(8)}.part")

    def sweep(self) -> int:
        """Remove what a crash left of blobs that came piece by piece; how many. Only for the one process that takes
        such in, before it does."""
        found = list(self._folder.glob(f".{INCOMING}*.part"))
        for path in found:
            path.unlink(missing_ok=True)
        return len(found)

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


class Incoming:
    """One blob on its way in: `write` any number of times, then `keep` or `drop`. Nothing is buffered here."""

    def __init__(self, blobs: FileBlobs, aside: Path) -> None:
        self._blobs = blobs
        self._aside = aside
        self._state = hashlib.sha256()
        self.size = 0
        self._descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, data: memoryview) -> None:
        """The next bytes. Raises OSError."""
        self._state.update(data)
        self.size += len(data)
        while data:
            data = data[os.write(self._descriptor, data) :]

    def keep(self) -> bytes:
        """fsync, rename, fsync of the folder; then its SHA-256. Raises OSError."""
        try:
            os.fsync(self._descriptor)
            digest = self.finish()
            self._blobs._settle(self._aside, digest)
        except BaseException:
            self.drop()
            raise
        return digest

    def finish(self) -> bytes:
        """Close it as it is, not durable; its SHA-256."""
        os.close(self._descriptor)
        return self._state.digest()

    def drop(self) -> None:
        """It will never be whole."""
        with suppress(OSError):
            os.close(self._descriptor)
        self._aside.unlink(missing_ok=True)


def _pieces(data: bytes | BinaryIO) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    while piece := data.read(PIECE):
        yield piece
