"""The embedded State: one SQLite file, one writer, `commit(batch)` is one transaction (architecture: "Storage").

Order of durability in `commit`: rows, leaves, nodes and the signed checkpoint become durable together at COMMIT; only
then is the checkpoint published (fsynced beside the database), and only what a published checkpoint covers is
released. A crash between the two leaves a database ahead of its published checkpoint, which the next start publishes;
a database *behind* it can only have been replaced by an older one, and refuses to go on.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import apsw

import ledger
from pipelines.database import DISK_ERRORS, bring_home, open_writer, roll_back, unsound_settings, write_durably
from pipelines.errors import LogStopped, PipelineError, Unavailable
from pipelines.keystore import Keystore, PatientKeys
from pipelines.ports import GROUPS, Batch, Committed, Record
from pipelines.published import Published, read_published
from pipelines.reads import Log, Row, StateReader
from pipelines.rows import store
from pipelines.schema import MIGRATIONS

PAGE_SIZE = 8192  # a record with its leaf fits one page, an index stays small in the WAL
CHECKPOINT_PAGES = 8192  # WAL pages (64 MiB) before the writer brings them home
_TOPIC = {group: number for number, group in enumerate(GROUPS)}

_RECORD = (
    "INSERT INTO record(seq, type, id, version, op, topic, patient, entry, leaf, key, headers, body, previous)"
    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,"
    " ifnull(?13, (SELECT seq FROM current WHERE id=?3 AND type=?2)))"
)
_CURRENT = (
    "INSERT INTO current(id, type, seq, version, op, patient, digest, registers) VALUES (?,?,?,?,?,?,?,?)"
    " ON CONFLICT(id, type) DO UPDATE SET seq=excluded.seq, version=excluded.version, op=excluded.op,"
    " patient=excluded.patient, digest=excluded.digest, registers=excluded.registers"
)


@lru_cache(maxsize=64)
def _day_text(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()


def day(received_at: int) -> str:
    """The UTC date of a time in microseconds: all of the time that a leaf shows."""
    return _day_text(received_at // 86_400_000_000)


class SqliteState(StateReader):
    """The one writer. `published` is the file of the last published checkpoint.

    `recovering`: while `restore` re-settles, the database is behind its published checkpoint by intent: nothing is
    published until `resume` has proved that the log was reached again, or `renew` has begun another.
    """

    def __init__(
        self,
        path: Path,
        keystore: Keystore,
        published: Path,
        *,
        vfs: str | None = None,
        recovering: bool = False,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(open_writer(path, MIGRATIONS, vfs=vfs, cache_kib=32 * 1024, page_size=PAGE_SIZE))
        self._keystore = keystore
        self._published = published
        self._recovering = recovering
        self._clock = clock
        self._failure: str | None = None
        self._pages = 0
        self._connection.set_wal_hook(self._count_pages)
        try:
            if self._row("SELECT 1 FROM log") is None:
                self._begin_log(0, "")
            self._log = self.log()
            self._signer = keystore.signer(self._log.number)
            self._keys = PatientKeys(self._connection, keystore)
            self._institution = keystore.institution
            self._size = self.size()
            if not recovering:
                self._check_published()
        except DISK_ERRORS as error:
            raise Unavailable(f"state: {type(error).__name__}: {error}") from error
        except BaseException:
            self._connection.close()
            raise

    # -- the log -----------------------------------------------------------------------------------------------

    def _begin_log(self, size: int, previous: str) -> Log:
        number = self._row("SELECT ifnull(max(number), 0) + 1 FROM log")
        names = self._keystore.new_log(number[0] if number else 1)
        found = Log(names.number, names.origin, names.publisher, size, previous)
        self._connection.execute(
            "INSERT INTO log(number, origin, publisher, first_size, previous) VALUES (?,?,?,?,?)",
            (found.number, found.origin, found.publisher, found.first_size, found.previous),
        )
        return found

    def _check_published(self) -> None:
        """Stop rather than fork; publish what a crash kept from being published."""
        last, published = self.last_checkpoint(), read_published(self._published)
        if published is not None:
            self._must_hold(published)
        if last is not None and (published is None or last[1] != published.text):
            self._publish(last[1])

    def _must_hold(self, seen: Published) -> None:
        """LogStopped unless this tree begins with the tree of that checkpoint, signed by this log."""
        checkpoint = seen.checkpoint
        if checkpoint.origin != self._log.origin:
            raise LogStopped(
                f"the last published checkpoint is of the log {checkpoint.origin!r}, not of {self._log.origin!r}"
            )
        try:
            seen.note.check(self._signer.vkey)
        except ledger.Refused as error:
            raise LogStopped("the last published checkpoint is not signed by this log's key") from error
        if checkpoint.size > self._size:
            raise LogStopped(
                f"the database holds {self._size} records, but a checkpoint of {checkpoint.size} was published: going"
                " on would fork the log. This database is older than its folder: use `tabellion restore`."
            )
        if ledger.root(self._connection, checkpoint.size) != checkpoint.root:
            raise LogStopped(f"the tree of the first {checkpoint.size} records has another root than was published")

    def reaches(self, published: Published) -> bool:
        """Whether this tree begins with the tree of that checkpoint of this log."""
        try:
            self._must_hold(published)
        except LogStopped:
            return False
        return True

    def resume(self) -> None:
        """End of recovery: the published checkpoint was reached again, the same log goes on."""
        self._check_published()
        self._recovering = False

    def renew(self, previous: str) -> Log:
        """End of recovery: another log begins (new origin, new publisher) that names the last checkpoint before it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._log = self._begin_log(self._size, previous)
            self._signer = self._keystore.signer(self._log.number)
            text = self._sign(ledger.root(self._connection, self._size)) if self._size else ""
            self._connection.execute("COMMIT")
        except BaseException:
            roll_back(self._connection)
            raise
        self._recovering = False
        if text:
            self._publish(text)
        else:
            self._published.unlink(missing_ok=True)
        return self._log

    def _sign(self, root: bytes) -> str:
        """Sign a checkpoint over all leaves, inside the transaction that stores it."""
        signed = ledger.Checkpoint(self._log.origin, self._size, root)
        text = ledger.sign_checkpoint(signed, self._signer).decode()
        self._connection.execute(
            "INSERT INTO batch(log, size, checkpoint) VALUES (?,?,?)", (self._log.number, self._size, text)
        )
        return text

    def _publish(self, text: str) -> None:
        if not self._recovering:
            write_durably(self._published, text.encode())

    # -- the commit point --------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> Committed:
        """One transaction; after an error nothing of the batch is stored, or the state must be opened anew."""
        if self._failure is not None:
            raise Unavailable(self._failure)
        first = self._size
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._alone()
                store(self._connection, batch, self.cursor())
                text = self._seal(batch)
                self._connection.execute("COMMIT")
            except BaseException:
                roll_back(self._connection)
                self._size = first
                self._keys.forget_new()
                raise
            self._keys.keep_new()
            if text is not None:
                self._publish(text)
            self._between_batches()
        except DISK_ERRORS as error:
            if not isinstance(error, apsw.FullError | apsw.BusyError):
                self._failure = f"state: {type(error).__name__}: {error}"  # see journal: not safe to go on from
            raise Unavailable(f"state: {type(error).__name__}: {error}") from error
        return Committed(first, len(batch.records), self._size, text or "")

    def _alone(self) -> None:
        """Another writer on the same file would make two logs out of one."""
        row = self._row("SELECT max(seq) FROM record")
        if row is not None and (-1 if row[0] is None else row[0]) != self._size - 1:
            raise LogStopped("another process has written to the state database")

    def _seal(self, batch: Batch) -> str | None:
        """Records, leaves, nodes and the checkpoint over them; None: no records, no new checkpoint."""
        if not batch.records:
            return None
        sources = {
            outcome.entry.seq: (outcome.entry.seed, day(outcome.entry.received_at)) for outcome in batch.outcomes
        }
        leaves: list[bytes] = []
        rows: list[Row] = []
        newest: dict[tuple[str, str], Row] = {}
        seq = self._size
        for record in batch.records:
            seed, date = _source(sources, record)
            header = ledger.Header(record.type, record.id, str(record.version), self._institution)
            seal = ledger.seal(seed, header, record.group, date, record.body)
            patient, key = self._keys.wrap(record.patient, seal.record_key)
            leaves.append(seal.leaf_hash)
            headers = json.dumps(dict(record.headers), sort_keys=True) if record.headers else "{}"
            before = newest.get((record.id, record.type))
            whose = (
                seq,
                record.type,
                record.id,
                record.version,
                record.op,
                _TOPIC[record.group],
                patient,
                record.entry,
            )
            rows.append((*whose, seal.leaf, key, headers, record.body, None if before is None else before[2]))
            digest = hashlib.sha256(record.body).digest()
            newest[record.id, record.type] = (
                *(record.id, record.type, seq, record.version, record.op, patient, digest, record.registers),
            )
            seq += 1
        self._connection.executemany(_RECORD, rows)
        self._connection.executemany(_CURRENT, newest.values())
        self._size = seq
        return self._sign(ledger.append(self._connection, leaves).root)

    def forget_outbound(self, upto: int) -> None:
        """Messages of ours that the queue has taken over (id <= `upto`) need not stand here, too."""
        if self._row("SELECT 1 FROM outbound WHERE id<=?", (upto,)) is not None:
            self._connection.execute("DELETE FROM outbound WHERE id<=?", (upto,))

    # -- between batches ---------------------------------------------------------------------------------------

    def _between_batches(self) -> None:
        """Bring the WAL home, on this connection only."""
        if self._pages >= CHECKPOINT_PAGES:
            bring_home(self._connection)
            self._pages = 0

    def _count_pages(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        return 0

    @property
    def failure(self) -> str | None:
        """Why nothing can be committed any more; None: ready."""
        return self._failure

    def settings_in_force(self) -> dict[str, object]:
        """Settings read back from the live connection that are not as they must be."""
        return unsound_settings(self._connection)


def _source(sources: dict[int, tuple[bytes, str]], record: Record) -> tuple[bytes, str]:
    """Seed and date of the entry that a record comes from."""
    found = sources.get(record.entry)
    if found is None:
        raise PipelineError(f"{record.type} of entry {record.entry} without an outcome in its batch")
    return found
