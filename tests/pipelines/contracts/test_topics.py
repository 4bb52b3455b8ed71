"""What every Topics must do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import ledger
from pipelines.datafolder import DataFolder
from pipelines.ports import GROUPS, State, Topics
from tests.support.store import batch_of, record, settled

OpenState = Callable[[], State]
NAME = "fhir.default.observation.v1"


def vkey(folder: DataFolder) -> str:
    """The key that subscribers hold."""
    return str(folder.keystore.signer(1).vkey)


def test_every_group_is_a_topic_even_when_empty(topics: Topics) -> None:
    assert [info.topic for info in topics.topics()] == [f"fhir.default.{group}.v1" for group in GROUPS]
    assert {(info.first, info.next) for info in topics.topics()} == {(0, 0)}
    assert topics.read(NAME, 0) == []


def test_released_records_are_read_from_any_offset(open_state: OpenState, topics: Topics) -> None:
    state = open_state()
    state.commit(batch_of(1, 3))
    assert [message.offset for message in topics.read(NAME, 0)] == [0, 1, 2, 3, 4, 5]
    assert [message.offset for message in topics.read(NAME, 2, 3)] == [2, 3, 4]
    assert topics.read(NAME, 6) == []
    state.commit(batch_of(4, 1))
    assert [message.offset for message in topics.read(NAME, 6)] == [6, 7]
    info = {info.topic: (info.first, info.next) for info in topics.topics()}
    assert info[NAME] == (0, 8)
    assert info["fhir.default.patient.v1"] == (0, 0)


def test_value_key_and_headers(open_state: OpenState, topics: Topics, folder: DataFolder) -> None:
    open_state().commit(settled(1, [record(1, 1), record(1, 2, patient=None)]))
    first, second = topics.read(NAME, 0)
    assert first.value == record(1, 1).body
    assert (first.key, second.key) == ("p1", "Observation/o2")
    assert first.headers["ce_type"] == "org.hl7.fhir.r4.Observation.create"
    assert first.headers["ce_subject"] == "Observation/o1/_history/1"
    assert first.headers["ce_source"] == "urn:inst:default:adt"
    assert first.headers["ce_time"] == "2025-10-09T08:53:20.000Z"
    assert first.headers["content-type"] == "application/fhir+json; fhirVersion=4.0"
    assert first.headers["ce_specversion"] == "1.0"
    assert (first.headers["ce_partitionkey"], first.headers["ce_sequence"]) == ("p1", "0")
    assert first.headers["ce_mappingversion"] == "map1"


def test_event_ids_are_unique_and_their_own_whatever_the_batch(open_state: OpenState, topics: Topics) -> None:
    state = open_state()
    state.commit(batch_of(1, 20))
    state.commit(settled(21, [record(21, 1000, version=2, op="update")]))
    ids = [message.headers["ce_id"] for message in topics.read(NAME, 0, 100)]
    assert len(set(ids)) == 41


def test_every_receipt_verifies_offline_and_shows_its_fingerprint(
    open_state: OpenState, topics: Topics, folder: DataFolder
) -> None:
    state = open_state()
    for start in (1, 4, 11, 12):
        state.commit(batch_of(start, 1 + start % 3))
    messages = topics.read(NAME, 0, 100)
    assert messages
    for message in messages:
        assert message.value is not None
        receipt = message.headers["tabellion-receipt"].encode()
        verdict = ledger.verify_record(message.value, receipt, vkey(folder))
        assert verdict.valid, verdict.text
        assert ledger.parse_receipt(receipt).parsed_leaf().commitment.hex() == message.headers["ce_fingerprint"]


def test_a_receipt_proves_no_other_record(open_state: OpenState, topics: Topics, folder: DataFolder) -> None:
    open_state().commit(batch_of(1, 2))
    first, second = topics.read(NAME, 0, 2)
    assert second.value is not None
    receipt = first.headers["tabellion-receipt"].encode()
    assert not ledger.verify_record(second.value, receipt, vkey(folder)).valid


def test_consumer_groups_keep_their_own_offsets(topics: Topics) -> None:
    assert topics.committed("a", NAME) == 0
    topics.commit("a", NAME, 5)
    topics.commit("b", NAME, 7)
    topics.commit("a", NAME, 6)
    assert (topics.committed("a", NAME), topics.committed("b", NAME)) == (6, 7)
    assert topics.committed("a", "fhir.default.patient.v1") == 0


def test_headers_of_settle_travel_along(open_state: OpenState, topics: Topics) -> None:
    open_state().commit(settled(1, [replace(record(1, 1), headers={"traceparent": "00-1-2-01"})]))
    (message,) = topics.read(NAME, 0)
    assert message.headers["traceparent"] == "00-1-2-01"
