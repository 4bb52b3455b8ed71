"""What operators do: status, find, show, dead letters and replay, with and without a running service."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path

import pytest

import ledger
from pipelines.channels import Channel
from pipelines.datafolder import DataFolder, init_folder
from pipelines.deadletters import expire, letters, replay
from pipelines.envelope import Envelope
from pipelines.errors import NoSuchEntry
from pipelines.messages import find, show, status
from pipelines.metrics import Registry, samples
from pipelines.settings import Settings
from pipelines.statusmetrics import StatusMetrics
from pipelines.writer import settle_all
from tests.pipelines.v2 import adt, oru, pid, visit

DAY = "2026030{}080000+0100"
SETTINGS = Settings(channels={"adt": Channel("adt"), "careful": Channel("careful", error_policy="wait")})
ORDERED = (("short", 1), ("never", 0))
SECRET = "ZZ-MRN-4711"


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return init_folder(tmp_path / "data")


def keep(folder: DataFolder, *bodies: bytes, channel: str = "adt", received_at: int = 0) -> list[int]:
    with closing(folder.journal()) as journal:
        return [
            journal.append(Envelope(channel, "hl7v2", body, body.split(b"|")[9], received_at)).result(10).seq
            for body in bodies
        ]


def settle(folder: DataFolder, settings: Settings = SETTINGS) -> int:
    with closing(folder.state()) as state:
        return settle_all(folder, state, settings)


def test_status_before_and_after(folder: DataFolder) -> None:
    assert status(folder)["backlog"] == 0
    keep(folder, adt("A01", DAY.format(1), pid(), visit(), control_id="C1"), received_at=1)
    keep(folder, adt("A01", DAY.format(1), pid(), visit(), control_id="C2").replace(b"|P|", b"|T|"))
    before = status(folder)
    assert before["backlog"] == 2
    assert before["oldest_seconds"] > 1e9
    assert settle(folder) == 2
    after = status(folder)
    assert {key: after[key] for key in ("backlog", "oldest_seconds", "settled", "dead_letters", "held")} == {
        "backlog": 0,
        "oldest_seconds": 0.0,
        "settled": 1,
        "dead_letters": 1,
        "held": 0,
    }
    assert after["records"] == after["log_size"] == after["released"] > 3
    json.dumps(after)


def test_lag_counts_what_a_group_has_not_read(folder: DataFolder) -> None:
    keep(folder, adt("A01", DAY.format(1), pid(), visit()))
    settle(folder)
    with closing(folder.topics()) as topics:
        topics.commit("g", "fhir.default.patient.v1", 0)
        everything = len(topics.read("fhir.default.patient.v1", 0))
    assert status(folder)["lag"]["fhir.default.patient.v1"] == {"g": everything}
    with closing(folder.topics()) as topics:
        topics.commit("g", "fhir.default.patient.v1", topics.topics()[0].next)
    assert status(folder)["lag"]["fhir.default.patient.v1"] == {"g": 0}


def test_status_as_metrics(folder: DataFolder) -> None:
    registry = Registry()
    metrics = StatusMetrics(registry)
    keep(folder, adt("A01", DAY.format(1), pid(), visit()), received_at=1)
    metrics.observe(folder)
    before = samples(registry.text())
    assert before["tabellion_backlog"] == 1
    assert before["tabellion_oldest_unprocessed_seconds"] > 1e9
    settle(folder)
    with closing(folder.topics()) as topics:
        topics.commit("g", "fhir.default.patient.v1", 0)
    metrics.observe(folder)
    after = samples(registry.text())
    assert after["tabellion_backlog"] == after["tabellion_oldest_unprocessed_seconds"] == 0
    assert after["tabellion_records"] == after["tabellion_released"] > 3
    assert after['tabellion_topic_lag{group="g",topic="fhir.default.patient.v1"}'] > 0


def test_find_by_control_id_patient_and_time(folder: DataFolder) -> None:
    one, two, three = keep(
        folder,
        adt("A01", DAY.format(1), pid(SECRET), visit(), control_id="C1"),
        adt("A08", DAY.format(2), pid(SECRET), visit(), control_id="C2"),
        adt("A01", DAY.format(1), pid("other"), visit("V-9"), control_id="C3"),
    )
    settle(folder)
    (late,) = keep(folder, adt("A08", DAY.format(3), pid(SECRET), visit(), control_id="C4"), received_at=5)
    assert [found.id for found in find(folder, control_id="C2")] == [two]
    assert [found.id for found in find(folder, patient=f" {SECRET.lower()} ")] == [two, one]
    assert [found.id for found in find(folder, patient=SECRET, control_id="C1")] == [one]
    assert find(folder, patient="4711") == []
    assert [found.id for found in find(folder, since=0, limit=2)] == [three, two]
    assert find(folder, until=0) == []
    (waiting,) = find(folder, control_id="C4")
    assert (waiting.id, waiting.status, waiting.type) == (late, "waiting", "")
    assert find(folder, control_id="C4", since=6) == []
    assert find(folder, control_id="C1")[0].type == "ADT^A01^ADT_A01"


def test_no_identifier_is_stored_in_clear_outside_sealed_bodies_and_received_bytes(folder: DataFolder) -> None:
    """The index and all that surrounds it; bodies and received bytes are what the folder is for."""
    keep(folder, adt("A01", DAY.format(1), pid(SECRET, family="ZZCANARY"), visit()))
    settle(folder)
    with closing(folder.state_reader()) as state:
        names = [str(row[0]) for row in state.connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        for name in names:
            columns = [str(row[1]) for row in state.connection.execute(f"PRAGMA table_info({name})")]
            for column in columns:
                if (name, column) in {("record", "body"), ("current", "registers"), ("dead_letter", "body")}:
                    continue
                for (value,) in state.connection.execute(f'SELECT "{column}" FROM "{name}"'):
                    text = value if isinstance(value, bytes) else str(value).encode()
                    assert b"ZZCANARY" not in text
                    assert SECRET.encode() not in text
                    assert hashlib.sha256(SECRET.encode()).digest()[:16] not in text


def test_show_gives_raw_bundle_lineage_and_receipts_that_verify(folder: DataFolder) -> None:
    body = adt("A01", DAY.format(1), pid(), visit())
    (seq,) = keep(folder, body)
    settle(folder)
    shown = show(folder, SETTINGS, seq)
    assert shown.raw == body
    assert shown.same_map
    assert shown.bundle is not None
    assert json.loads(shown.bundle)["type"] == "transaction"
    assert any("PID" in line for line in shown.lineage)
    assert shown.detail["leaves"]["mapped"] > 5
    with closing(folder.state_reader()) as state, closing(folder.topics()) as topics:
        key = str(folder.keystore.signer(state.log().number).vkey)
        assert len(shown.records) == state.size()
        for record in shown.records:
            message = topics.message(record.offset)
            assert message is not None
            assert message.value is not None
            assert record.receipt is not None
            assert ledger.verify_record(message.value, record.receipt, key).valid


def test_show_of_a_waiting_and_a_failed_message(folder: DataFolder) -> None:
    body = adt("A01", DAY.format(1), pid(), visit()).replace(b"|P|", b"|T|")
    (seq,) = keep(folder, body)
    assert show(folder, SETTINGS, seq).found.status == "waiting"
    settle(folder)
    shown = show(folder, SETTINGS, seq)
    assert (shown.found.status, shown.detail["cause"], shown.detail["place"]) == ("dead", "refused", "MSH-11")
    assert shown.raw == body
    assert shown.records == ()
    with pytest.raises(NoSuchEntry):
        show(folder, SETTINGS, 99)


def test_a_dead_letter_is_listed_and_replayed_after_the_fix(folder: DataFolder) -> None:
    body = adt("A01", DAY.format(1), pid(), visit())
    failed = adt("A08", DAY.format(2), pid(birth="19700313"), visit(), control_id="C9").replace(b"|P|", b"|T|")
    keep(folder, body)
    (seq,) = keep(folder, failed)
    settle(folder)
    (letter,) = letters(folder)
    assert (letter.id, letter.control_id, letter.cause, letter.place, letter.attempts) == (
        seq,
        "C9",
        "refused",
        "MSH-11",
        1,
    )
    assert letter.sha256 == hashlib.sha256(failed).hexdigest()
    assert replay(folder, SETTINGS, [seq]).failed == 1
    assert letters(folder)[0].attempts == 2
    newer = adt("A08", DAY.format(3), pid(birth="19700314"), visit(), control_id="C10")
    keep(folder, newer)
    fixed = Settings(channels={"adt": Channel("adt", processing_ids=("P", "T"))})
    done = replay(folder, fixed, [seq])
    assert (done.replayed, done.failed, done.missing, done.freed) == (1, 0, 0, 0)
    assert letters(folder) == []
    assert show(folder, fixed, seq).found.status == "settled"
    with closing(folder.state_reader()) as state:
        (born,) = {
            json.loads(str(state.body(state.current("Patient", id_).seq), "utf-8"))["birthDate"]  # type: ignore[union-attr, arg-type]
            for (id_,) in state.connection.execute("SELECT id FROM current WHERE type='Patient'")
            if isinstance(id_, str)
        }
    assert born == "1970-03-14"  # the replayed message is older than the last


def test_the_dead_letter_has_its_own_copy_of_the_body(folder: DataFolder) -> None:
    failed = adt("A01", DAY.format(1), pid(), visit()).replace(b"|P|", b"|T|")
    (seq,) = keep(folder, failed)
    settle(folder)
    for path in (folder.path / "journal").iterdir():
        path.unlink()
    assert show(folder, SETTINGS, seq).raw == failed


def test_a_dead_letter_goes_when_its_time_is_over_and_frees_who_waited(folder: DataFolder) -> None:
    """Only letters of channels with `error_retention_days`, only old ones; the same message may come again."""
    limits = {name: Channel(name, error_policy="wait", error_retention_days=days) for name, days in ORDERED}
    settings = Settings(channels=limits)
    wrong = adt("A01", DAY.format(1), pid(), visit(), control_id="C1").replace(b"|P|", b"|T|")
    (failed,) = keep(folder, wrong, channel="short", received_at=int(2 * 86_400e6))
    (waits,) = keep(folder, adt("A08", DAY.format(2), pid(), visit(), control_id="C2"), channel="short")
    (other,) = keep(folder, wrong, channel="never")
    settle(folder, settings)
    assert {letter.id for letter in letters(folder)} == {failed, other}
    assert expire(folder, settings, now=2 * 86_400 + 86_400) == 0  # a day is not over before it is over
    assert expire(folder, settings, now=3 * 86_400 + 1) == 1
    settle(folder, settings)
    assert [letter.id for letter in letters(folder)] == [other]
    assert status(folder)["dead_letters"] == 1
    with closing(folder.state_reader()) as state:
        found = [state.outcome(seq) for seq in (failed, waits)]
    assert [outcome.status for outcome in found if outcome] == ["expired", "settled"]
    assert expire(folder, settings, now=3 * 86_400 + 1) == 0
    assert replay(folder, settings, [failed]).failed == 1  # the journal has it still


def test_a_replay_of_what_is_not_there(folder: DataFolder) -> None:
    with pytest.raises(NoSuchEntry, match="7"):
        replay(folder, SETTINGS, [7])


def test_a_settled_message_can_be_replayed_and_changes_nothing(folder: DataFolder) -> None:
    (seq,) = keep(folder, oru(DAY.format(1), ("2345-7", "9", "F")))
    settle(folder)
    before = status(folder)
    assert replay(folder, SETTINGS, [seq]).replayed == 1
    after = status(folder)
    assert (after["records"], after["settled"]) == (before["records"], before["settled"])


def test_a_large_body_lies_in_the_blobs_and_is_settled_all_the_same(folder: DataFolder) -> None:
    body = oru(DAY.format(1), ("2345-7", "9", "F")) + b"\rNTE|1||" + b"x" * (1 << 20)
    (seq,) = keep(folder, body)
    assert settle(folder) == 1
    shown = show(folder, SETTINGS, seq)
    assert shown.found.status == "settled"
    assert shown.raw == body


def test_a_lost_blob_is_a_dead_letter_and_blocks_nobody(folder: DataFolder) -> None:
    large = oru(DAY.format(1), ("2345-7", "9", "F"), control_id="C1") + b"\rNTE|1||" + b"x" * (1 << 20)
    (seq,) = keep(folder, large)
    folder.blobs.remove(hashlib.sha256(large).digest())
    keep(folder, adt("A01", DAY.format(1), pid(), visit(), control_id="C2"))
    settle(folder)
    (letter,) = letters(folder)
    assert (letter.id, letter.cause) == (seq, "gone")
    assert status(folder)["settled"] == 1
