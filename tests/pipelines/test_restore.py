"""Restore with the real writer: settling the surviving journal anew leads to the very log that was published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import ledger
from adapters.hl7v2 import read, units
from pipelines import doctor
from pipelines.backup import back_up, restore
from pipelines.configuration import load
from pipelines.datafolder import DataFolder, init_folder, open_folder
from pipelines.envelope import Envelope
from pipelines.ports import Message
from pipelines.settings import Settings
from pipelines.state import SqliteState
from pipelines.writer import settle_all
from tests.support.store import T0

Settle = Callable[[DataFolder, SqliteState], int]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One channel that takes our samples, whose MSH-11 says T."""
    path = tmp_path / "tabellion.toml"
    path.write_text('[service]\nproduction = false\n[channels.demo]\nformat = "hl7v2"\nprocessing_ids = ["P", "T"]\n')
    return load(path, {})


@pytest.fixture
def settle(settings: Settings) -> Settle:
    return lambda folder, state: settle_all(folder, state, settings)


def keep_and_settle(folder: DataFolder, files: list[Path], settle: Settle) -> None:
    journal = folder.journal()
    for path in files:
        for unit in units(path.read_bytes()):
            if unit.kind == "message":
                control_id = read(unit.body).control_id.encode()
                journal.append(Envelope("demo", "hl7v2", unit.body, control_id, T0 + journal.last())).result(30)
    journal.close()
    state = folder.state()
    settle(folder, state)
    state.close()


def published(folder: DataFolder) -> list[Message]:
    topics = folder.topics()
    found = topics.read_all(-1, 100_000)
    topics.close()
    return found


def test_the_journal_settled_anew_reaches_the_published_log(samples: Path, settle: Settle, tmp_path: Path) -> None:
    files = sorted((samples / "hl7v2").glob("*.hl7"))
    folder = init_folder(tmp_path / "old")
    keep_and_settle(folder, files[:9], settle)
    back_up(folder, tmp_path / "b.tar")
    keep_and_settle(folder, files[9:], settle)
    before = published(folder)
    assert len(before) > 100
    key = str(folder.keystore.signer(1).vkey)
    folder.state_path.unlink()
    done = restore(tmp_path / "b.tar", tmp_path / "new", settle, surviving=folder.path)
    assert (done.same_log, done.published_size, done.records) == (True, len(before), len(before))
    new = open_folder(tmp_path / "new")
    after = published(new)
    assert [(one.topic, one.key, one.value) for one in after] == [(one.topic, one.key, one.value) for one in before]
    assert [one.headers["ce_id"] for one in after] == [one.headers["ce_id"] for one in before]
    assert [one.headers["ce_fingerprint"] for one in after] == [one.headers["ce_fingerprint"] for one in before]
    for message in (*before, *after):
        receipt = message.headers["tabellion-receipt"].encode()
        assert ledger.verify_record(message.value or b"", receipt, key).valid
    assert doctor.first_fault(new) is None


def test_without_its_last_messages_a_new_log_begins(samples: Path, settle: Settle, tmp_path: Path) -> None:
    files = sorted((samples / "hl7v2").glob("*.hl7"))
    folder = init_folder(tmp_path / "old")
    keep_and_settle(folder, files[:9], settle)
    back_up(folder, tmp_path / "b.tar")
    held = published(folder)
    keep_and_settle(folder, files[9:12], settle)
    last = folder.published.read_text()
    for path in folder.journal_path.iterdir():
        path.unlink()
    done = restore(tmp_path / "b.tar", tmp_path / "new", settle, surviving=folder.path)
    assert not done.same_log
    new = open_folder(tmp_path / "new")
    assert new.state_reader().log().previous == last
    assert [one.value for one in published(new)] == [one.value for one in held]
    keep_and_settle(new, files[9:12], settle)  # the senders send again what was lost
    assert len({one.headers["ce_id"] for one in published(new)}) == len(published(new)) > len(held)
    key = str(new.keystore.signer(2).vkey)
    for message in published(new):
        assert ledger.verify_record(message.value or b"", message.headers["tabellion-receipt"].encode(), key).valid
    assert doctor.first_fault(new) is None


def test_registers_that_say_something_else_than_the_record_are_found(
    samples: Path, settle: Settle, tmp_path: Path
) -> None:
    folder = init_folder(tmp_path / "data")
    keep_and_settle(folder, sorted((samples / "hl7v2").glob("*.hl7"))[:9], settle)
    assert doctor.CHECKS["registers"](folder) > 20
    state = folder.state()
    row = "SELECT id FROM current WHERE type='Patient' AND instr(registers, 'birthDate')>0 LIMIT 1"
    state.connection.execute(
        f"UPDATE current SET registers=CAST(replace(CAST(registers AS TEXT), '-0', '-1') AS BLOB) WHERE id=({row})"
    )
    assert state.connection.changes() == 1
    state.close()
    fault = doctor.first_fault(folder)
    assert fault is not None
    assert fault.check == "registers"
