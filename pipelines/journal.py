"""The embedded journal: durable before the answer (facts/streaming.md §2; architecture "Storage").

One committer thread, natural group commit: what queued during one fsync is the next transaction. Both threads share
the interpreter lock, so a batch goes to SQLite in few, wide statements: every statement gives the lock away once and
has to win it back from the event loop, and one per message would cost more than the fsync.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import apsw

from pipelines import segments
from pipelines.blobs import FileBlobs
from pipelines.database import DISK_ERRORS, bring_home, open_reader, roll_back, unsound_settings
from pipelines.envelope import Envelope
from pipelines.errors import FolderError, Unavailable
from pipelines.ports import Entry, Kept

Done = Callable[[Kept | Unavailable], None]

INLINE_MAX = 1 << 20  # larger bodies are blobs
SAME_ID_MAX = 64  # a sender that never changes its control id must not make lookups grow
CHUNKS = (64, 16, 4, 1)  # rows per statement
HASH_PIECE = 2047  # hashlib gives the interpreter lock away above this size

_ROW = "(" + ",".join("?" * segments.WIDTH) + ")"
INSERTS = {
    n: f"INSERT INTO entry({segments.COLUMNS}) VALUES " + ",".join([_ROW] * n) for n in CHUNKS
}  # fmt: skip
LOOKUPS = {
    n: "WITH q(i, c, k) AS (VALUES "
    + ",".join(["(?,?,?)"] * n)
    + ") SELECT q.i, e.seq, e.sha256, e.received_at FROM q CROSS JOIN entry e ON e.seq IN (SELECT seq FROM entry"
    f" WHERE channel=q.c AND control_id=q.k ORDER BY seq DESC LIMIT {SAME_ID_MAX})"
    for n in CHUNKS
}


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Sizes in bytes, times in microseconds."""

    segment_size: int = 1 << 30
    dedupe_window: int = 7 * 86_400_000_000
    min_free: int = 256 << 20
    batch_max: int = 1024
    checkpoint_pages: int = 2000


@dataclass(slots=True)
class _Waiting:
    """One queued envelope with its hash and whom to tell; `kept` is filled in before the commit."""

    envelope: Envelope
    sha256: bytes
    done: Done


def digest(body: bytes) -> bytes:
    """SHA-256 without giving the interpreter lock away for messages of usual size."""
    if len(body) > 16 * HASH_PIECE:
        return hashlib.sha256(body).digest()
    state = hashlib.sha256(body[:HASH_PIECE])
    for start in range(HASH_PIECE, len(body), HASH_PIECE):
        state.update(body[start : start + HASH_PIECE])
    return state.digest()


