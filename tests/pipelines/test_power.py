"""A power cut at any moment: what was answered is there, what was published is not forked (toolchain: power safety)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import apsw
import pytest

from pipelines import doctor
from pipelines.datafolder import DataFolder, init_folder
from pipelines.envelope import Envelope
from pipelines.errors import LogStopped
from pipelines.journal import JournalSettings, SqliteJournal
from pipelines.ports import Kept
from pipelines.state import SqliteState
from tests.support.power import Disk
from tests.support.store import batch_of, envelope

CUTS = 20  # per run and store; the moments differ by seed, which the test's name shows


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    """A disk of its own per test."""
    made = Disk(f"power-{request.node.name}")
    yield made
    made.close()


def journal_run(
    disk: Disk, folder: Path, cuts: Path, seed: int, operations: int
) -> list[tuple[Path, dict[int, Envelope]]]:
    """Append in bursts; at `CUTS` random operations note what a power cut leaves, and what had been answered."""
    rng = random.Random(seed)
    moments = set(rng.sample(range(1, operations), CUTS))
    answered: dict[int, Envelope] = {}
    taken: list[tuple[Path, dict[int, Envelope]]] = []

    def at(operation: int) -> None:
        if operation in moments:
            target = cuts / f"cut{operation}"
            disk.cut(folder, target, rng)
            taken.append((target, dict(answered)))

    disk.on_operation = at
    settings = JournalSettings(segment_size=96 << 10, checkpoint_pages=20, min_free=0)
    journal = SqliteJournal(folder / "journal", settings, vfs=disk.name)
    number = 0
    while disk.operations < operations:
        futures: list[Future[Kept]] = []
        for _ in range(rng.choice([1, 1, 3, 20])):
            value = envelope(number, rng.randbytes(rng.choice([10, 700, 6000])))
            number += 1
            futures.append(journal.append(value))
            futures[-1].add_done_callback(partial(_note, answered, value))  # runs before the next transaction
        for future in futures:
            future.result(30)
    disk.on_operation = None
    journal.close()
    return taken


def _note(answered: dict[int, Envelope], value: Envelope, future: Future[Kept]) -> None:
    answered[future.result().seq] = value


@pytest.mark.parametrize("seed", range(1, 7))
def test_every_answered_message_survives(tmp_path: Path, disk: Disk, seed: int) -> None:
    folder = tmp_path / "data"
    (folder / "journal").mkdir(parents=True)
    taken = journal_run(disk, folder, tmp_path, seed, 400)
    assert len(taken) == CUTS
    assert any(answered for _, answered in taken)
    for cut, answered in taken:
        journal = SqliteJournal(cut / "journal", JournalSettings(min_free=0))
        entries = {entry.seq: entry for entry in journal.read(0, 100_000)}
        for seq, value in answered.items():
            assert (entries[seq].body, entries[seq].control_id) == (value.body, value.control_id)
        assert sorted(entries) == list(range(1, len(entries) + 1))
        assert journal.append(envelope(1_000_000)).result(10) == Kept(len(entries) + 1, "kept")
        journal.close()


def test_a_disk_that_lies_about_sync_is_found_out(tmp_path: Path, disk: Disk) -> None:
    """The test above can fail: without sync answered messages are lost."""
    folder = tmp_path / "data"
    (folder / "journal").mkdir(parents=True)
    disk.lying = True
    lost = 0
    for cut, answered in journal_run(disk, folder, tmp_path, 4, 300):
        try:
            journal = SqliteJournal(cut / "journal", JournalSettings(min_free=0))
        except Exception:  # noqa: BLE001 (whatever is left of the files)
            lost += 1
            continue
        lost += len(journal.read(0, 100_000)) < len(answered)
        journal.close()
    assert lost


def state_run(disk: Disk, folder: DataFolder, cuts: Path, seed: int) -> list[tuple[Path, int]]:
    """Commit batches; at random operations note what a power cut leaves, and which size had been committed."""
    rng = random.Random(seed)
    moments = set(rng.sample(range(1, 500), CUTS))
    committed = [0]
    taken: list[tuple[Path, int]] = []

    def at(operation: int) -> None:
        if operation in moments:
            target = cuts / f"cut{operation}"
            disk.cut(folder.path, target, rng)
            taken.append((target, committed[0]))

    disk.on_operation = at
    state = SqliteState(folder.state_path, folder.keystore, folder.published, vfs=disk.name)
    seq = 1
    while disk.operations < 500:
        entries = rng.choice([1, 1, 4, 30])
        committed[0] = state.commit(batch_of(seq, entries)).size
        seq += entries
        if rng.random() < 0.1:
            state.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    disk.on_operation = None
    state.close()
    return taken


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_commit_survives_and_the_log_goes_on(tmp_path: Path, disk: Disk, seed: int) -> None:
    folder = init_folder(tmp_path / "data")
    taken = state_run(disk, folder, tmp_path, seed)
    assert len(taken) == CUTS
    for cut, committed in taken:
        after = DataFolder(cut)
        state = after.state()  # LogStopped, if the database were behind its published checkpoint
        size = state.size()
        assert size >= committed
        assert state.commit(batch_of(state.cursor() + 1, 2)).first == size
        state.close()
        for check in ("tree", "checkpoints", "seals"):
            doctor.CHECKS[check](after)


def test_a_state_that_was_not_synced_is_found_out(tmp_path: Path, disk: Disk) -> None:
    """The guard works: a database that lost what was published stops."""
    folder = init_folder(tmp_path / "data")
    disk.lying = True
    stopped = 0
    for cut, committed in state_run(disk, folder, tmp_path, 5):
        try:
            state = DataFolder(cut).state()
        except Exception as error:  # noqa: BLE001 (whatever is left of the files)
            stopped += isinstance(error, LogStopped)
            continue
        assert state.size() >= committed
        state.close()
    assert stopped
