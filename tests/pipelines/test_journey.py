"""The journey reads as the table of the architecture; its functions carry a message from bytes to a sealed topic."""

from __future__ import annotations

import ast
import inspect
from contextlib import closing
from pathlib import Path

import ledger
from mappings import Change, Element
from pipelines import journey
from pipelines.datafolder import init_folder
from pipelines.envelope import Envelope
from pipelines.formats import maps
from pipelines.ownership import ownership
from pipelines.ports import Batch, Outcome, Record
from pipelines.search import search_key
from pipelines.settle import Incoming, NewVersion, Policy
from pipelines.stamp import Origin
from tests.pipelines.handmade import EMPTY
from tests.pipelines.v2 import BASE, CHANNELS, adt, pid, visit

STEPS = ["keep", "map", "translate", "check", "settle", "seal", "commit", "release"]


def test_the_steps_stand_in_the_order_of_the_table_and_in_few_lines() -> None:
    source = inspect.getsource(journey)
    functions = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert [name for name in functions if name in STEPS] == STEPS
    assert len(source.splitlines()) < 100


def test_a_message_by_hand_from_bytes_to_a_receipt_that_verifies(tmp_path: Path) -> None:
    folder = init_folder(tmp_path / "data")
    effective, channel = maps("hl7v2"), CHANNELS["adt"]
    settings = channel.map_settings(folder.keystore.namespace, BASE)
    body = adt("A01", "20260301080000+0100", pid(), visit())
    with closing(folder.journal()) as journal:
        kept = journey.keep(journal, Envelope("adt", "hl7v2", body, b"C1")).result(10)
        entry = journal.get(kept.seq)
    assert entry is not None
    mapped = journey.pure(body, effective, settings, channel.check)
    spoken = journey.carry(mapped, channel, ownership(), search_key(folder.keystore.namespace))
    records = []
    for said in spoken.said:
        settled = journey.settle(None, Incoming(said, Origin(0, "adt", entry.seq)), Policy())
        assert isinstance(settled, NewVersion)
        records.append(
            Record(
                said.type,
                said.id,
                1,
                settled.op,
                settled.patient,
                said.group,
                settled.body,
                settled.registers.data,
                entry.seq,
            )
        )
    with closing(folder.state()) as state:
        done = journey.commit(state, Batch(entry.seq, (Outcome(entry, "settled"),), tuple(records)))
    assert journey.release(done) == len(records)
    with closing(folder.state_reader()) as reader, closing(folder.topics()) as topics:
        key = str(folder.keystore.signer(reader.log().number).vkey)
        for seq, record in enumerate(records):
            message, receipt = topics.message(seq), topics.receipt(seq)
            assert message is not None
            assert receipt is not None
            assert message.value == record.body
            assert ledger.verify_record(record.body, receipt, key).valid
            header = ledger.Header(record.type, record.id, "1", folder.identity.institution)
            day = message.headers["ce_time"][:10]
            sealed = journey.seal(entry.seed, header, record.group, day, record.body)
            assert sealed.commitment.hex() == message.headers["ce_fingerprint"]


def test_translate_without_a_plan_passes_everything() -> None:
    assert journey.translate(EMPTY, None) is EMPTY


def test_translate_asks_the_channels_translator() -> None:
    from dataclasses import replace

    assert journey.translate(EMPTY, lambda mapped: replace(mapped, status="partial")).status == "partial"


def test_check_looks_only_where_a_channel_asks() -> None:
    from dataclasses import replace

    bad = replace(EMPTY, changes=(Change("Patient", "p", "p", (Element("gender", "", "banana"),)),))
    assert journey.check(bad, "values") is bad
    assert journey.check(bad, "structure").changes[0].elements != bad.changes[0].elements