class SqliteJournal:
    """Writer side of the journal; one per process, several processes may append (SQLite's own lock orders them).

    `notify` takes a callable and runs it soon where the callbacks belong (`loop.call_soon_threadsafe`): it is
    called once per committed batch. Without it the callbacks run on the committer's thread.
    """

    def __init__(
        self,
        folder: Path,
        settings: JournalSettings | None = None,
        *,
        notify: Callable[[Callable[[], None]], object] | None = None,
        blobs: FileBlobs | None = None,
        clock: Callable[[], int] = time.time_ns,
        random: Callable[[int], bytes] = os.urandom,
        vfs: str | None = None,
    ) -> None:
        self._folder = folder
        self._settings = settings or JournalSettings()
        self._notify = notify
        self._blobs = blobs or FileBlobs(folder.parent / "blobs")
        self._clock = clock
        self._random = random
        self._vfs = vfs
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._closed = False
        self._failure: str | None = None  # why nothing can be kept now
        self._broken = False  # an fsync failed: what SQLite believes to be on disk may not be
        self._free_checked = 0.0
        self._older: list[apsw.Connection] = []  # closed segments within the dedupe window, newest first
        self._committed = 0
        self._connection = segments.newest(folder, vfs=vfs)
        try:
            self._pages = 0
            self._connection.set_wal_hook(self._count_pages)
            self._open_older()
            self._last = segments.head(self._connection).last
        except DISK_ERRORS as error:
            raise Unavailable(f"journal: {type(error).__name__}: {error}") from error
        self._reader = segments.SegmentReader(folder, vfs=vfs)
        self._thread = Thread(target=self._run, name="journal-committer", daemon=True)
        self._thread.start()

    # -- intake ------------------------------------------------------------------------------------------------

    def submit(self, envelope: Envelope, done: Done) -> None:
        """Queue one envelope; `done` gets `Kept` after COMMIT, or `Unavailable`."""
        if self._closed:
            self._tell([(done, Unavailable("the journal is closed"))])
            return
        self._queue.put(_Waiting(envelope, envelope.digest or digest(envelope.body), done))

    def append(self, envelope: Envelope) -> Future[Kept]:
        """As `submit`, with a future (`asyncio.wrap_future` makes it awaitable)."""
        future: Future[Kept] = Future()
        self.submit(envelope, partial(_resolve, future))
        return future

    @property
    def failure(self) -> str | None:
        """Why nothing can be kept now; None: ready. A disk that has room again is found here, without traffic."""
        full = self._failure is not None and not self._broken and not self._closed
        if full and free_bytes(self._folder) >= self._settings.min_free:
            self._failure = None
        return self._failure

    @property
    def committed(self) -> int:
        """Transactions committed since the start."""
        return self._committed

    def last(self) -> int:
        """The highest seq this process knows committed."""
        return self._last

    def read(self, after: int, limit: int = 256) -> list[Entry]:
        """Entries with seq > `after`; from one thread at a time."""
        return self._reader.read(after, limit)

    def get(self, seq: int) -> Entry | None:
        """One entry."""
        return self._reader.get(seq)

    def settings_in_force(self) -> dict[str, object]:
        """Settings read back from the live connection that are not as they must be."""
        return unsound_settings(self._connection)

    def close(self) -> None:
        """Commit what is queued, stop the thread, close the files."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._reader.close()
        for connection in (*self._older, self._connection):  # the writing one last: it brings the WAL home
            connection.close()

    # -- the committer's thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        open_ = True
        while open_:
            batch, open_ = self._take()
            if batch:
                self._tell(self._keep(batch))
                self._between_batches()

    def _take(self) -> tuple[list[_Waiting], bool]:
        """Block for the first, then take all that queued meanwhile; False: close after this batch."""
        batch: list[_Waiting] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= self._settings.batch_max:
                return batch, True
            try:
                item = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _keep(self, batch: list[_Waiting]) -> list[tuple[Done, Kept | Unavailable]]:
        """One transaction, or `Unavailable` for every waiter of it: a sender must never be left without answer."""
        try:
            self._guard()
            kept = self._transaction(batch)
        except Unavailable as error:
            self._failure = str(error)
            return [(waiting.done, error) for waiting in batch]
        except Exception as error:  # noqa: BLE001 (this thread's one boundary)
            # After a failed write or fsync the kernel may forget the dirty pages and call the next fsync good:
            # only a full disk is safe to go on from. Anything else needs a restart, which reads what is there.
            self._broken = self._broken or not isinstance(error, apsw.FullError | apsw.BusyError)
            self._failure = f"journal: {type(error).__name__}: {error}"
            unavailable = Unavailable(self._failure)
            unavailable.__cause__ = error
            return [(waiting.done, unavailable) for waiting in batch]
        self._failure = None
        self._committed += 1
        return list(zip([waiting.done for waiting in batch], kept, strict=True))

    def _guard(self) -> None:
        """Refuse while the disk is (nearly) full or after a failed write."""
        if self._broken:
            raise Unavailable(self._failure or "journal: a write failed")
        now = time.monotonic()
        if now - self._free_checked < 0.25 and self._failure is None:
            return
        if free_bytes(self._folder) < self._settings.min_free:
            raise Unavailable(f"journal: less than {self._settings.min_free >> 20} MiB free on disk")
        self._free_checked = now

    def _transaction(self, batch: list[_Waiting]) -> list[Kept]:
        for waiting in batch:
            if len(waiting.envelope.body) > INLINE_MAX:
                self._blobs.put(waiting.envelope.body)  # durable before the row that names it
        while True:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                head = segments.head(self._connection)
                if not head.closed:
                    kept, rows = self._rows(batch, head.last + 1)
                    in_chunks(self._connection, INSERTS, rows)
                    self._connection.execute("COMMIT")
                    self._last = head.last + len(rows)
                    return kept
            except BaseException:
                roll_back(self._connection)
                raise
            roll_back(self._connection)  # another process closed this segment: go on in the next
            self._reopen()

    def _rows(self, batch: list[_Waiting], seq: int) -> tuple[list[Kept], list[segments.Row]]:
        """Answers in batch order, and the rows to insert."""
        known = self._known(batch)
        seeds = self._random(32 * len(batch))
        now = self._clock() // 1000
        kept: list[Kept] = []
        rows: list[segments.Row] = []
        for place, (envelope, sha256) in enumerate((waiting.envelope, waiting.sha256) for waiting in batch):
            received = envelope.received_at or now
            same: list[tuple[int, bytes, int]] = []
            if envelope.control_id:
                same = known.setdefault((envelope.channel, envelope.control_id), [])
            since = received - self._settings.dedupe_window
            first = next((row[0] for row in same if row[1] == sha256 and row[2] >= since), None)
            if first is not None:
                kept.append(Kept(first, "repeated"))
                continue
            changed = any(row[2] >= since for row in same)
            kept.append(Kept(seq, "changed" if changed else "kept"))
            same.append((seq, sha256, received))
            inline = not envelope.digest and len(envelope.body) <= INLINE_MAX
            body, blob = (envelope.body, 0) if inline else (None, 1)
            size = envelope.size if envelope.digest else len(envelope.body)
            facts = json.dumps(dict(envelope.facts), ensure_ascii=False) if envelope.facts else "{}"
            entry = (seq, envelope.kind, envelope.channel, envelope.format, envelope.control_id, sha256, received)
            seed = seeds[32 * place : 32 * place + 32]
            rows.append((*entry, envelope.peer, facts, size, seed, int(changed), blob, body))
            seq += 1
        return kept, rows

    def _known(self, batch: list[_Waiting]) -> dict[tuple[str, bytes], list[tuple[int, bytes, int]]]:
        """(seq, sha256, received_at) of entries with the same channel and control id, over the window's segments."""
        asked = list(
            {
                (waiting.envelope.channel, waiting.envelope.control_id)
                for waiting in batch
                if waiting.envelope.control_id
            }
        )
        known: dict[tuple[str, bytes], list[tuple[int, bytes, int]]] = {}
        rows = [(place, channel, control_id) for place, (channel, control_id) in enumerate(asked)]
        for connection in (self._connection, *self._older):
            for place, seq, sha256, received in in_chunks(connection, LOOKUPS, rows):
                known.setdefault(asked[place], []).append((seq, sha256, received))
        return known

    # -- between batches ---------------------------------------------------------------------------------------

    def _between_batches(self) -> None:
        """Checkpoint and roll, on this connection only; a failure here shows at the next commit."""
        if self._pages < self._settings.checkpoint_pages or self._failure is not None:
            return
        try:
            bring_home(self._connection)
            self._pages = 0
            size = self._connection.pragma("page_count") * self._connection.pragma("page_size")
            if size >= self._settings.segment_size:
                segments.mark_closed(self._connection)
                self._reopen()
        except (FolderError, Unavailable, *DISK_ERRORS) as error:
            self._broken = not isinstance(error, apsw.FullError | apsw.BusyError)
            self._failure = f"journal: {type(error).__name__}: {error}"

    def _count_pages(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        return 0

    def _reopen(self) -> None:
        """Go on in the newest segment; if it can't be made now, the closed one stays open and the next batch tries."""
        before, self._connection = self._connection, segments.newest(self._folder, vfs=self._vfs)
        before.close()
        self._connection.set_wal_hook(self._count_pages)
        self._pages = 0
        self._open_older()

    def _open_older(self) -> None:
        """Closed segments that reach into the dedupe window."""
        for connection in self._older:
            connection.close()
        self._older = []
        since = self._clock() // 1000 - self._settings.dedupe_window
        for path in reversed(segments.paths(self._folder)[:-1]):
            connection = open_reader(path, vfs=self._vfs)
            newest = connection.execute("SELECT received_at FROM entry ORDER BY seq DESC LIMIT 1").get
            if newest is None or newest < since:
                connection.close()
                break
            self._older.append(connection)

    def _tell(self, answers: list[tuple[Done, Kept | Unavailable]]) -> None:
        if self._notify is None:
            _call_all(answers)
            return
        try:
            self._notify(partial(_call_all, answers))
        except RuntimeError:  # the loop is closed: nobody waits any more, and what is kept is kept
            self._closed = True


def in_chunks(
    connection: apsw.Connection, statements: dict[int, str], rows: Sequence[segments.Row]
) -> list[segments.Row]:
    """Run the widest statements that fit over all rows; what they return, together."""
    found: list[segments.Row] = []
    start = 0
    for width in CHUNKS:
        while len(rows) - start >= width:
            flat = [value for row in rows[start : start + width] for value in row]
            found += connection.execute(statements[width], flat)
            start += width
    return found


def free_bytes(folder: Path) -> int:
    """Free for us on the disk of that folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _call_all(answers: list[tuple[Done, Kept | Unavailable]]) -> None:
    for done, answer in answers:
        done(answer)


def _resolve(future: Future[Kept], answer: Kept | Unavailable) -> None:
    if isinstance(answer, Kept):
        future.set_result(answer)
    else:
        future.set_exception(answer)
