"""Backup while running, and restore (architecture: "Storage"; docs/operations.md).

A backup is one tar: a manifest with the hash of every part, then online copies in an order that makes them fit:
the published checkpoint before the state (so that the copy is never behind it), the state before the journal (so that
every settled entry is in the journal), the journal before the blobs (so that every body is there).

Restore re-settles from the journal that survived. The same log goes on only where that is proved to be no fork: the
surviving folder says which checkpoint was published last, and the re-settled tree begins with exactly that tree.
Without a surviving folder nobody can know what was published after the backup, so another log begins, which names
the last checkpoint known.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import apsw

from pipelines import segments
from pipelines.blobs import FileBlobs
from pipelines.database import keep_copy, open_reader, sync_file, sync_folder, write_durably
from pipelines.datafolder import MANIFEST, RESTORING, RETIRED, DataFolder, lock_folder
from pipelines.errors import BackupError, LogStopped, NotEmpty
from pipelines.outbound import rewind
from pipelines.published import Published, read_published
from pipelines.state import SqliteState
from terminology import PACK_LIST, read_list

FORMAT = 1
CONTENTS = "backup.json"
_PIECE = 1 << 20

Settle = Callable[[DataFolder, SqliteState], int]
"""Settles every journal entry behind the state's cursor and gives how many there were (the writer, inline)."""


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds."""

    files: int
    size: int
    cursor: int
    records: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did. `same_log` False: `origin` is a new log that names the checkpoint of `previous_origin`."""

    settled: int
    records: int
    same_log: bool
    origin: str
    previous_origin: str
    published_size: int | None  # of the last published checkpoint, None: not known
    text: str


# -- backup ----------------------------------------------------------------------------------------------------


def back_up(folder: DataFolder, target: Path) -> BackedUp:
    """Write the backup of a folder, served or not; the file appears whole or not at all, mode 0600."""
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    with tempfile.TemporaryDirectory(prefix=".tabellion-backup-", dir=target.parent) as name:
        staged = Path(name)
        try:
            cursor, records = _stage(folder, staged)
            blobs = [(f"blobs/{path.parent.name}/{path.name}", path) for path in _blob_files(folder)]
            copies = [(str(path.relative_to(staged)), path) for path in sorted(staged.rglob("*")) if path.is_file()]
            files = [*copies, *blobs, *_packs(folder, staged)]
            contents = {"format": FORMAT, "cursor": cursor, "files": {name: _hash(path) for name, path in files}}
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                _write_tar(stream, contents, files)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(aside, target)
            sync_folder(target.parent)
        finally:
            aside.unlink(missing_ok=True)
    return BackedUp(len(files), target.stat().st_size, cursor, records)


