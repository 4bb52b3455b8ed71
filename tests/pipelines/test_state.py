"""The embedded State beyond the contract: the log that never forks, keys, settings, one writer."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ledger
from pipelines.datafolder import DataFolder, init_folder, open_folder
from pipelines.errors import FolderError, InUse, LogStopped, NewerVersion, NotEmpty, PipelineError, Unavailable
from pipelines.ports import Batch, Hold
from pipelines.state import SqliteState
from tests.support.store import batch_of, outcome, record, settled

NAME = "fhir.default.observation.v1"


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return init_folder(tmp_path / "data")


def leaves(state: SqliteState) -> list[tuple[object, ...]]:
    return list(state.connection.execute("SELECT leaf FROM record ORDER BY seq"))


def test_the_tree_is_a_function_of_the_entries_not_of_the_batches(tmp_path: Path) -> None:
    """Two logs with other keys and other batches: the same leaves, the same root."""
    roots = []
    for name, sizes in (("a", [1, 5, 2, 4]), ("b", [12])):
        state = init_folder(tmp_path / name).state()
        seq = 1
        for size in sizes:
            state.commit(batch_of(seq, size))
            seq += size
        roots.append((ledger.root(state.connection, 24), leaves(state)))
        state.close()
    assert roots[0] == roots[1]


def test_each_commit_publishes_its_checkpoint(folder: DataFolder) -> None:
    state = folder.state()
    made = state.commit(batch_of(1, 3))
    assert folder.published.read_text() == made.checkpoint
    checkpoint, note = ledger.parse_checkpoint(made.checkpoint.encode())
    note.check(folder.keystore.signer(1).vkey)
    assert (checkpoint.size, checkpoint.root) == (6, ledger.root(state.connection, 6))
    assert checkpoint.origin == state.log().origin
    state.close()


def test_a_database_behind_its_published_checkpoint_stops(folder: DataFolder, tmp_path: Path) -> None:
    state = folder.state()
    state.commit(batch_of(1, 3))
    state.close()
    shutil.copyfile(folder.state_path, tmp_path / "old.sqlite")
    state = folder.state()
    state.commit(batch_of(4, 3))
    state.close()
    shutil.copyfile(tmp_path / "old.sqlite", folder.state_path)
    with pytest.raises(LogStopped, match="restore"):
        folder.state()


def test_a_database_with_another_past_than_was_published_stops(folder: DataFolder, tmp_path: Path) -> None:
    state = folder.state()
    state.commit(batch_of(1, 3))
    state.close()
    shutil.copyfile(folder.state_path, tmp_path / "old.sqlite")
    published = folder.published.read_text()
    state = folder.state()
    state.commit(batch_of(4, 3))
    newer = folder.published.read_text()
    state.close()
    shutil.copyfile(tmp_path / "old.sqlite", folder.state_path)
    folder.published.write_text(published)
    state = folder.state()
    state.commit(batch_of(5, 6))  # another history
    state.close()
    folder.published.write_text(newer)
    with pytest.raises(LogStopped, match="another root"):
        folder.state()


def test_a_crash_before_publishing_is_made_good_at_the_next_start(folder: DataFolder) -> None:
    state = folder.state()
    state.commit(batch_of(1, 3))
    older = folder.published.read_text()
    newer = state.commit(batch_of(4, 3)).checkpoint
    state.close()
    folder.published.write_text(older)
    topics = folder.topics()
    assert [message.offset for message in topics.read(NAME, 0)] == list(range(6))  # not yet released: unseen
    folder.state().close()
    assert folder.published.read_text() == newer
    assert len(topics.read(NAME, 0)) == 12
    topics.close()


def test_a_second_writer_stops(folder: DataFolder) -> None:
    one, two = folder.state(), folder.state()
    one.commit(batch_of(1, 1))
    with pytest.raises(LogStopped):
        two.commit(batch_of(2, 1))
    one.close()
    two.close()


def test_durable_settings_are_in_force_on_the_live_connection(folder: DataFolder) -> None:
    state = folder.state()
    live = state.connection
    assert (live.pragma("synchronous"), live.pragma("journal_mode"), live.pragma("wal_autocheckpoint")) == (2, "wal", 0)
    assert state.settings_in_force() == {}
    state.close()


def test_a_full_disk_fails_the_batch_and_only_it(folder: DataFolder) -> None:
    state = folder.state()
    state.commit(batch_of(1, 1))
    live = state.connection
    live.execute(f"PRAGMA max_page_count={live.pragma('page_count')}")
    with pytest.raises(Unavailable, match="FullError"):
        state.commit(batch_of(2, 200, 10))
    live.execute("PRAGMA max_page_count=1073741823")
    assert state.failure is None
    assert (state.cursor(), state.size()) == (1, 2)
    assert state.commit(batch_of(2, 3)).size == 8
    state.close()


def test_versions_are_chained_and_entries_know_their_records(folder: DataFolder) -> None:
    state = folder.state()
    state.commit(settled(1, [record(1, 1), record(1, 1, version=2, op="update"), record(1, 2)]))
    state.commit(settled(2, [record(2, 1, version=3, op="update")]))
    chain = [state.record(seq) for seq in range(4)]
    assert [one.previous for one in chain if one is not None] == [None, 0, None, 1]
    assert [one.seq for one in state.records_of(1)] == [0, 1, 2]
    state.close()


def test_record_keys_open_with_the_patients_key_only(folder: DataFolder) -> None:
    state = folder.state()
    state.commit(settled(1, [record(1, 1, patient="p1"), record(1, 2, patient="p2"), record(1, 3, patient=None)]))
    one, two, nobody = (state.record(seq) for seq in range(3))
    assert one is not None
    assert two is not None
    assert nobody is not None
    for stored in (one, two, nobody):
        key = folder.keystore.open_record_key(stored.patient, stored.patient_key or b"", stored.key or b"")
        header = ledger.Header(stored.type, stored.id, "1", "default")
        assert ledger.check_seal(key, header, stored.body or b"", stored.leaf)
    with pytest.raises(ledger.WrapError):
        folder.keystore.open_record_key("p1", one.patient_key or b"", two.key or b"")
    assert nobody.patient is None
    state.close()


def test_a_reader_beside_the_writer_sees_committed_batches(folder: DataFolder) -> None:
    state = folder.state()
    reader = folder.state_reader()
    assert reader.size() == 0
    state.commit(batch_of(1, 2))
    assert (reader.size(), reader.cursor()) == (4, 2)
    counts = reader.counts(folder.topics().released())
    assert (counts.settled, counts.records, counts.log_size, counts.released) == (2, 4, 4, 4)
    reader.close()
    state.close()


def test_a_missing_or_open_key_is_named(folder: DataFolder) -> None:
    key = folder.path / "keys" / "log-000001.key"
    key.chmod(0o644)
    with pytest.raises(ledger.KeyFileError, match="0600"):
        folder.state()
    key.unlink()
    with pytest.raises(ledger.KeyFileError, match="log-000001"):
        folder.state()


# -- the folder


def test_a_folder_is_private_and_whole(folder: DataFolder) -> None:
    modes = {path.relative_to(folder.path).as_posix(): path.stat().st_mode & 0o777 for path in folder.path.rglob("*")}
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert {modes[name] for name in ("keys", "journal", "blobs")} == {0o700}
    assert {modes[f"keys/{name}"] for name in ("master.key", "namespace.key", "log-000001.key")} == {0o600}
    assert modes["state.sqlite"] == modes["tabellion.json"] == 0o600


def test_opening_an_empty_folder_makes_one_only_when_asked(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="init"):
        open_folder(tmp_path / "new")
    made = open_folder(tmp_path / "new", create=True)
    assert open_folder(tmp_path / "new").keystore.namespace == made.keystore.namespace
    with pytest.raises(NotEmpty):
        init_folder(tmp_path / "new")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(NotEmpty):
        open_folder(tmp_path / "other", create=True)


def test_two_folders_share_no_secret(tmp_path: Path) -> None:
    one, two = init_folder(tmp_path / "a"), init_folder(tmp_path / "b")
    assert one.keystore.namespace != two.keystore.namespace
    assert one.keystore.master != two.keystore.master
    assert one.state_reader().log().origin != two.state_reader().log().origin


def test_one_service_per_folder(folder: DataFolder) -> None:
    with folder.lock():
        with pytest.raises(InUse, match="served by another process"), folder.lock():
            pass
        assert folder.journal_reader().last() == 0
    with folder.lock():
        pass


def test_a_newer_layout_or_schema_is_refused(folder: DataFolder) -> None:
    connection = apsw.Connection(str(folder.state_path))
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(NewerVersion):
        folder.state()
    (folder.path / "tabellion.json").write_text('{"version": 99, "tenant": "a", "institution": "b"}')
    with pytest.raises(NewerVersion):
        open_folder(folder.path)
    (folder.path / "tabellion.json").write_text("{")
    with pytest.raises(FolderError, match="damaged"):
        open_folder(folder.path)


@given(st.one_of(st.binary(max_size=200), st.just(b'{"version": "1", "tenant": "a", "institution": "b"}')))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_in_the_small_files_are_our_error(folder: DataFolder, content: bytes) -> None:
    for name in ("checkpoint", "keys/namespace.key", "keys/master.key", "keys/log-000001.key", "tabellion.json"):
        path = folder.path / name
        before = path.read_bytes() if path.exists() else None
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises((PipelineError, ledger.LedgerError)):
            open_folder(folder.path).state().close()
        path.unlink()
        if before is not None:
            path.write_bytes(before)
            path.chmod(0o600)
    open_folder(folder.path).state().close()


def test_a_published_checkpoint_of_another_key_stops(folder: DataFolder, tmp_path: Path) -> None:
    state = folder.state()
    state.commit(batch_of(1, 1))
    origin, size = state.log().origin, state.size()
    root = ledger.root(state.connection, size)
    state.close()
    other = ledger.create_signing_key(tmp_path / "other.key", origin)
    folder.published.write_bytes(ledger.sign_checkpoint(ledger.Checkpoint(origin, size, root), other))
    with pytest.raises(LogStopped, match="signed"):
        folder.state()


def test_parts_of_what_waits_for_a_patient_are_needed(tmp_path: Path) -> None:
    with closing(init_folder(tmp_path).state()) as state:
        held = replace(outcome(3, "held"), detail=b'{"parts":[2,3]}')
        state.commit(Batch(3, (outcome(1), outcome(2, "joined"), held), holds=(Hold(3, ("p1",)),)))
        assert state.first_part() == 2
        state.commit(Batch(3, (replace(held, status="settled"),), freed=(3,)))
        assert state.first_part() is None
