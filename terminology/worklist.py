"""The worklist: codes that a plan names and no map decided, by code and channel, counted in messages.

Codes only: no text, no value and no patient of a message. Each message's codes are kept by its journal entry, so that
a message that is settled again (replay, after a new map was imported) takes its old ones back.
Functions take an open connection and never commit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import apsw

__all__ = ["MIGRATIONS", "Untranslated", "WorklistRow", "note", "read_worklist"]

MIGRATIONS = (
    """
CREATE TABLE untranslated_code(
    number INTEGER PRIMARY KEY,
    system TEXT NOT NULL, code TEXT NOT NULL, target TEXT NOT NULL, status TEXT NOT NULL,
    UNIQUE (system, code, target, status)
) STRICT;
CREATE TABLE untranslated(
    code INTEGER NOT NULL, entry INTEGER NOT NULL, channel TEXT NOT NULL,
    PRIMARY KEY (code, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX untranslated_entry ON untranslated(entry);
""",
)

Untranslated = tuple[str, str, str, str]
"""system, code, target system, status (`decision.STATUSES`)"""

MAX_CODE = 64  # longer is no code


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """One line. `last`: journal entry of the last message."""

    system: str
    code: str
    target: str
    status: str
    channel: str
    messages: int
    last: int


def note(connection: apsw.Connection, entry: int, channel: str, found: Iterable[Untranslated]) -> None:
    """What one message left untranslated, in place of what was noted of it before."""
    connection.execute("DELETE FROM untranslated WHERE entry=?", (entry,))
    for each in found:
        if len(each[1]) > MAX_CODE:
            continue
        connection.execute(
            "INSERT INTO untranslated_code(system, code, target, status) VALUES (?,?,?,?) ON CONFLICT DO NOTHING", each
        )
        connection.execute(
            "INSERT INTO untranslated(code, entry, channel) SELECT number, ?, ? FROM untranslated_code"
            " WHERE system=? AND code=? AND target=? AND status=? ON CONFLICT DO NOTHING",
            (entry, channel, *each),
        )


def read_worklist(connection: apsw.Connection) -> list[WorklistRow]:
    """The most frequent first."""
    rows = connection.execute(
        "SELECT c.system, c.code, c.target, c.status, u.channel, count(*), max(u.entry)"
        " FROM untranslated u JOIN untranslated_code c ON c.number=u.code"
        " GROUP BY u.code, u.channel ORDER BY 6 DESC, 1, 2, 3, 4, 5"
    )
    return [WorklistRow(*row) for row in rows]
