"""Backup and restore: both ends of a log, a backup under load, and archives that nobody should trust."""

from __future__ import annotations

import io
import random
import shutil
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import ledger
from pipelines import doctor
from pipelines.backup import back_up, restore
from pipelines.datafolder import DataFolder, init_folder, open_folder
from pipelines.envelope import Envelope
from pipelines.errors import BackupError, FolderError, InUse, LogStopped, NotEmpty
from pipelines.journal import JournalSettings
from pipelines.ports import Batch, Message
from pipelines.state import SqliteState
from tests.support.store import T0, outcome, record

NAME = "fhir.default.observation.v1"
SMALL = JournalSettings(segment_size=64 << 10, checkpoint_pages=4, min_free=0)


def settle(folder: DataFolder, state: SqliteState, batch: int = 7) -> int:
    """The simplest settling: one record per entry. A function of the journal, as the real one is."""
    reader = folder.journal_reader()
    count = 0
    while entries := reader.read(state.cursor(), batch):
        count += len(entries)
        state.commit(
            Batch(
                entries[-1].seq,
                tuple(replace(outcome(entry.seq), entry=entry) for entry in entries),
                tuple(
                    replace(record(entry.seq, entry.seq, patient=f"p{entry.seq % 5}"), registers=b"")
                    for entry in entries
                ),
            )
        )
    reader.close()
    return count


def keep(folder: DataFolder, first: int, count: int) -> None:
    journal = folder.journal(SMALL)
    futures = [
        journal.append(Envelope("adt", "hl7v2", b"message %d " % number * 100, b"ID%d" % number, T0 + number))
        for number in range(first, first + count)
    ]
    for future in futures:
        future.result(30)
    journal.close()


def keep_and_settle(folder: DataFolder, first: int, count: int, batch: int = 7) -> None:
    keep(folder, first, count)
    state = folder.state()
    settle(folder, state, batch)
    state.close()


def messages(folder: DataFolder) -> list[Message]:
    topics = folder.topics()
    found = topics.read(NAME, 0, 10_000)
    topics.close()
    return found


def verify_all(folder: DataFolder, found: list[Message], number: int = 1) -> None:
    key = str(folder.keystore.signer(number).vkey)
    for message in found:
        verdict = ledger.verify_record(message.value or b"", message.headers["tabellion-receipt"].encode(), key)
        assert verdict.valid, verdict.text


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """Forty messages settled; one body is a blob."""
    made = init_folder(tmp_path / "old")
    keep_and_settle(made, 0, 40)
    made.blobs.put(b"a large body")
    return made


def test_the_same_log_goes_on_when_the_surviving_journal_reaches_what_was_published(
    folder: DataFolder, tmp_path: Path
) -> None:
    back_up(folder, tmp_path / "monday.tar")
    keep_and_settle(folder, 40, 30, batch=4)
    published = messages(folder)
    origin = folder.state_reader().log().origin
    folder.state_path.unlink()  # the disk with the database is gone
    done = restore(tmp_path / "monday.tar", tmp_path / "new", settle, surviving=folder.path)
    assert (done.same_log, done.settled, done.records, done.published_size) == (True, 30, 70, 70)
    assert done.origin == done.previous_origin == origin
    assert "same log" in done.text
    new = open_folder(tmp_path / "new")
    found = messages(new)
    assert [(one.offset, one.value, one.headers["ce_id"]) for one in found] == [
        (one.offset, one.value, one.headers["ce_id"]) for one in published
    ]
    verify_all(new, published)  # what subscribers hold verifies by the key that goes on
    verify_all(new, found)
    assert doctor.first_fault(new) is None
    keep_and_settle(new, 70, 5)
    assert len(messages(new)) == 75
    with pytest.raises(FolderError, match="moved"):
        open_folder(folder.path)
    with pytest.raises(LogStopped, match="moved"):
        restore(tmp_path / "monday.tar", tmp_path / "third", settle, surviving=folder.path)


def test_a_new_log_begins_when_the_surviving_journal_does_not_reach_it(folder: DataFolder, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "monday.tar")
    keep_and_settle(folder, 40, 30)
    last = folder.published.read_text()
    before = folder.state_reader().log()
    shutil.rmtree(folder.journal_path)  # the journal is gone, too; the checkpoint file is left
    done = restore(tmp_path / "monday.tar", tmp_path / "new", settle, surviving=folder.path)
    assert (done.same_log, done.settled, done.records, done.published_size) == (False, 0, 40, 70)
    assert done.previous_origin == before.origin != done.origin
    assert "new log" in done.text
    new = open_folder(tmp_path / "new")
    log = new.state_reader().log()
    assert (log.origin, log.previous, log.number, log.first_size) == (done.origin, last, 2, 40)
    assert log.publisher != before.publisher
    found = messages(new)
    assert len(found) == 40
    verify_all(new, found, number=2)
    assert doctor.first_fault(new) is None
    keep_and_settle(new, 100, 5)
    verify_all(new, messages(new), number=2)
    assert doctor.first_fault(new) is None


