"""The outbound queue: messages of ours on their way to other systems, in an SQLite file of its own (ADR 17).

The writer puts a message into State in the transaction of what it speaks of. The queue takes it over from there, in a
transaction of its own with the place up to which it has come, and is from then on what counts: each message waits,
is sent, and is sent again, until it is accepted, refused or given up. Whatever dies when, a message is at least once
delivered, always with the same control id, by which its receiver knows it again.

waiting → delivered · refused (answered AR, CR, AE) · expired (nobody took it in time); parked = waiting for a
connection of its receiver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.database import DISK_ERRORS, bring_home, open_reader, open_writer, schema_version
from pipelines.errors import Unavailable
from pipelines.ports import Outbound

__all__ = ["BACKOFF", "MIGRATIONS", "OutboundQueue", "Queued", "Result", "rewind", "taken_over"]

BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)  # seconds before the next attempt
ACCEPTED = ("CA", "AA")
LATER = ("CE",)  # "commit error": the receiver could not store it now
_PAGES = 1000

MIGRATIONS = (
    """
    CREATE TABLE place(upto INTEGER NOT NULL); -- last id taken over from State
    INSERT INTO place VALUES (0);
    CREATE TABLE message(
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        control_id BLOB NOT NULL UNIQUE, entry INTEGER NOT NULL, channel TEXT NOT NULL,
        sender BLOB NOT NULL, peer TEXT NOT NULL, body BLOB NOT NULL, created_at INTEGER NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER NOT NULL, ended_at INTEGER, code TEXT NOT NULL
    ) STRICT;
    CREATE INDEX message_due ON message(state, next_at);
    CREATE INDEX message_parked ON message(sender, channel) WHERE state='parked';
    """,
)
# the same acknowledgement once more: of a copy of the message (another entry) it is sent again
_TAKE = (
    "INSERT INTO message(control_id, entry, channel, sender, peer, body, created_at, state, attempts, next_at, code)"
    " VALUES (?,?,?,?,?,?,?,'waiting',0,0,'') ON CONFLICT(control_id) DO UPDATE SET state='waiting', next_at=0,"
    " attempts=0, peer=excluded.peer, entry=excluded.entry WHERE excluded.entry<>message.entry"
)


@dataclass(frozen=True, slots=True)
class Queued:
    """One message on its way."""

    id: int
    channel: str
    control_id: bytes
    sender: bytes
    peer: str
    body: bytes
    created_at: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an attempt: MSA-1 of the answer, '' none came; `parked`: there is no connection to send it over."""

    id: int
    code: str = ""
    parked: bool = False

    def state(self) -> str:
        """What the message is now."""
        if self.parked:
            return "parked"
        if self.code in ACCEPTED:
            return "delivered"
        return "waiting" if not self.code or self.code in LATER else "refused"


