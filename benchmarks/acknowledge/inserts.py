"""The bare durable insert: the same bodies into one SQLite table, `synchronous=FULL`, commits of as many as wait.

No socket, no second thread, no index but the row number: what the disk and SQLite give to anyone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import apsw

__all__ = ["insert_rate"]


def insert_rate(folder: Path, bodies: Sequence[bytes], group: int, seconds: float) -> float:
    """Bodies per second in commits of `group`."""
    connection = apsw.Connection(str(folder / f"bare-{group}.sqlite"))
    connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE entry(seq INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, body BLOB NOT NULL) STRICT")
    begun = time.perf_counter()
    count = commits = 0
    while time.perf_counter() - begun < seconds:
        rows = [bodies[(count + place) % len(bodies)] for place in range(group)]
        with connection:
            connection.executemany(
                "INSERT INTO entry(sha256, body) VALUES (?,?)", [(sha256(body).digest(), body) for body in rows]
            )
        count += group
        commits += 1
        if commits % 64 == 0:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    rate = count / (time.perf_counter() - begun)
    connection.close()
    return rate
