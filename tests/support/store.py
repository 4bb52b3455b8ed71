"""Values for the tests of the stores: entries, records and batches as settle would hand them over."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable

from pipelines.envelope import Envelope
from pipelines.ports import Batch, Entry, Outcome, Record

DAY = 86_400_000_000
T0 = 1_760_000_000_000_000  # 2025-10-09, microseconds


def envelope(
    number: int, body: bytes | None = None, *, channel: str = "adt", control_id: bytes | None = None
) -> Envelope:
    """A message as intake hands it over."""
    content = b"MSH|^~\\&|message %d" % number if body is None else body
    return Envelope(channel, "hl7v2", content, b"ID%d" % number if control_id is None else control_id, T0 + number)


def entry(seq: int, *, channel: str = "adt", control_id: bytes | None = None, body: bytes | None = None) -> Entry:
    """A journal entry."""
    content = b"MSH|^~\\&|message %d" % seq if body is None else body
    return Entry(
        seq=seq,
        kind="message",
        channel=channel,
        format="hl7v2",
        control_id=b"ID%d" % seq if control_id is None else control_id,
        sha256=hashlib.sha256(content).digest(),
        received_at=T0 + seq,
        peer="127.0.0.1:1",
        facts={},
        size=len(content),
        body=content,
        blob=False,
        seed=hashlib.sha256(b"seed %d" % seq).digest() if seq else os.urandom(32),
        changed=False,
    )


def body(type_: str, id_: str, text: str) -> bytes:
    """Canonical bytes of a small resource."""
    return json.dumps({"id": id_, "resourceType": type_, "text": text}, sort_keys=True, separators=(",", ":")).encode()


def record(seq: int, number: int, *, version: int = 1, patient: str | None = "p1", op: str = "create") -> Record:
    """Version `version` of Observation `o<number>` made by entry `seq`."""
    id_ = f"o{number}"
    return Record(
        type="Observation",
        id=id_,
        version=version,
        op=op,
        patient=patient,
        group="observation",
        body=body("Observation", id_, f"by {seq} version {version}"),
        registers=b"registers of version %d" % version,
        entry=seq,
    )


def settled(seq: int, records: Iterable[Record] = ()) -> Batch:
    """A batch with one settled entry."""
    return Batch(cursor=seq, outcomes=(outcome(seq),), records=tuple(records))


def outcome(seq: int, status: str = "settled") -> Outcome:
    """What became of entry `seq`."""
    return Outcome(entry(seq), status, "ORU^R01^ORU_R01", event_time=T0 + seq, clock=T0 + seq, map_hash="map1")


def batch_of(first: int, entries: int, records_each: int = 2) -> Batch:
    """`entries` settled entries from `first` on, each with new resources of one of three patients."""
    seqs = range(first, first + entries)
    return Batch(
        cursor=first + entries - 1,
        outcomes=tuple(outcome(seq) for seq in seqs),
        records=tuple(
            record(seq, seq * 1000 + number, patient=f"p{seq % 3}") for seq in seqs for number in range(records_each)
        ),
    )
