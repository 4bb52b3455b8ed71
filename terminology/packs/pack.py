"""An open pack: `mode=ro&immutable=1`, memory-mapped, its pages shared by all processes that read it.

A connection belongs to one thread of one process: open after fork, never share. Several answers are remembered by
those who ask (`lookup`, `translator`), not here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import apsw

from terminology.errors import PackDamaged, PackMissing, PackNewer
from terminology.packs.manifest import Manifest
from terminology.packs.schema import APPLICATION_ID, FORMAT

__all__ = ["Pack", "Value", "file_sha256", "open_pack"]

Value = str | int | float | bytes | None
_MMAP = 1 << 31


class Pack:
    """Read access by SQL; `rows` is the one door, so that damage is always our error."""

    def __init__(self, path: Path, connection: apsw.Connection, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._connection = connection

    def rows(self, query: str, values: tuple[Value, ...] = ()) -> list[tuple[Value, ...]]:
        """All rows of a query. Raises PackDamaged."""
        try:
            return list(self._connection.execute(query, values))
        except (apsw.CorruptError, apsw.NotADBError, apsw.IOError, apsw.SQLError) as error:
            raise PackDamaged(f"{self.path.name}: {error}; import it again") from error

    def each(self, query: str, values: tuple[Value, ...] = ()) -> Iterator[tuple[Value, ...]]:
        """The rows of a query one by one. Raises PackDamaged."""
        try:
            yield from self._connection.execute(query, values)
        except (apsw.CorruptError, apsw.NotADBError, apsw.IOError, apsw.SQLError) as error:
            raise PackDamaged(f"{self.path.name}: {error}; import it again") from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def open_pack(path: Path, *, sha256: str | None = None) -> Pack:
    """Open; `sha256` is compared with the file's if given. Raises PackMissing, PackNewer, PackDamaged."""
    if not path.is_file():
        raise PackMissing(f"{path}: no such pack")
    if sha256 is not None and file_sha256(path) != sha256:
        raise PackDamaged(f"{path.name}: the file is not the one that was installed; import it again")
    address = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    try:
        connection = apsw.Connection(address, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    except apsw.Error as error:
        raise PackDamaged(f"{path.name}: can't be opened: {error}") from error
    try:
        connection.execute(f"PRAGMA mmap_size={_MMAP}")
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
        if connection.pragma("application_id") != APPLICATION_ID:
            raise PackDamaged(f"{path.name}: not a terminology pack")
        version = connection.pragma("user_version")
        if version > FORMAT:
            raise PackNewer(
                f"{path.name}: of form {version}, this release reads up to {FORMAT}: use a newer release, or import"
                " the source again with this one"
            )
        row = next(iter(connection.execute("SELECT content FROM manifest")))
        manifest = Manifest.from_json(json.loads(str(row[0])))
    except (apsw.Error, StopIteration, ValueError, RecursionError) as error:
        _close(connection)
        raise PackDamaged(f"{path.name}: not a terminology pack, or damaged") from error
    except (PackDamaged, PackNewer):
        _close(connection)
        raise
    return Pack(path, connection, manifest)


def _close(connection: apsw.Connection) -> None:
    with suppress(apsw.Error):
        connection.close()


def file_sha256(path: Path) -> str:
    """Of a whole file."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise PackMissing(f"{path}: {error.strerror or type(error).__name__}") from error
