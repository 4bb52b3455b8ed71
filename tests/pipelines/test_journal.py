"""The embedded journal beyond the contract: segments, several processes, failing disks, settings."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from pipelines import segments
from pipelines.datafolder import DataFolder, init_folder
from pipelines.envelope import Envelope
from pipelines.errors import NewerVersion, Unavailable
from pipelines.journal import HASH_PIECE, JournalSettings, SqliteJournal, digest
from pipelines.ports import Batch, Hold, Kept
from tests.support.store import T0, envelope, outcome

SMALL = JournalSettings(segment_size=64 << 10, checkpoint_pages=4, min_free=0)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return init_folder(tmp_path / "data")


def fill(journal: SqliteJournal, first: int, count: int, size: int = 4000) -> None:
    """Keep `count` messages one after another, each a transaction."""
    for number in range(first, first + count):
        assert journal.append(envelope(number, b"%d " % number * (size // 5))).result(10).status == "kept"


def test_segments_are_rolled_by_size_and_numbered_on(folder: DataFolder) -> None:
    journal = folder.journal(SMALL)
    fill(journal, 0, 60)
    paths = segments.paths(folder.journal_path)
    assert [path.name for path in paths[:2]] == ["000001.sqlite", "000002.sqlite"]
    assert len(paths) > 2
    assert [entry.seq for entry in journal.read(0, 1000)] == list(range(1, 61))
    assert [entry.seq for entry in journal.read(37, 5)] == [38, 39, 40, 41, 42]
    found = journal.get(45)
    assert found is not None
    assert found.control_id == b"ID44"
    journal.close()


def test_duplicates_are_found_across_segments_and_restarts(folder: DataFolder) -> None:
    journal = SqliteJournal(folder.journal_path, SMALL, clock=lambda: T0 * 1000)
    fill(journal, 0, 60)
    again = envelope(0, b"0 " * 800)
    assert journal.append(again).result(10) == Kept(1, "repeated")
    journal.close()
    journal = SqliteJournal(folder.journal_path, SMALL, clock=lambda: T0 * 1000)
    assert journal.append(again).result(10) == Kept(1, "repeated")
    assert journal.append(envelope(0, b"other")).result(10) == Kept(61, "changed")
    journal.close()


def test_dropping_takes_whole_closed_segments_only(folder: DataFolder) -> None:
    journal = folder.journal(SMALL)
    fill(journal, 0, 60)
    paths = segments.paths(folder.journal_path)
    reader = folder.journal_reader()
    second = reader.read(0, 1000)[0].seq
    assert second == 1
    assert segments.drop_before(folder.journal_path, 1) == []
    assert segments.drop_before(folder.journal_path, 10_000) == [path.name for path in paths[:-1]]
    kept = reader.read(0, 1000)
    assert kept[0].seq == reader.first() > 1
    assert kept[-1].seq == 60
    assert journal.append(envelope(60)).result(10) == Kept(61, "kept")
    reader.close()
    journal.close()


@pytest.mark.parametrize("left", [b"", None])
def test_a_segment_that_a_crash_left_half_made_goes_on_in_order(folder: DataFolder, left: bytes | None) -> None:
    journal = folder.journal(SMALL)
    fill(journal, 0, 5)
    connection = segments.newest(folder.journal_path)
    segments.mark_closed(connection)
    connection.close()
    journal.close()
    half = folder.journal_path / "000002.sqlite"
    if left is None:
        connection = apsw.Connection(str(half))
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
    else:
        half.write_bytes(left)
    reader = folder.journal_reader()
    assert [entry.seq for entry in reader.read(0, 100)] == [1, 2, 3, 4, 5]
    journal = folder.journal(SMALL)
    assert journal.append(envelope(50)).result(10) == Kept(6, "kept")
    assert [entry.seq for entry in reader.read(0, 100)] == [1, 2, 3, 4, 5, 6]
    assert len(segments.paths(folder.journal_path)) == 2
    reader.close()
    journal.close()


def test_retention_keeps_what_is_not_settled_or_on_hold(folder: DataFolder) -> None:
    journal = folder.journal(SMALL)
    fill(journal, 0, 60)
    count = len(segments.paths(folder.journal_path))
    assert count > 3
    assert folder.drop_segments(T0 + 1000) == []  # nothing is settled yet
    state = folder.state()
    state.commit(Batch(60, (outcome(25, "held"),), holds=(Hold(25, ("p1",)),)))
    assert folder.drop_segments(T0) == []  # nothing is that old
    assert folder.drop_segments(T0 + 1000)
    assert journal.get(25) is not None
    assert journal.get(1) is None
    state.commit(Batch(60, (outcome(25),), freed=(25,)))
    assert len(folder.drop_segments(T0 + 1000)) + 1 < count
    assert len(segments.paths(folder.journal_path)) == 1
    state.close()
    journal.close()


def test_a_reader_follows_a_running_writer_over_segments(folder: DataFolder) -> None:
    reader = folder.journal_reader()
    assert (reader.read(0, 10), reader.last()) == ([], 0)
    journal = folder.journal(SMALL)
    seen = 0
    for start in range(0, 60, 7):
        fill(journal, start, 7)
        got = reader.read(seen, 100)
        assert [entry.seq for entry in got] == list(range(seen + 1, start + 8))
        seen = got[-1].seq
    assert reader.last() == seen
    assert [entry.seq for entry in reader.find(None, b"ID3")] == [4]
    reader.close()
    journal.close()


APPEND = """
import sys
from pathlib import Path
from pipelines.datafolder import open_folder
from pipelines.envelope import Envelope
from pipelines.journal import JournalSettings
journal = open_folder(Path(sys.argv[1])).journal(JournalSettings(segment_size=64 << 10, checkpoint_pages=4, min_free=0))
for number in range(int(sys.argv[2])):
    print(journal.append(Envelope("", "action", b"{}" * 2000, b"", 1, kind="action")).result(10).seq, flush=True)
    sys.stdin.readline()
