"""Journal segments: SQLite files journal/000001.sqlite…, rolled by size, dropped whole (facts/streaming.md §1).

A segment is closed by a mark inside itself before its successor is made, so that a second process (a command that
appends an action) can never write into a closed one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from pipelines.database import bring_home, keep_copy, open_reader, open_writer, sync_folder
from pipelines.envelope import NO_FACTS
from pipelines.ports import Entry

_MIGRATIONS = (
    """
    CREATE TABLE segment(first INTEGER NOT NULL, closed INTEGER NOT NULL);
    INSERT INTO segment VALUES ({first}, 0);
    CREATE TABLE entry(
        seq INTEGER PRIMARY KEY,
        kind TEXT NOT NULL, channel TEXT NOT NULL, format TEXT NOT NULL,
        control_id BLOB NOT NULL, sha256 BLOB NOT NULL, received_at INTEGER NOT NULL,
        peer TEXT NOT NULL, facts TEXT NOT NULL, size INTEGER NOT NULL,
        seed BLOB NOT NULL, changed INTEGER NOT NULL, blob INTEGER NOT NULL, body BLOB
    );
    CREATE INDEX entry_control ON entry(channel, control_id);
    """,
)


def migrations(first: int) -> tuple[str, ...]:
    """The schema; a segment is made with the seq of its first entry in one transaction, so it never lies about it."""
    return (_MIGRATIONS[0].format(first=first), *_MIGRATIONS[1:])


MIGRATIONS = migrations(1)
COLUMNS = "seq, kind, channel, format, control_id, sha256, received_at, peer, facts, size, seed, changed, blob, body"
WIDTH = 14

Row = tuple[Any, ...]  # one row of a query; its columns are typed by the schema


@dataclass(frozen=True, slots=True)
class Head:
    """State of a segment: seq of its first possible entry, of its last (first - 1: empty), closed or not."""

    first: int
    last: int
    closed: bool


def paths(folder: Path) -> list[Path]:
    """The segment files, oldest first."""
    return sorted(path for path in folder.glob("*.sqlite") if path.stem.isdigit())


def newest(folder: Path, *, vfs: str | None = None) -> apsw.Connection:
    """The open segment for writing; made if there is none or the newest is closed."""
    found = paths(folder)
    if not found:
        return create(folder, 1, 1, vfs=vfs)
    connection = open_writer(found[-1], migrations(_first_of_newest(found, vfs)), vfs=vfs)
    state = head(connection)
    if not state.closed:
        return connection
    connection.close()
    return create(folder, int(found[-1].stem) + 1, state.last + 1, vfs=vfs)


def _first_of_newest(found: list[Path], vfs: str | None) -> int:
    """Where the newest segment begins, if a crash left it without a schema; only read then."""
    if len(found) < 2:
        return 1
    with closing(open_reader(found[-2], vfs=vfs)) as connection:
        return head(connection).last + 1


def create(folder: Path, number: int, first: int, *, vfs: str | None = None) -> apsw.Connection:
    """Make segment `number`, whose first entry will have seq `first`."""
    return open_writer(folder / f"{number:06}.sqlite", migrations(first), vfs=vfs)


def mark_closed(connection: apsw.Connection) -> None:
    """Nothing is appended to this segment any more (durable), by no process."""
    connection.execute("UPDATE segment SET closed=1")
    bring_home(connection)


def head(connection: apsw.Connection) -> Head:
    """Read inside the caller's transaction."""
    row: Row = connection.execute("SELECT first, closed, (SELECT max(seq) FROM entry) FROM segment").get
    first, closed, last = row
    return Head(first, first - 1 if last is None else last, bool(closed))


def to_entry(row: Row) -> Entry:
    """One row, columns as COLUMNS."""
    seq, kind, channel, form, control, sha256, at, peer, facts, size, seed, changed, blob, body = row
    known = NO_FACTS if facts == "{}" else json.loads(facts)
    return Entry(
        seq, kind, channel, form, control, sha256, at, peer, known, size, body, bool(blob), seed, bool(changed)
    )