class OutboundQueue:
    """One process, one thread at a time. Times in microseconds."""

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        self._connection = open_writer(path, MIGRATIONS, vfs=vfs)
        self._pages = 0
        self._connection.set_wal_hook(self._count_pages)
        with self._change():  # who had a connection before has none now that we know of
            self._connection.execute("UPDATE message SET state='waiting', next_at=0 WHERE state='parked'")

    def place(self) -> int:
        """Last id taken over from State."""
        return int(str(self._connection.execute("SELECT upto FROM place").get))

    def advance(self, taken: Sequence[tuple[int, Outbound]], results: Sequence[Result], now: int) -> None:
        """One transaction: what attempts came to, and what State has new."""
        if not taken and not results:
            return
        with self._change():
            for result in results:
                self._record(result, now)
            self._connection.executemany(_TAKE, [_row(message) for _, message in taken])
            if taken:
                self._connection.execute("UPDATE place SET upto=?", (taken[-1][0],))
        if self._pages >= _PAGES:
            bring_home(self._connection)
            self._pages = 0

    def _record(self, result: Result, now: int) -> None:
        state = result.state()
        ended = now if state in ("delivered", "refused") else None
        self._connection.execute(
            "UPDATE message SET state=?, code=?, ended_at=?, attempts=attempts+?, next_at=?+1000000*"
            + _BACKOFF_SQL
            + " WHERE id=?",
            (state, result.code, ended, 0 if result.parked else 1, now, result.id),
        )

    def due(self, now: int, limit: int) -> list[Queued]:
        """Waiting messages whose time has come, oldest first."""
        query = (
            "SELECT id, channel, control_id, sender, peer, body, created_at, attempts FROM message"
            " WHERE state='waiting' AND next_at<=? ORDER BY id LIMIT ?"
        )
        return [Queued(*row) for row in self._connection.execute(query, (now, limit))]

    def unpark(self, parties: Iterable[tuple[str, bytes]]) -> None:
        """(channel, sender) that have a connection again."""
        with self._change():
            for channel, sender in parties:
                self._connection.execute(
                    "UPDATE message SET state='waiting', next_at=0 WHERE state='parked' AND channel=? AND sender=?",
                    (channel, sender),
                )

    def again(self, control_ids: Iterable[bytes]) -> None:
        """Their messages were sent again, so that their acknowledgements were lost or not seen: send them again."""
        with self._change():
            self._connection.executemany(
                "UPDATE message SET state='waiting', next_at=0, attempts=0 WHERE control_id=? AND state<>'waiting'",
                [(control_id,) for control_id in control_ids],
            )

    def expire(self, channel: str, created_before: int, now: int) -> int:
        """Give up what has waited too long; how many."""
        before = self._connection.total_changes()
        with self._change():
            self._connection.execute(
                "UPDATE message SET state='expired', ended_at=? WHERE state IN ('waiting', 'parked') AND channel=?"
                " AND created_at<?",
                (now, channel, created_before),
            )
        return self._connection.total_changes() - before

    def forget(self, ended_before: int) -> None:
        """Remove what ended long ago. Until then it can be sent again, and is known as sent."""
        with self._change():
            self._connection.execute(
                "DELETE FROM message WHERE state IN ('delivered', 'refused', 'expired') AND ended_at<?",
                (ended_before,),
            )

    def counts(self) -> list[tuple[str, str, int, int]]:
        """(channel, state, messages, oldest created_at) of those that are still on their way."""
        query = (
            "SELECT channel, state, count(*), min(created_at) FROM message WHERE state IN ('waiting', 'parked')"
            " GROUP BY channel, state"
        )
        return [
            (str(row[0]), str(row[1]), int(str(row[2])), int(str(row[3]))) for row in self._connection.execute(query)
        ]

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One transaction; Unavailable: nothing of it happened."""
        try:
            with self._connection:
                yield
        except DISK_ERRORS as error:
            raise Unavailable(f"outbound: {type(error).__name__}: {error}") from error

    def _count_pages(self, _connection: object, _name: str, pages: int) -> int:
        self._pages = pages
        return 0

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


_BACKOFF_SQL = (
    "CASE attempts "
    + " ".join(f"WHEN {n} THEN {seconds:g}" for n, seconds in enumerate(BACKOFF))
    + f" ELSE {BACKOFF[-1]:g} END"
)


def _row(message: Outbound) -> tuple[object, ...]:
    whose = (message.control_id, message.entry, message.channel, message.sender, message.peer)
    return (*whose, message.body, message.created_at)


def taken_over(path: Path) -> int:
    """Up to which id of State the queue has come; 0 if there is none."""
    if not path.exists():
        return 0
    with closing(open_reader(path)) as connection:
        return int(str(connection.execute("SELECT upto FROM place").get)) if schema_version(connection) else 0


def rewind(path: Path) -> None:
    """After a restore State numbers anew: look at all of it again. What is known as sent stays known."""
    connection = open_writer(path, MIGRATIONS)
    connection.execute("UPDATE place SET upto=0")
    connection.close()