def test_without_a_surviving_folder_a_new_log_begins(folder: DataFolder, tmp_path: Path) -> None:
    """Nobody knows what the lost folder published after the backup: going on under its name could fork the log."""
    back_up(folder, tmp_path / "monday.tar")
    held = messages(folder)
    done = restore(tmp_path / "monday.tar", tmp_path / "new", settle)
    assert (done.same_log, done.published_size) == (False, None)
    new = open_folder(tmp_path / "new")
    log = new.state_reader().log()
    assert log.previous == folder.published.read_text()
    assert [one.value for one in messages(new)] == [one.value for one in held]
    verify_all(new, held, number=1)  # the old key is kept: old receipts stay good
    verify_all(new, messages(new), number=2)
    assert next(new.blobs.digests()) == next(folder.blobs.digests())
    assert doctor.first_fault(new) is None
    open_folder(folder.path)  # untouched


def test_what_was_kept_but_not_settled_is_settled_by_restore(folder: DataFolder, tmp_path: Path) -> None:
    keep(folder, 40, 10)
    made = back_up(folder, tmp_path / "b.tar")
    assert (made.cursor, made.records) == (40, 40)
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    assert restore(tmp_path / "b.tar", tmp_path / "new", settle).settled == 10


def test_an_empty_folder_can_be_backed_up(tmp_path: Path) -> None:
    back_up(init_folder(tmp_path / "old"), tmp_path / "b.tar")
    done = restore(tmp_path / "b.tar", tmp_path / "new", settle)
    assert (done.records, done.same_log) == (0, False)
    new = open_folder(tmp_path / "new")
    keep_and_settle(new, 0, 3)
    assert doctor.first_fault(new) is None


def test_a_backup_under_load_is_consistent(folder: DataFolder, tmp_path: Path) -> None:
    stop = threading.Event()

    def work() -> None:
        start = 40
        while not stop.is_set():
            keep_and_settle(folder, start, 10, batch=3)
            start += 10

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(4):
            back_up(folder, tmp_path / f"b{number}.tar")
    finally:
        stop.set()
        worker.join()
    for number in range(4):
        new = tmp_path / f"new{number}"
        restore(tmp_path / f"b{number}.tar", new, settle)
        assert doctor.first_fault(open_folder(new)) is None
    assert not list(tmp_path.glob(".*"))


def test_restore_leaves_a_folder_with_something_in_it_alone(folder: DataFolder, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "b.tar")
    before = sorted(path.name for path in folder.path.iterdir())
    with pytest.raises(NotEmpty):
        restore(tmp_path / "b.tar", folder.path, settle)
    assert sorted(path.name for path in folder.path.iterdir()) == before


def test_a_served_folder_does_not_count_as_surviving(folder: DataFolder, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "b.tar")
    with folder.lock(), pytest.raises(InUse):
        restore(tmp_path / "b.tar", tmp_path / "new", settle, surviving=folder.path)
    with pytest.raises(BackupError, match="namespace"):
        restore(tmp_path / "b.tar", tmp_path / "new", settle, surviving=init_folder(tmp_path / "other").path)


def test_a_restore_that_did_not_end_is_no_data_folder(folder: DataFolder, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "b.tar")

    def interrupted(_folder: DataFolder, _state: SqliteState) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(tmp_path / "b.tar", tmp_path / "new", interrupted)
    with pytest.raises(FolderError, match="restore"):
        open_folder(tmp_path / "new", create=True)


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_backup_is_refused(folder: DataFolder, tmp_path: Path, seed: int) -> None:
    back_up(folder, tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as tar:
        places = [place for member in tar for place in (member.offset_data, member.offset_data + member.size // 2)]
    content = bytearray((tmp_path / "b.tar").read_bytes())
    content[random.Random(seed).choice(places)] ^= 0x10
    (tmp_path / "b.tar").write_bytes(content)
    with pytest.raises(BackupError):
        restore(tmp_path / "b.tar", tmp_path / "new", settle)
    with pytest.raises(FolderError):
        open_folder(tmp_path / "new")


def test_a_cut_off_backup_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "b.tar")
    whole = (tmp_path / "b.tar").read_bytes()
    for number, size in enumerate((0, 100, 5000, len(whole) // 2, len(whole) - 40_000)):
        (tmp_path / "c.tar").write_bytes(whole[:size])
        with pytest.raises(BackupError):
            restore(tmp_path / "c.tar", tmp_path / f"new{number}", settle)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "keys/../../evil", "unnamed"])
def test_nothing_is_written_that_the_manifest_does_not_name(folder: DataFolder, tmp_path: Path, name: str) -> None:
    back_up(folder, tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar", "a") as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(BackupError):
        restore(tmp_path / "b.tar", tmp_path / "new", settle)
    assert not list(tmp_path.rglob("evil"))
