"""SQLite files as we open them (architecture: "Storage"): WAL, synchronous=FULL, checkpoints by the writer only.

A closed-source of doubt in every store is "is it really durable?". So the settings are set here, read back here, and
`doctor` reads them again from the live connections.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import apsw

from pipelines.errors import FolderError, NewerVersion, Unavailable

BUSY_MS = 10_000
REQUIRED = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0}

# Ours to report as "can't keep now": disk full, I/O error, no access, damaged file.
DISK_ERRORS = (
    apsw.FullError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.NoMemError,
    apsw.BusyError,
    apsw.LockedError,
    OSError,
)


def open_writer(
    path: Path,
    migrations: Sequence[str],
    *,
    vfs: str | None = None,
    cache_kib: int = 8192,
    page_size: int = 4096,
) -> apsw.Connection:
    """Open for writing, make or migrate, and prove the settings; `migrations[n]` takes version n to n + 1."""
    fresh = not path.exists()
    try:
        connection = apsw.Connection(str(path), vfs=vfs)
        connection.set_busy_timeout(BUSY_MS)
        connection.execute(f"PRAGMA page_size={page_size}")  # of a new file; no effect on an old one
        connection.execute("PRAGMA journal_mode=WAL")
        for name, value in (("synchronous", "FULL"), ("wal_autocheckpoint", "0")):
            connection.execute(f"PRAGMA {name}={value}")
        connection.execute(f"PRAGMA cache_size=-{cache_kib}")
        connection.execute("PRAGMA trusted_schema=OFF")
        migrate(connection, path, migrations)
        wrong = unsound_settings(connection)
        if fresh:
            path.chmod(0o600)
            sync_folder(path.parent)
    except DISK_ERRORS as error:
        raise Unavailable(f"{path.name}: {type(error).__name__}: {error}") from error
    if wrong:
        raise FolderError(f"{path.name}: settings not in force: {wrong}")
    return connection


def open_reader(path: Path, *, vfs: str | None = None, cache_kib: int = 2048) -> apsw.Connection:
    """Open for reading beside a running writer; never checkpoints, never writes."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs)
        connection.set_busy_timeout(BUSY_MS)
        connection.execute(f"PRAGMA cache_size=-{cache_kib}")
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
    except DISK_ERRORS as error:
        raise FolderError(f"{path.name}: {type(error).__name__}: {error}") from error
    return connection


def migrate(connection: apsw.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Bring the schema to this release's version: a newer one is refused, an older one copied first."""
    version = schema_version(connection)
    if version > len(migrations):
        raise NewerVersion(
            f"{path.name} has schema version {version}; this release knows up to {len(migrations)}. "
            "Use the release that wrote it, or a newer one."
        )
    if version == len(migrations):
        return
    if version:
        keep_copy(connection, path.with_name(f"{path.name}.v{version}"))
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(schema_version(connection), len(migrations)):
            connection.execute(migrations[number])
            connection.execute(f"PRAGMA user_version={number + 1}")
    except BaseException:
        roll_back(connection)
        raise
    connection.execute("COMMIT")


def schema_version(connection: apsw.Connection) -> int:
    """PRAGMA user_version: 0 for a new file."""
    return int(connection.pragma("user_version"))


def unsound_settings(connection: apsw.Connection) -> dict[str, object]:
    """Settings read back from a live connection that are not as they must be (empty: all in force)."""
    found = {name: connection.pragma(name) for name in REQUIRED}
    return {name: value for name, value in found.items() if value != REQUIRED[name]}


def bring_home(connection: apsw.Connection) -> None:
    """Checkpoint without waiting for anyone; whom another one's lock keeps from it tries again next time."""
    with suppress(apsw.BusyError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


def keep_copy(connection: apsw.Connection, target: Path, *, pages: int = -1) -> None:
    """An online copy of the whole database as of one moment: written aside, fsynced, renamed."""
    aside = target.with_name(target.name + ".part")
    aside.unlink(missing_ok=True)
    with closing(apsw.Connection(str(aside))) as copy:
        with copy.backup("main", connection, "main") as backup:
            while not backup.done:
                backup.step(pages)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, no -wal beside it
    aside.chmod(0o600)
    sync_file(aside)
    os.replace(aside, target)
    sync_folder(target.parent)


def roll_back(connection: apsw.Connection) -> None:
    """ROLLBACK unless SQLite has already done so."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def sync_file(path: Path) -> None:
    """fsync one file by path."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """fsync a folder, so that names made in it survive a power cut."""
    sync_file(path)


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write aside, fsync, rename, fsync the folder: after return the file is whole, and the new one."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