def _stage(folder: DataFolder, staged: Path) -> tuple[int, int]:
    """Copies of all but the blobs; cursor and records of the state copied."""
    shutil.copyfile(folder.path / MANIFEST, staged / MANIFEST)
    shutil.copytree(folder.path / "keys", staged / "keys", ignore=shutil.ignore_patterns(".*"))
    if folder.published.exists():
        shutil.copyfile(folder.published, staged / "checkpoint")
    if (folder.packs_path / PACK_LIST).exists():
        (staged / folder.packs_path.name).mkdir()
        shutil.copyfile(folder.packs_path / PACK_LIST, staged / folder.packs_path.name / PACK_LIST)
    if folder.packages_path.exists():
        shutil.copytree(folder.packages_path, staged / folder.packages_path.name)
    with closing(open_reader(folder.state_path)) as source:
        keep_copy(source, staged / "state.sqlite")
    (staged / "journal").mkdir()
    segments.copy_all(folder.journal_path, staged / "journal")
    for path in (folder.groups_path, folder.outbound_path, folder.links_path):
        if path.exists():
            with closing(open_reader(path)) as source:
                keep_copy(source, staged / path.name)
    with closing(apsw.Connection(str(staged / "state.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)) as copy:
        rows = copy.execute("SELECT value FROM counter WHERE name='cursor' UNION ALL SELECT 0 LIMIT 1").fetchall()
        records = copy.execute("SELECT ifnull(max(seq) + 1, 0) FROM record").fetchall()
        return int(str(rows[0][0])), int(str(records[0][0]))


def _blob_files(folder: DataFolder) -> Iterator[Path]:
    for digest in folder.blobs.digests():
        yield folder.blobs.path(digest)


def _packs(folder: DataFolder, staged: Path) -> Iterator[tuple[str, Path]]:
    """Imported terminology packs, those of the copied list: what is settled again is translated again."""
    for entry in read_list(staged / folder.packs_path.name):
        path = folder.packs_path / entry.path.name  # never changed in place
        yield f"{folder.packs_path.name}/{path.name}", path


def _write_tar(stream: IO[bytes], contents: dict[str, object], files: list[tuple[str, Path]]) -> None:
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        data = json.dumps(contents, sort_keys=True).encode()
        _add(tar, CONTENTS, len(data), io.BytesIO(data))
        for name, path in files:
            with path.open("rb") as source:
                _add(tar, name, path.stat().st_size, source)


def _add(tar: tarfile.TarFile, name: str, size: int, source: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, source)


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# -- restore ---------------------------------------------------------------------------------------------------


def restore(archive: Path, target: Path, settle: Settle, *, surviving: Path | None = None) -> Restored:
    """Make a data folder in an empty place from a backup, re-settle, and go on with the log or begin another.

    `surviving`: what is left of the old folder: its journal, blobs and last published checkpoint. It must not be
    served, and is marked as moved before the same log goes on here.
    """
    with ExitStack() as held:
        if surviving is not None:
            held.enter_context(lock_folder(surviving))
        _make_empty(target)
        write_durably(
            target / RESTORING, b"a restore has begun here and not ended: remove this folder, restore again\n"
        )
        _unpack(archive, target)
        known = None if surviving is None else _take_surviving(surviving, target)
        return _settle_again(target, settle, known, surviving)


def _settle_again(target: Path, settle: Settle, known: Published | None, surviving: Path | None) -> Restored:
    folder = DataFolder(target, restoring=True)
    if folder.outbound_path.exists():
        rewind(folder.outbound_path)
    if known is not None:
        write_durably(folder.published, known.text.encode())
    last = read_published(folder.published)
    with closing(folder.state(recovering=True)) as state:
        settled = settle(folder, state)
        before = state.log()
        size = None if known is None else known.checkpoint.size
        same = known is not None and state.reaches(known)
        if same and surviving is not None:
            write_durably(surviving / RETIRED, f"moved to {target.name}\n".encode())  # first: never two live logs
            state.resume()
            origin = before.origin
        else:
            origin = state.renew(_last_of(state, last)).origin
        records = state.size()
    (target / RESTORING).unlink()
    sync_folder(target)
    return Restored(
        settled, records, same, origin, before.origin, size, _say(same, size, records, surviving is not None)
    )


def _last_of(state: SqliteState, last: Published | None) -> str:
    """The last checkpoint known of the log that ends: the published one, else the newest that was stored."""
    stored = state.last_checkpoint()
    if last is not None:
        return last.text
    return "" if stored is None else stored[1]


def _say(same: bool, size: int | None, records: int, survivor: bool) -> str:
    if same:
        return f"the same log goes on: the last published checkpoint ({size} records) was reached again"
    if size is not None:
        return (
            f"a new log begins: the last published checkpoint covers {size} records, and the surviving journal"
            f" does not lead to it ({records} records); the new log names it"
        )
    why = "the surviving folder has no published checkpoint" if survivor else "no surviving folder was given"
    return f"a new log begins: {why}, so nobody knows what was published after the backup; it names the last one known"


def _make_empty(target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        raise NotEmpty(f"{target} is not empty: restore only goes into a new or empty folder")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    for name in ("keys", "journal", "blobs"):
        (target / name).mkdir(mode=0o700)


def _unpack(archive: Path, target: Path) -> None:
    """Extract what the manifest names, nothing else, and compare every hash."""
    try:
        with tarfile.open(archive, mode="r:") as tar:
            first = tar.next()
            source = None if first is None or first.name != CONTENTS else tar.extractfile(first)
            if source is None:
                raise BackupError(f"{archive.name} is not a backup of Tabellion")
            contents = json.loads(source.read())
            if contents["format"] > FORMAT:
                raise BackupError(f"{archive.name} was written by a newer release")
            missing = dict(contents["files"])
            while (member := tar.next()) is not None:
                _extract(tar, member, target, missing)
    except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError) as error:
        raise BackupError(f"{archive.name} is damaged or not a backup: {error}") from error
    if missing:
        raise BackupError(f"{archive.name} is damaged: {min(missing)} is missing")
    sync_folder(target)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, missing: dict[str, str]) -> None:
    wanted = missing.pop(member.name, None)
    parts = PurePosixPath(member.name).parts
    if wanted is None or not member.isfile() or ".." in parts or PurePosixPath(member.name).is_absolute():
        raise BackupError(f"the backup holds something that its manifest does not name: {member.name!r}")
    path = target.joinpath(*parts)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is None:
        raise BackupError(f"{member.name} can't be read")
    state = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        while piece := source.read(_PIECE):
            state.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    sync_folder(path.parent)
    if state.hexdigest() != wanted:
        raise BackupError(f"the backup is damaged: {member.name} has another hash than its manifest says")


def _take_surviving(surviving: Path, target: Path) -> Published | None:
    """Journal and blobs of the old folder over those of the backup; its last published checkpoint, if it has one."""
    if (surviving / RETIRED).exists():
        raise LogStopped(f"{surviving} was moved to another place already: the log goes on there")
    namespace = surviving / "keys" / "namespace.key"
    if namespace.exists() and namespace.read_bytes() != (target / "keys" / "namespace.key").read_bytes():
        raise BackupError(f"{surviving} is not the folder that the backup was made of: its namespace is another")
    for path in segments.paths(surviving / "journal"):
        (target / "journal" / path.name).unlink(missing_ok=True)
        with closing(open_reader(path)) as source:
            keep_copy(source, target / "journal" / path.name)
    for name in ("outbound.sqlite", "links.sqlite"):  # they know better than the backup what senders have seen
        if (surviving / name).exists():
            with closing(open_reader(surviving / name)) as source:
                keep_copy(source, target / name)
    blobs = FileBlobs(surviving / "blobs")
    for digest in blobs.digests():
        copy = FileBlobs(target / "blobs").path(digest)
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(blobs.path(digest), copy)
        copy.chmod(0o600)
        sync_file(copy)
        sync_folder(copy.parent)
    return read_published(surviving / "checkpoint")
