"""Building a pack: written aside, compacted, fsynced, and only then named.

The content digest is SHA-256 over kind, system, target and version and every row in key order, each field with its
length: it doesn't depend on the SQLite that wrote the file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType

import apsw

from terminology.errors import PackError, SourceError
from terminology.packs.manifest import Manifest
from terminology.packs.schema import APPLICATION_ID, FORMAT, KINDS, TABLES, columns

__all__ = ["Field", "PackBuilder", "Row"]

Field = str | int
Row = tuple[Field, ...]
_CHUNK = 20_000


class PackBuilder:
    """Fills one new pack; `with` removes what was not finished. `advance`: told of every row, for progress."""

    def __init__(self, path: Path, kind: str, advance: Callable[[int], None] = lambda _: None) -> None:
        self._path = path
        self._aside = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._kind = kind
        self._advance = advance
        self._aside.unlink(missing_ok=True)
        try:
            self._connection = apsw.Connection(str(self._aside))
            for pragma in ("page_size=4096", "journal_mode=OFF", "synchronous=OFF", "cache_size=-65536"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version={FORMAT}")
            self._connection.execute("CREATE TABLE manifest(content TEXT NOT NULL) STRICT")
            for table in KINDS[kind]:
                self._connection.execute(f"CREATE TABLE {table}({TABLES[table]}) STRICT, WITHOUT ROWID")
        except apsw.Error as error:
            raise PackError(f"{path}: can't be written: {error}") from error

    def __enter__(self) -> PackBuilder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._connection.close()
        self._aside.unlink(missing_ok=True)

    def add(self, table: str, rows: Iterable[Row], *, repeats: bool = False) -> int:
        """Insert; how many. A key that comes twice is a SourceError, unless `repeats`: then the first one stands."""
        marks = ",".join("?" * columns(table))
        word = "OR IGNORE INTO" if repeats else "INTO"
        count = 0

        def counted() -> Iterator[Row]:
            nonlocal count
            for row in rows:
                count += 1
                if count % _CHUNK == 0:
                    self._advance(_CHUNK)
                yield row

        self._connection.execute("BEGIN")
        try:
            self._connection.executemany(f"INSERT {word} {table} VALUES ({marks})", counted())
        except apsw.ConstraintError as error:
            raise SourceError(f"the same {table.replace('_', ' ')} twice ({count} rows in)") from error
        except apsw.FullError as error:
            raise PackError(f"{self._path}: the disk is full") from error
        self._connection.execute("COMMIT")
        self._advance(count % _CHUNK)
        return count

    def finish(
        self,
        *,
        system: str,
        version: str,
        title: str,
        licence: str,
        source: str,
        source_sha256: str,
        target: str = "",
        content: str = "complete",
    ) -> Manifest:
        """Make it durable under its name."""
        counts = {table: self._count(table) for table in KINDS[self._kind]}
        manifest = Manifest(
            kind=self._kind,
            system=system,
            target=target,
            content=content,
            version=version,
            title=title,
            licence=licence,
            source=source,
            source_sha256=source_sha256,
            digest=content_digest(self._connection, self._kind, system, target, version),
            counts={table: count for table, count in counts.items() if count},
        )
        try:
            self._connection.execute(
                "INSERT INTO manifest VALUES (?)", (json.dumps(manifest.to_json(), sort_keys=True),)
            )
            self._connection.execute("VACUUM")
            self._connection.close()
            self._aside.chmod(0o444)
            _sync(self._aside)
            os.replace(self._aside, self._path)
            _sync(self._path.parent)
        except (apsw.Error, OSError) as error:
            raise PackError(f"{self._path}: can't be written: {error}") from error
        return manifest

    def _count(self, table: str) -> int:
        return int(next(iter(self._connection.execute(f"SELECT count(*) FROM {table}")))[0])


def content_digest(connection: apsw.Connection, kind: str, system: str, target: str, version: str) -> str:
    """See the module's text."""
    sha = hashlib.sha256(_framed((kind, system, target, version)))
    for table in KINDS[kind]:
        sha.update(_framed((table,)))
        order = ",".join(str(number + 1) for number in range(columns(table)))
        for row in connection.execute(f"SELECT * FROM {table} ORDER BY {order}"):
            sha.update(_framed(row))
    return sha.hexdigest()


def _framed(fields: Iterable[object]) -> bytes:
    parts = [str(field).encode() for field in fields]
    return b"".join(b"%d:%b" % (len(part), part) for part in parts) + b"\n"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
