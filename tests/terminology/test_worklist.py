"""The worklist: codes that no map decided, by code and channel; a message that is settled again corrects it."""

from __future__ import annotations

import apsw
import pytest

from terminology import MIGRATIONS, note, read_worklist


@pytest.fixture
def connection() -> apsw.Connection:
    made = apsw.Connection(":memory:")
    for migration in MIGRATIONS:
        made.execute(migration)
    return made


def test_counts_by_code_and_channel(connection: apsw.Connection) -> None:
    one, other = ("s", "a", "t", "ambiguous"), ("s", "b", "t", "no-target")
    note(connection, 1, "north", [one, other])
    note(connection, 2, "north", [one, one])
    note(connection, 3, "south", [one])
    found = [(row.code, row.status, row.channel, row.messages, row.last) for row in read_worklist(connection)]
    assert found == [
        ("a", "ambiguous", "north", 2, 2),
        ("a", "ambiguous", "south", 1, 3),
        ("b", "no-target", "north", 1, 1),
    ]


def test_a_message_settled_again_takes_its_codes_back(connection: apsw.Connection) -> None:
    note(connection, 1, "north", [("s", "a", "t", "unknown")])
    note(connection, 1, "north", [])
    assert read_worklist(connection) == []


def test_what_is_too_long_for_a_code_is_not_kept(connection: apsw.Connection) -> None:
    note(connection, 1, "north", [("s", "x" * 65, "t", "unknown"), ("s", "x" * 64, "t", "unknown")])
    assert [len(row.code) for row in read_worklist(connection)] == [64]


def test_nothing_but_codes_is_in_the_tables(connection: apsw.Connection) -> None:
    columns = [
        row[1]
        for table in ("untranslated_code", "untranslated")
        for row in connection.execute(f"PRAGMA table_info({table})")
    ]
    assert columns == ["number", "system", "code", "target", "status", "code", "entry", "channel"]
