"""From canonical bytes to the durable leaf: `State.commit` in batches of 256 records, against the bare insert.

Ours: commitment, leaf, Merkle nodes, record key derived and wrapped, current version, entry, signed checkpoint, fsync.
Theirs: the same columns into one table with `synchronous=FULL`, a commit per 256 rows, then nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from uuid import UUID

import apsw

from adapters.fhir import JsonValue, encode
from benchmarks.measure import Lap, run_lap
from benchmarks.result import Row
from pipelines.datafolder import init_folder
from pipelines.envelope import NO_FACTS
from pipelines.ports import Batch, Entry, Outcome, Record, State

__all__ = ["run"]

AIM = 15_000.0
BATCH = 256
_PER_MESSAGE = 8
_UNIT = "records/s"
_KEY, _LEAF = bytes(60), bytes(200)
_INSERT = "INSERT INTO record(type, id, version, op, entry, key, leaf, registers, body) VALUES (?,?,?,?,?,?,?,?,?)"


def run(quick: bool, folder: Path) -> list[Row]:
    """Rows against the aim and against the bare insert."""
    rounds, batches = (3, 8) if quick else (9, 24)
    data = init_folder(folder / "data")
    bare = apsw.Connection(str(folder / "bare.sqlite"))
    bare.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA page_size=8192")
    bare.execute(
        "CREATE TABLE record(seq INTEGER PRIMARY KEY, type, id, version, op, entry, key, leaf, registers, body)"
    )
    ours: list[Lap] = []
    theirs: list[Lap] = []
    size = 0.0
    with closing(bare), closing(data.state()) as state:
        for number in range(rounds):
            made = list(_batches(Random(number), batches, 1 + number * batches * BATCH // _PER_MESSAGE))
            size = sum(len(record.body) for batch in made for record in batch.records) / (BATCH * batches)
            contest = [(ours, partial(_commit, state, made)), (theirs, partial(_insert, bare, made))]
            for laps, work in contest if number % 2 else reversed(contest):
                laps.append(run_lap(work, BATCH * batches))
    figure = median(lap.count / lap.wall for lap in ours)
    share = median(lap.share for lap in ours)
    ratio = median((a.count / a.wall) / (b.count / b.wall) for a, b in zip(ours, theirs, strict=True))
    title = f"sealing, batches of {BATCH}"
    note = f"{median(lap.cpu / lap.count for lap in ours) * 1e6:.0f} us CPU per record"
    return [
        Row(title, figure, _UNIT, "aim", AIM, figure / AIM, 1.0, size=size, share=share, note=note),
        Row(
            title,
            figure,
            _UNIT,
            "bare SQLite insert of the same rows, FULL",
            median(lap.count / lap.wall for lap in theirs),
            ratio,
            size=size,
            share=share,
        ),
    ]


def _commit(state: State, batches: Sequence[Batch]) -> None:
    for batch in batches:
        state.commit(batch)


def _insert(connection: apsw.Connection, batches: Sequence[Batch]) -> None:
    """The same columns; zeros stand for what sealing would have computed."""
    for batch in batches:
        rows = [(r.type, r.id, r.version, r.op, r.entry, _KEY, _LEAF, r.registers, r.body) for r in batch.records]
        with connection:
            connection.executemany(_INSERT, rows)


def _batches(random: Random, count: int, first: int) -> Iterator[Batch]:
    for _ in range(count):
        outcomes, records = [], []
        for _ in range(BATCH // _PER_MESSAGE):
            outcomes.append(Outcome(_entry(random, first), "settled", type="ORU^R01^ORU_R01", detail=b"{}"))
            patient = str(_uuid(random))
            records += [_record(random, patient, first) for _ in range(_PER_MESSAGE)]
            first += 1
        yield Batch(first - 1, tuple(outcomes), tuple(records))


def _uuid(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=5)


def _entry(random: Random, seq: int) -> Entry:
    return Entry(
        seq=seq, kind="message", channel="hl7v2", format="hl7v2", control_id=b"B%09d" % seq,
        sha256=random.randbytes(32), received_at=1_770_000_000_000_000 + seq, peer="127.0.0.1:40000", facts=NO_FACTS,
        size=2000, body=None, blob=False, seed=random.randbytes(32), changed=False,
    )  # fmt: skip


def _record(random: Random, patient: str, entry: int) -> Record:
    """A numeric Observation as our maps write it, with registers about twice its size."""
    id_ = str(_uuid(random))
    content: dict[str, JsonValue] = {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "identifier": [{"system": "urn:oid:2.16.840.1.113883.19.5", "value": f"FIL-{random.randrange(10**9)}"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7", "display": "Glucose"}], "text": "Glucose"},
        "subject": {"reference": f"Patient/{patient}"},
        "encounter": {"reference": f"Encounter/{_uuid(random)}"},
        "effectiveDateTime": "2026-03-02T09:15:00-05:00",
        "performer": [{"reference": f"Practitioner/{_uuid(random)}"}],
        "valueQuantity": {
            "value": Decimal(f"{random.uniform(50, 200):.1f}"),
            "unit": "mg/dL",
            "system": "http://unitsofmeasure.org",
            "code": "mg/dL",
        },
        "interpretation": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "N"}]}
        ],
        "referenceRange": [{"text": "70-99"}],
    }
    body = encode(content)
    registers = hashlib.shake_128(body).digest(2 * len(body))
    return Record("Observation", id_, 1, "create", patient, "observation", body, registers, entry)
