"""The data folder: layout, permissions, lock, creation (docs/operations.md).

tabellion.json     version of the layout, tenant, institution
lock               held by the one `serve`
keys/              secrets, see keystore
journal/           000001.sqlite…, see segments
blobs/             bodies over 1 MiB
state.sqlite       everything settled
checkpoint         the last published checkpoint
outbound.sqlite    messages of ours on their way to other systems
stopped.json       channels that an operator has stopped
links.sqlite       sequence numbers of links that use them
groups.sqlite      offsets of consumer groups on the embedded topics
terminology/       packs that were imported, see docs/terminology.md
packages/          FHIR packages that were added, see docs/fhir.md
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipelines.blobs import FileBlobs
from pipelines.database import sync_folder, write_durably
from pipelines.errors import FolderError, InUse, NewerVersion, NotEmpty
from pipelines.journal import JournalSettings, SqliteJournal
from pipelines.keystore import Keystore
from pipelines.reads import StateReader, read_state
from pipelines.segments import SegmentReader, drop_before
from pipelines.state import SqliteState
from pipelines.topics import EmbeddedTopics

VERSION = 1
MANIFEST = "tabellion.json"
RESTORING = "restoring"  # while this file is there the folder is half restored
RETIRED = "moved"  # the log of this folder goes on in another one


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this folder belongs to; `institution` stands in every leaf and can't be changed later."""

    tenant: str = "default"
    institution: str = "default"


class DataFolder:
    """One tenant's folder; opening an uninitialised one is an error, see `open_folder`."""

    def __init__(self, path: Path, *, restoring: bool = False) -> None:
        self.path = path
        if (path / RESTORING).exists() and not restoring:
            raise FolderError(f"{path}: a restore has not ended here; remove the folder and restore again")
        if (path / RETIRED).exists():
            raise FolderError(f"{path}: a restore has moved this log to another folder; going on here would fork it")
        self.identity = _read_manifest(path)
        self.journal_path = path / "journal"
        self.state_path = path / "state.sqlite"
        self.published = path / "checkpoint"
        self.groups_path = path / "groups.sqlite"
        self.outbound_path = path / "outbound.sqlite"
        self.packs_path = path / "terminology"
        self.packages_path = path / "packages"
        self.links_path = path / "links.sqlite"
        self.stopped_path = path / "stopped.json"
        self.socket_path = path / "control.sock"

    @cached_property
    def keystore(self) -> Keystore:
        """The secrets, loaded once."""
        return Keystore(self.path / "keys", self.identity.tenant, self.identity.institution)

    @property
    def blobs(self) -> FileBlobs:
        """Bodies over 1 MiB."""
        return FileBlobs(self.path / "blobs")

    def journal(
        self,
        settings: JournalSettings | None = None,
        *,
        notify: Callable[[Callable[[], None]], object] | None = None,
    ) -> SqliteJournal:
        """The journal for appending (intake, or a command that appends an action)."""
        return SqliteJournal(self.journal_path, settings, notify=notify, blobs=self.blobs)

    def journal_reader(self) -> SegmentReader:
        """The journal for reading, beside whoever appends."""
        return SegmentReader(self.journal_path)

    def state(self, *, recovering: bool = False) -> SqliteState:
        """The state for the one writer."""
        return SqliteState(self.state_path, self.keystore, self.published, recovering=recovering)

    def state_reader(self) -> StateReader:
        """The state for reading, beside the writer."""
        return read_state(self.state_path)

    def topics(self) -> EmbeddedTopics:
        """The embedded topics, beside the writer."""
        return EmbeddedTopics(self.state_reader(), self.keystore, self.published, self.groups_path)

    def drop_segments(self, received_before: int) -> list[str]:
        """Retention: remove journal segments received before a time (microseconds) that nothing needs any more.

        What is not settled, is on hold or is a part of a message that isn't settled stays, and so does every later
        segment; dead letters of messages that came whole have their own copy.
        """
        with closing(self.state_reader()) as state:
            part = state.first_part()
            needed = [state.cursor() + 1, *state.held(1), *([] if part is None else [part])]
            return drop_before(self.journal_path, min(needed), received_before)

    def lock(self) -> AbstractContextManager[None]:
        """Hold the folder as its one service; InUse if another process does."""
        return lock_folder(self.path)


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Hold a folder for this process, as long as the context lasts or the process lives."""
    descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(f"{path} is served by another process (pid {_pid(descriptor)}): one per data folder") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _pid(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"


def init_folder(path: Path, identity: Identity | None = None) -> DataFolder:
    """Make a data folder in a new or empty place: keys first, the manifest last, so that a half-made one isn't one."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (path / MANIFEST).exists():
        raise NotEmpty(f"{path} is a data folder already")
    if any(
        entry.name not in ("lock", "keys", "journal", "blobs", "terminology", "packages") for entry in path.iterdir()
    ):
        raise NotEmpty(f"{path} is not empty and not a data folder")
    path.chmod(0o700)
    for name in ("keys", "journal", "blobs"):
        (path / name).mkdir(mode=0o700, exist_ok=True)
        (path / name).chmod(0o700)
    Keystore.create(path / "keys")
    write_manifest(path, identity or Identity())
    sync_folder(path.parent)
    folder = DataFolder(path)
    folder.state().close()
    return folder


def open_folder(path: Path, *, create: bool = False) -> DataFolder:
    """An existing data folder; with `create` a new or empty one is initialised with the defaults."""
    if not (path / MANIFEST).exists():
        if create:
            return init_folder(path)
        raise FolderError(f"{path} is not a data folder: `tabellion init --data {path}` makes one, `serve` does, too")
    return DataFolder(path)


def write_manifest(path: Path, identity: Identity) -> None:
    """The mark of a whole data folder."""
    content = {"version": VERSION, "tenant": identity.tenant, "institution": identity.institution}
    write_durably(path / MANIFEST, (json.dumps(content, sort_keys=True, ensure_ascii=False) + "\n").encode())


def _read_manifest(path: Path) -> Identity:
    try:
        content = json.loads((path / MANIFEST).read_bytes())
        version, tenant, institution = content["version"], content["tenant"], content["institution"]
    except FileNotFoundError as error:
        raise FolderError(f"{path} is not a data folder") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FolderError(f"{path / MANIFEST} is damaged") from error
    if type(version) is not int or not isinstance(tenant, str) or not isinstance(institution, str):
        raise FolderError(f"{path / MANIFEST} is damaged")
    if version > VERSION:
        raise NewerVersion(f"{path} has layout version {version}; this release knows up to {VERSION}")
    return Identity(tenant, institution)
