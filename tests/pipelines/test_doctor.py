"""The audit: a sound folder passes, and each kind of damage is named, by the check that must see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from pipelines import doctor
from pipelines.datafolder import DataFolder, init_folder
from pipelines.ports import Batch, DeadLetter, Entry
from pipelines.segments import SegmentReader
from tests.support.store import batch_of, envelope, outcome, record, settled


def settle_plainly(folder: DataFolder, entries: list[Entry]) -> None:
    """One resource per entry, the first of them updated by the last."""
    state = folder.state()
    for entry in entries:
        made = replace(record(entry.seq, entry.seq, patient=f"p{entry.seq % 3}"), registers=b"")
        state.commit(Batch(entry.seq, (replace(outcome(entry.seq), entry=entry),), (made,)))
    state.close()


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """Twenty kept messages, one of them a blob, all settled."""
    made = init_folder(tmp_path / "data")
    journal = made.journal()
    for number in range(20):
        journal.append(envelope(number, b"M" * ((1 << 20) + 1) if number == 7 else None)).result(10)
    settle_plainly(made, journal.read(0, 100))
    journal.close()
    return made


def sql(path: Path, text: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(text)
    connection.close()


def flip(path: Path, found: bytes) -> None:
    """Change one byte on disk, inside the first place that holds `found`."""
    content = bytearray(path.read_bytes())
    place = content.index(found) + len(found) // 2
    content[place] ^= 1
    path.write_bytes(content)


def test_a_sound_folder_passes_every_check(folder: DataFolder) -> None:
    findings = list(doctor.examine(folder))
    assert [(finding.check, finding.fault) for finding in findings] == [(check, None) for check in doctor.CHECKS]
    checked = {finding.check: finding.checked for finding in findings}
    assert (checked["journal"], checked["tree"], checked["seals"], checked["receipts"]) == (20, 20, 20, 20)
    assert checked["checkpoints"] == 20
    assert doctor.first_fault(folder) is None


def test_an_empty_folder_is_sound(tmp_path: Path) -> None:
    assert doctor.first_fault(init_folder(tmp_path / "data")) is None


def test_a_folder_in_use_is_sound(folder: DataFolder) -> None:
    journal, state = folder.journal(), folder.state()
    journal.append(envelope(99)).result(10)
    state.commit(settled(21, [replace(record(21, 21), registers=b"")]))
    assert doctor.first_fault(folder) is None
    journal.close()
    state.close()


SQL_DAMAGE = {
    "a body in the journal": ("journal/000001.sqlite", "UPDATE entry SET body=x'00' WHERE seq=5", "journal", "entry 5"),
    "an entry gone": ("journal/000001.sqlite", "DELETE FROM entry WHERE seq=9", "journal", "entry 9"),
    "the end of the journal gone": ("journal/000001.sqlite", "DELETE FROM entry WHERE seq>15", "state", "ends at 15"),
    "a record's bytes": (
        "state.sqlite",
        "UPDATE record SET body=CAST(replace(CAST(body AS TEXT), 'version', 'Version') AS BLOB) WHERE seq=3",
        "seals",
        "record 3 .*not what was sealed",
    ),
    "a record's version": ("state.sqlite", "UPDATE record SET version=7 WHERE seq=4", "state", "record 4"),
    "a record's key": ("state.sqlite", "UPDATE record SET key=zeroblob(60) WHERE seq=4", "seals", "record 4 .*open"),
    "a record given to another patient": (
        "state.sqlite",
        "UPDATE record SET patient=1 WHERE seq=5",
        "seals",
        "record 5",
    ),
    "a leaf": (
        "state.sqlite",
        "UPDATE record SET leaf=CAST(replace(CAST(leaf AS TEXT), '2025', '2024') AS BLOB) WHERE seq=6",
        "tree",
        "leaf 6",
    ),
    "a node": ("state.sqlite", "UPDATE ledger_node SET hash=zeroblob(32) WHERE position=2", "tree", "level 1"),
    "a record gone": ("state.sqlite", "DELETE FROM record WHERE seq=8", "state", "record 9"),
    "a checkpoint": (
        "state.sqlite",
        "UPDATE batch SET checkpoint=replace(checkpoint, char(10)||9||char(10), char(10)||8||char(10)) WHERE size=9",
        "checkpoints",
        "size 9",
    ),
    "a checkpoint gone": ("state.sqlite", "DELETE FROM batch WHERE size=20", "checkpoints", "covers 19 records of 20"),
    "a current version": ("state.sqlite", "UPDATE current SET version=9 WHERE seq=2", "state", "record 2"),
    "a current digest": ("state.sqlite", "UPDATE current SET digest=zeroblob(32) WHERE seq=2", "seals", "record 2"),
    "a counter": ("state.sqlite", "UPDATE counter SET value=1 WHERE name='settled'", "state", "settled"),
    "an outcome gone": ("state.sqlite", "DELETE FROM entry WHERE seq=2", "state", "entry that has no outcome"),
    "a patient's key": ("state.sqlite", "UPDATE patient SET key=zeroblob(60) WHERE number=2", "keys", "number 2"),
    "an older schema": ("state.sqlite", "PRAGMA user_version=0", "state", "version"),
}


@pytest.mark.parametrize("name", SQL_DAMAGE)
def test_damage_is_named(folder: DataFolder, name: str) -> None:
    file, text, check, said = SQL_DAMAGE[name]
    sql(folder.path / file, text)
    fault = doctor.first_fault(folder)
    assert fault is not None
    assert fault.check == check
    assert re.search(said, fault.fault or ""), fault.fault


def remove_blob(folder: DataFolder) -> None:
    folder.blobs.remove(next(folder.blobs.digests()))


def damage_blob(folder: DataFolder) -> None:
    flip(folder.blobs.path(next(folder.blobs.digests())), b"MMMM")


def open_to_all(folder: DataFolder) -> None:
    (folder.path / "keys" / "master.key").chmod(0o644)


def other_key(folder: DataFolder) -> None:
    other = init_folder(folder.path.parent / "other")
    (folder.path / "keys" / "log-000001.key").write_bytes((other.path / "keys" / "log-000001.key").read_bytes())


def published_damaged(folder: DataFolder) -> None:
    folder.published.write_text(folder.published.read_text().replace("\n20\n", "\n19\n"))


def published_gone(folder: DataFolder) -> None:
    folder.published.unlink()


def not_a_database(folder: DataFolder) -> None:
    folder.state_path.write_bytes(b"x" * 5000)


FILE_DAMAGE: dict[str, tuple[Callable[[DataFolder], None], str]] = {
    "a blob gone": (remove_blob, "journal"),
    "a blob damaged": (damage_blob, "journal"),
    "keys open to all": (open_to_all, "folder"),
    "another log's key": (other_key, "keys"),
    "the published checkpoint changed": (published_damaged, "checkpoints"),
    "the published checkpoint gone": (published_gone, "checkpoints"),
    "a state that is no database": (not_a_database, "keys"),
}


@pytest.mark.parametrize("name", FILE_DAMAGE)
def test_damage_to_files_is_named(folder: DataFolder, name: str) -> None:
    damage, check = FILE_DAMAGE[name]
    damage(folder)
    fault = doctor.first_fault(folder)
    assert fault is not None
    assert (fault.check, bool(fault.fault)) == (check, True)


@pytest.mark.parametrize("found", [b"message 12", b'"c":"', b'"text":"by 7'])
def test_one_flipped_byte_on_disk_is_found(folder: DataFolder, found: bytes) -> None:
    for path in (folder.journal_path / "000001.sqlite", folder.state_path):
        connection = apsw.Connection(str(path))
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.close()
    path = folder.journal_path / "000001.sqlite" if found.startswith(b"message") else folder.state_path
    flip(path, found)
    assert doctor.first_fault(folder) is not None


def test_a_dead_letters_body_is_checked(folder: DataFolder) -> None:
    journal = folder.journal()
    journal.append(envelope(50)).result(10)
    (entry,) = journal.read(20)
    journal.close()
    state = folder.state()
    failed = replace(outcome(21, "dead"), entry=entry)
    state.commit(Batch(21, (failed,), dead_letters=(DeadLetter(21, "x", "", "x"),)))
    state.close()
    assert doctor.first_fault(folder) is None
    sql(folder.state_path, "UPDATE dead_letter SET body=x'00'")
    fault = doctor.first_fault(folder)
    assert fault is not None
    assert "dead letter 21" in (fault.fault or "")


def test_a_large_log_is_audited_in_seconds(tmp_path: Path) -> None:
    made = init_folder(tmp_path / "data")
    state = made.state()
    for start in range(1, 1001, 100):
        state.commit(batch_of(start, 100, 5))
    state.close()
    assert SegmentReader(made.journal_path).last() == 0
    findings = {check: doctor.CHECKS[check](made) for check in ("tree", "checkpoints", "seals", "receipts")}
    assert (findings["tree"], findings["seals"]) == (5000, 5000)
    assert 1000 <= findings["receipts"] <= 1001