journal.close()
"""


def test_another_process_appends_while_this_one_writes_and_rolls(folder: DataFolder) -> None:
    journal = folder.journal(SMALL)
    command = [sys.executable, "-c", APPEND, str(folder.path), "6"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        theirs = []
        for turn in range(6):
            theirs.append(int(other.stdout.readline()))
            fill(journal, turn * 12, 12)
            other.stdin.write("\n")
            other.stdin.flush()
        assert other.wait(10) == 0
    entries = journal.read(0, 1000)
    assert [entry.seq for entry in entries] == list(range(1, 6 * 13 + 1))
    assert [entry.seq for entry in entries if entry.kind == "action"] == theirs
    assert len(segments.paths(folder.journal_path)) > 2
    journal.close()


def test_callbacks_of_a_batch_come_in_one_call_on_the_loop(folder: DataFolder) -> None:
    async def run() -> tuple[int, int, list[int]]:
        loop = asyncio.get_running_loop()
        calls = 0
        answers: list[int] = []
        ready = asyncio.Event()

        def notify(run_all: Callable[[], None]) -> None:
            nonlocal calls
            calls += 1
            loop.call_soon_threadsafe(run_all)

        journal = folder.journal(notify=notify)

        def done(answer: Kept | Unavailable) -> None:
            assert asyncio.get_running_loop() is loop
            assert isinstance(answer, Kept)
            answers.append(answer.seq)
            if len(answers) == 300:
                ready.set()

        for number in range(300):
            journal.submit(envelope(number), done)
        await asyncio.wait_for(ready.wait(), 10)
        committed = journal.committed
        await asyncio.to_thread(journal.close)
        return calls, committed, answers

    calls, committed, answers = asyncio.run(run())
    assert calls == committed < 300
    assert answers == list(range(1, 301))


def test_durable_settings_are_in_force_on_the_live_connection(folder: DataFolder) -> None:
    journal = folder.journal()
    assert journal.settings_in_force() == {}
    live = journal._connection  # the connection that commits: nothing else can tell what is in force
    assert (live.pragma("synchronous"), live.pragma("journal_mode"), live.pragma("wal_autocheckpoint")) == (2, "wal", 0)
    live.execute("PRAGMA synchronous=NORMAL")
    assert journal.settings_in_force() == {"synchronous": 1}
    journal.close()


def test_a_full_disk_refuses_and_recovers(folder: DataFolder) -> None:
    journal = folder.journal(JournalSettings(min_free=0))
    fill(journal, 0, 3)
    live = journal._connection
    live.execute(f"PRAGMA max_page_count={live.pragma('page_count')}")
    futures = [journal.append(envelope(1000 + number, bytes(5000))) for number in range(100)]
    assert {str(future.exception(10)) for future in futures} == {"journal: FullError: database or disk is full"}
    live.execute("PRAGMA max_page_count=1073741823")
    last = journal.last()
    assert journal.append(envelope(9999)).result(10) == Kept(last + 1, "kept")
    assert journal.failure is None
    journal.close()


def test_too_little_free_space_refuses_before_the_disk_is_full(folder: DataFolder) -> None:
    journal = folder.journal(JournalSettings(min_free=1 << 60))
    with pytest.raises(Unavailable, match="free"):
        journal.append(envelope(1)).result(10)
    assert journal.failure is not None
    assert journal.last() == 0
    journal.close()


class FailingDisk(apsw.VFS):
    """Syncs fail from a given moment on; a sync that failed once succeeds the next time, as Linux has it."""

    def __init__(self) -> None:
        self.fail_next = False
        super().__init__("failing", "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return FailingFile(self, name, flags)


class FailingFile(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        super().__init__("unix", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.fail_next:
            self._disk.fail_next = False
            raise apsw.IOError("the disk is gone")
        super().xSync(flags)


def test_a_failed_sync_refuses_all_waiters_and_everything_after_it(folder: DataFolder) -> None:
    disk = FailingDisk()
    journal = SqliteJournal(folder.journal_path, JournalSettings(min_free=0), vfs="failing")
    fill(journal, 0, 2)
    disk.fail_next = True
    futures = [journal.append(envelope(100 + number)) for number in range(5)]
    assert {type(future.exception(10)) for future in futures} == {Unavailable}
    with pytest.raises(Unavailable):  # the next sync would succeed, but what it covers is unknown
        journal.append(envelope(200)).result(10)
    assert journal.failure is not None
    journal.close()
    disk.unregister()
    journal = folder.journal(JournalSettings(min_free=0))
    assert journal.append(envelope(200)).result(10).status == "kept"
    journal.close()


def test_a_newer_segment_is_refused(folder: DataFolder) -> None:
    folder.journal().close()
    path = segments.paths(folder.journal_path)[-1]
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(NewerVersion, match="99"):
        folder.journal()


def test_a_sender_that_never_changes_its_control_id_stays_fast(folder: DataFolder) -> None:
    journal = folder.journal(JournalSettings(min_free=0))
    futures = [journal.append(Envelope("a", "hl7v2", b"%d" % number, b"SAME", T0 + number)) for number in range(3000)]
    assert {future.result(30).status for future in futures[1:]} == {"changed"}
    assert journal.append(Envelope("a", "hl7v2", b"2999", b"SAME", T0)).result(10) == Kept(3000, "repeated")
    journal.close()


@pytest.mark.parametrize("size", [0, 1, HASH_PIECE, HASH_PIECE + 1, 3 * HASH_PIECE, 16 * HASH_PIECE + 1])
def test_the_hash_is_sha256_whatever_the_pieces(size: int) -> None:
    assert digest(b"x" * size) == hashlib.sha256(b"x" * size).digest()
