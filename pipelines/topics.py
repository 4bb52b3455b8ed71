"""The embedded topics: a view of State (facts/streaming.md §6). Offset = record seq; only released records are seen.

Released is what the last published checkpoint covers: the file beside the database is the watermark, so that a reader
in another process can't see a record whose checkpoint is not yet durable.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw

import ledger
from pipelines.database import bring_home, open_writer
from pipelines.errors import PipelineError
from pipelines.keystore import Keystore
from pipelines.ports import GROUPS, Message, TopicInfo
from pipelines.published import read_published
from pipelines.reads import RECORD, StateReader, StoredRecord

CONTENT_TYPE = "application/fhir+json; fhirVersion=4.0"
RECEIPT = "tabellion-receipt"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

GROUP_MIGRATIONS = (
    "CREATE TABLE position(consumer TEXT NOT NULL, topic TEXT NOT NULL, next INTEGER NOT NULL,"
    " PRIMARY KEY (consumer, topic)) STRICT, WITHOUT ROWID;",
)


class UnknownTopic(PipelineError):
    """Not a topic of this tenant."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What a record's headers say of its journal entry."""

    channel: str
    sha256: bytes
    received_at: int
    map_hash: str


def topic_name(tenant: str, group: str) -> str:
    """`fhir.<tenant>.<group>.v1`."""
    return f"fhir.{tenant}.{group}.v1"


def instant(microseconds: int) -> str:
    """RFC 3339, UTC, milliseconds."""
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_id(source: bytes, type: str, id: str, version: int) -> str:  # noqa: A002 (FHIR's words)
    """`ce_id`: unique per record version, the same whenever the same message is settled anew."""
    return hashlib.sha256(f"{source.hex()}|{type}/{id}|{version}".encode()).hexdigest()