class SegmentReader:
    """Reads over all segments with connections of its own, one thread at a time."""

    def __init__(self, folder: Path, *, vfs: str | None = None) -> None:
        self._folder = folder
        self._vfs = vfs
        self._open: dict[Path, apsw.Connection] = {}
        self._firsts: dict[Path, int] = {}

    def _known(self) -> list[Path]:
        """Segments, oldest first; dropped ones are forgotten, new ones opened."""
        found = paths(self._folder)
        for path in [path for path in self._open if path not in found]:
            self._open.pop(path).close()
            self._firsts.pop(path, None)
        for path in found:
            if path in self._open:
                continue
            connection = open_reader(path, vfs=self._vfs)
            try:
                self._firsts[path] = head(connection).first
            except apsw.SQLError:  # being made this very moment by the writer: not there yet
                connection.close()
                break
            self._open[path] = connection
        return [path for path in found if path in self._open]

    def connections(self) -> list[apsw.Connection]:
        """One connection per segment, oldest first."""
        return [self._open[path] for path in self._known()]

    def _from(self, seq: int) -> Iterator[apsw.Connection]:
        """Segments that may hold entries with seq >= `seq`, oldest first."""
        known = self._known()
        start = 0
        for place, path in enumerate(known):
            if self._firsts[path] <= seq:
                start = place
        for path in known[start:]:
            yield self._open[path]

    def read(self, after: int, limit: int) -> list[Entry]:
        """Entries with seq > `after`, in order."""
        found: list[Entry] = []
        query = f"SELECT {COLUMNS} FROM entry WHERE seq>? ORDER BY seq LIMIT ?"
        for connection in self._from(after + 1):
            found += [to_entry(row) for row in connection.execute(query, (after, limit - len(found)))]
            if len(found) >= limit:
                break
        return found

    def get(self, seq: int) -> Entry | None:
        """One entry, or None."""
        for connection in self._from(seq):
            row = connection.execute(f"SELECT {COLUMNS} FROM entry WHERE seq=?", (seq,)).get
            return None if row is None else to_entry(row)
        return None

    def find(self, channel: str | None, control_id: bytes, limit: int = 64) -> list[Entry]:
        """Entries with this control id (of one channel, or of all), newest first."""
        found: list[Entry] = []
        where = "control_id=?" if channel is None else "control_id=? AND channel=?"
        values: tuple[object, ...] = (control_id,) if channel is None else (control_id, channel)
        for connection in reversed(self.connections()):
            query = f"SELECT {COLUMNS} FROM entry WHERE {where} ORDER BY seq DESC LIMIT ?"
            found += [to_entry(row) for row in connection.execute(query, (*values, limit - len(found)))]
            if len(found) >= limit:
                break
        return found

    def last(self) -> int:
        """The highest seq (0: empty)."""
        known = self.connections()
        return head(known[-1]).last if known else 0

    def first(self) -> int:
        """The seq of the oldest entry that can still be held."""
        known = self._known()
        return self._firsts[known[0]] if known else 1

    def close(self) -> None:
        """Close all connections."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()


def drop_before(folder: Path, seq: int, received_before: int | None = None) -> list[str]:
    """Remove closed segments, oldest first, whose entries all lie below `seq` (and before a time, microseconds)."""
    gone: list[str] = []
    for path in paths(folder)[:-1]:
        with closing(open_reader(path)) as connection:
            state = head(connection)
            (newest,) = next(iter(connection.execute("SELECT max(received_at) FROM entry")))
        late = received_before is not None and newest is not None and int(str(newest)) >= received_before
        if not state.closed or state.last >= seq or late:
            break
        for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            name.unlink(missing_ok=True)
        gone.append(path.name)
    if gone:
        sync_folder(folder)
    return gone


def copy_all(folder: Path, target: Path) -> list[Path]:
    """Online copies of every segment, oldest first: a prefix of the journal as of some moment in the call."""
    made: list[Path] = []
    for path in paths(folder):
        connection = open_reader(path)
        keep_copy(connection, target / path.name)
        connection.close()
        made.append(target / path.name)
    return made
