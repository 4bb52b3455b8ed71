"""Numbers of the last messages accepted, per link of the sequence number protocol, in an SQLite file of their own."""

from __future__ import annotations

from pathlib import Path

from adapters.hl7v2.mllp import Link
from pipelines.database import DISK_ERRORS, bring_home, open_writer
from pipelines.errors import Unavailable

__all__ = ["MIGRATIONS", "Links"]

_MOST = 100_000  # links: names come from senders, and what they name must not grow without bound
_TIDY = 500  # writes between checkpoints

MIGRATIONS = (
    "CREATE TABLE link(channel TEXT NOT NULL, parties BLOB NOT NULL, last INTEGER, mark BLOB NOT NULL,"
    " PRIMARY KEY (channel, parties)) STRICT;",
)
_WRITE = (
    "INSERT INTO link(channel, parties, last, mark) SELECT ?1, ?2, ?3, ?4 WHERE (SELECT count(*) FROM link) < ?5"
    " OR EXISTS (SELECT 1 FROM link WHERE channel=?1 AND parties=?2)"
    " ON CONFLICT(channel, parties) DO UPDATE SET last=excluded.last, mark=excluded.mark"
)


class Links:
    """One process, one thread."""

    def __init__(self, path: Path) -> None:
        self._connection = open_writer(path, MIGRATIONS)
        self._writes = 0

    def read(self) -> dict[tuple[str, bytes], Link]:
        """All of them."""
        rows = self._connection.execute("SELECT channel, parties, last, mark FROM link")
        return {(str(row[0]), bytes(row[1])): Link(row[2], bytes(row[3])) for row in rows}

    def write(self, key: tuple[str, bytes], link: Link) -> None:
        """Durable on return. Raises Unavailable."""
        try:
            with self._connection:
                self._connection.execute(_WRITE, (*key, link.last, link.mark, _MOST))
                if not self._connection.changes():
                    raise Unavailable(f"links: there are {_MOST} already")
            self._writes += 1
            if self._writes % _TIDY == 0:
                bring_home(self._connection)
        except DISK_ERRORS as error:
            raise Unavailable(f"links: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