class EmbeddedTopics:
    """Released records by offset; one thread at a time, any number of processes."""

    def __init__(self, state: StateReader, keystore: Keystore, published: Path, groups: Path) -> None:
        self._state = state
        self._keystore = keystore
        self._published = published
        self._groups_path = groups
        self._groups: apsw.Connection | None = None
        self._names = [topic_name(keystore.tenant, group) for group in GROUPS]

    # -- messages ----------------------------------------------------------------------------------------------

    def released(self) -> int:
        """Records with a lower seq may leave."""
        published = read_published(self._published)
        return 0 if published is None else published.checkpoint.size

    def topics(self) -> Sequence[TopicInfo]:
        """Every topic of the tenant: `first` offset held, `next` behind the last released."""
        released = self.released()
        found = []
        for number, name in enumerate(self._names):
            first, last = next(
                iter(
                    self._state.connection.execute(
                        "SELECT (SELECT min(seq) FROM record WHERE topic=?1),"
                        " (SELECT max(seq) FROM record WHERE topic=?1 AND seq<?2)",
                        (number, released),
                    )
                )
            )
            end = 0 if last is None else int(str(last)) + 1
            found.append(TopicInfo(name, end if first is None else min(int(str(first)), end), end))
        return found

    def read(self, topic: str, offset: int, count: int = 256) -> list[Message]:
        """Messages of one topic from the first offset >= `offset` on."""
        if topic not in self._names:
            raise UnknownTopic(f"no topic {topic}; there are {', '.join(self._names)}")
        return self._read("r.topic=? AND r.seq>=? AND r.seq<?", (self._names.index(topic), offset), count)

    def read_all(self, after: int, count: int = 256) -> list[Message]:
        """Messages of all topics with offset > `after`, in seq order (for a publisher)."""
        return self._read("r.seq>? AND r.seq<?", (after,), count)

    def message(self, seq: int) -> Message | None:
        """One released record."""
        return next(iter(self._read("r.seq=? AND r.seq<?", (seq,), 1)), None)

    def receipt(self, seq: int) -> bytes | None:
        """The receipt file of one released record; None: not released, or forgotten."""
        found = self.message(seq)
        text = None if found is None else found.headers.get(RECEIPT)
        return None if text is None else text.encode()

    def tail(
        self, topic: str, offset: int, *, count: int | None = None, poll: float | None = None
    ) -> Iterator[Message]:
        """Messages from `offset` on: to the end, or with `poll` (seconds) on and on; at most `count`."""
        left = count
        while left is None or left > 0:
            found = self.read(topic, offset, 256 if left is None else min(256, left))
            yield from found
            if found:
                offset = found[-1].offset + 1
                left = None if left is None else left - len(found)
            elif poll is None:
                return
            else:
                time.sleep(poll)

    def _read(self, where: str, values: tuple[int, ...], count: int) -> list[Message]:
        released = self.released()
        connection = self._state.connection
        connection.execute("BEGIN")  # one snapshot for records, checkpoints and nodes
        try:
            query = f"{RECORD} WHERE {where} ORDER BY r.seq LIMIT ?"
            rows = connection.execute(query, (*values, released, count))
            records = [StoredRecord(*row) for row in rows]
            return self._messages(records)
        finally:
            connection.execute("COMMIT")

    def _messages(self, records: list[StoredRecord]) -> list[Message]:
        sources: dict[int, _Source] = {}
        made: list[Message] = []
        while records:
            covering = self._state.checkpoint_over(records[0].seq)
            if covering is None:
                break
            size, text = covering
            some = [record for record in records if record.seq < size]
            records = records[len(some) :]
            paths = ledger.inclusions(self._state.connection, [record.seq for record in some], size)
            for record, path in zip(some, paths, strict=True):
                if record.entry not in sources:
                    sources[record.entry] = self._source(record.entry)
                proof = ledger.TlogProof(record.seq, path, text.encode())
                made.append(self._message(record, sources[record.entry], proof, size))
        return made

    def _source(self, entry: int) -> _Source:
        found = self._state.outcome(entry)
        if found is None:
            raise PipelineError(f"records of entry {entry}, which has no outcome: run `tabellion doctor`")
        return _Source(found.channel, found.sha256, found.received_at, found.map_hash)

    def _message(self, record: StoredRecord, source: _Source, proof: ledger.TlogProof, size: int) -> Message:
        leaf = ledger.parse_leaf(record.leaf)
        key = record.patient or f"{record.type}/{record.id}"
        headers = {
            "ce_specversion": "1.0",
            "ce_id": event_id(source.sha256, record.type, record.id, record.version),
            "ce_source": f"urn:inst:{self._keystore.tenant}:{source.channel}",
            "ce_type": f"org.hl7.fhir.r4.{record.type}.{record.op}",
            "ce_subject": f"{record.type}/{record.id}/_history/{record.version}",
            "ce_time": instant(source.received_at),
            "content-type": CONTENT_TYPE,
            "ce_partitionkey": key,
            "ce_sequence": str(record.seq),
            "ce_fingerprint": leaf.commitment.hex(),
            "ce_anchorref": f"{size}/{record.seq}",
            "ce_mappingversion": source.map_hash,
        }
        if record.headers != "{}":
            headers |= json.loads(record.headers)
        salt = self._salt(record)
        if salt is not None:
            header = ledger.Header(record.type, record.id, str(record.version), leaf.institution)
            headers[RECEIPT] = ledger.Receipt(record.leaf, salt, header, proof).to_bytes().decode()
        return Message(self._names[record.topic], record.seq, key, headers, record.body)

    def _salt(self, record: StoredRecord) -> bytes | None:
        """None: the keys were destroyed; the leaf stays, nothing can be proved of its content any more."""
        if record.key is None or record.patient_key is None:
            return None
        return ledger.salt(self._keystore.open_record_key(record.patient, record.patient_key, record.key))

    # -- consumer groups ---------------------------------------------------------------------------------------

    def _positions(self) -> apsw.Connection:
        if self._groups is None:
            self._groups = open_writer(self._groups_path, GROUP_MIGRATIONS)
        return self._groups

    def committed(self, group: str, topic: str) -> int:
        """The offset the group reads next (0: never committed)."""
        row = (
            self._positions()
            .execute("SELECT next FROM position WHERE consumer=? AND topic=?", (group, topic))
            .fetchone()
        )
        return 0 if row is None else int(str(row[0]))

    def commit(self, group: str, topic: str, offset: int) -> None:
        """Durably note that the group reads `offset` next."""
        connection = self._positions()
        connection.execute(
            "INSERT INTO position(consumer, topic, next) VALUES (?,?,?)"
            " ON CONFLICT(consumer, topic) DO UPDATE SET next=excluded.next",
            (group, topic, offset),
        )

    def positions(self) -> dict[tuple[str, str], int]:
        """(group, topic) -> next offset, for lag."""
        if not self._groups_path.exists():
            return {}
        rows = self._positions().execute("SELECT consumer, topic, next FROM position")
        return {(str(consumer), str(topic)): int(str(offset)) for consumer, topic, offset in rows}

    def close(self) -> None:
        """Close the connections."""
        self._state.close()
        if self._groups is not None:
            bring_home(self._groups)
            self._groups.close()
