"""Opening and migrating SQLite files."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from pipelines.database import keep_copy, open_reader, open_writer, schema_version, unsound_settings, write_durably
from pipelines.errors import FolderError, NewerVersion, Unavailable

ONE = "CREATE TABLE a(x); INSERT INTO a VALUES (1);"
TWO = "ALTER TABLE a ADD COLUMN y; UPDATE a SET y = x + 1;"


def test_a_new_file_has_durable_settings_and_the_newest_schema(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.sqlite", (ONE, TWO))
    assert unsound_settings(connection) == {}
    assert schema_version(connection) == 2
    assert (tmp_path / "a.sqlite").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.v*"))
    connection.close()


def test_an_older_file_is_migrated_after_a_copy(tmp_path: Path) -> None:
    open_writer(tmp_path / "a.sqlite", (ONE,)).close()
    connection = open_writer(tmp_path / "a.sqlite", (ONE, TWO))
    assert connection.execute("SELECT x, y FROM a").fetchall() == [(1, 2)]
    connection.close()
    copy = apsw.Connection(str(tmp_path / "a.sqlite.v1"))
    assert copy.execute("SELECT * FROM a").fetchall() == [(1,)]
    assert schema_version(copy) == 1
    copy.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    open_writer(tmp_path / "a.sqlite", (ONE,)).close()
    with pytest.raises(apsw.SQLError):
        open_writer(tmp_path / "a.sqlite", (ONE, "ALTER TABLE a ADD COLUMN y; SELECT nonsense;"))
    connection = open_writer(tmp_path / "a.sqlite", (ONE,))
    assert connection.execute("SELECT * FROM a").fetchall() == [(1,)]
    connection.close()


def test_a_newer_file_is_refused_and_untouched(tmp_path: Path) -> None:
    open_writer(tmp_path / "a.sqlite", (ONE, TWO)).close()
    before = (tmp_path / "a.sqlite").read_bytes()
    with pytest.raises(NewerVersion):
        open_writer(tmp_path / "a.sqlite", (ONE,))
    assert (tmp_path / "a.sqlite").read_bytes() == before


def test_what_is_not_a_database_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(Unavailable):
        open_writer(tmp_path / "a.sqlite", (ONE,))
    with pytest.raises(FolderError):
        open_reader(tmp_path / "missing.sqlite")


def test_a_reader_can_not_write(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "a.sqlite", (ONE,))
    reader = open_reader(tmp_path / "a.sqlite")
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("INSERT INTO a VALUES (2)")
    writer.execute("INSERT INTO a VALUES (3)")
    assert reader.execute("SELECT count(*) FROM a").fetchall() == [(2,)]
    reader.close()
    writer.close()


def test_a_copy_is_one_whole_file(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "a.sqlite", (ONE,))
    keep_copy(writer, tmp_path / "b.sqlite")
    writer.close()
    assert sorted(path.name for path in tmp_path.glob("b*")) == ["b.sqlite"]
    copy = apsw.Connection(str(tmp_path / "b.sqlite"))
    assert copy.execute("SELECT * FROM a").fetchall() == [(1,)]
    copy.close()


def test_a_durable_write_replaces_whole_files(tmp_path: Path) -> None:
    write_durably(tmp_path / "f", b"one")
    write_durably(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
