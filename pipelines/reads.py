"""What can be read from State, on any connection: the writer's own, or a reader's beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from pipelines.database import open_reader, schema_version
from pipelines.envelope import NO_FACTS
from pipelines.ports import (
    Case,
    Counts,
    Current,
    Entry,
    Growth,
    Outbound,
    Seen,
    StoredClaim,
    StoredDeadLetter,
    StoredOutcome,
    StoredPart,
)
from pipelines.schema import GROWING_SINCE, IDENTITY_SINCE, OUTBOUND_SINCE
from terminology import WorklistRow, read_worklist

Row = tuple[Any, ...]  # one row of a query; its columns are typed by the schema

SEEN_MAX = 64
_MANY = 256
_CURRENT = (
    "SELECT c.type, c.id, c.seq, c.version, c.op, nullif(p.id, ''), c.digest, c.registers"
    " FROM current c LEFT JOIN patient p ON p.number=c.patient WHERE "
)
_LETTER = (
    "SELECT entry, kind, channel, format, control_id, sha256, received_at, peer, facts, size, body, blob, seed,"
    " changed, cause, place, text, attempts FROM dead_letter "
)
_OUTCOME = (
    "SELECT e.seq, e.channel, e.format, e.control_id, e.sha256, e.received_at, e.status, e.type, e.event_time,"
    " e.map_hash, e.unchanged, e.detail FROM entry e "
)


@dataclass(frozen=True, slots=True)
class Log:
    """The log as it now goes on: its name, its publisher, and the last checkpoint of the log before it."""

    number: int
    origin: str
    publisher: str
    first_size: int
    previous: str


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record version with all that seals it; `body` and `key` None once forgotten."""

    seq: int
    type: str
    id: str
    version: int
    op: str
    topic: int
    patient: str | None
    patient_key: bytes | None
    entry: int
    previous: int | None
    leaf: bytes
    key: bytes | None
    headers: str
    body: bytes | None


RECORD = (
    "SELECT r.seq, r.type, r.id, r.version, r.op, r.topic, nullif(p.id, ''), p.key, r.entry, r.previous, r.leaf, r.key,"
    " r.headers, r.body FROM record r LEFT JOIN patient p ON p.number=r.patient "
)


_PART = "SELECT type, id, member, time, channel, place, content FROM part WHERE "
_GROWTH = "SELECT type, id, members, folded, stale, received FROM growth WHERE "


def _grown(row: Row) -> Growth:
    return Growth(row[0], row[1], row[2], row[3], bool(row[4]), row[5])


class StateReader:
    """Reads of one state database; one thread at a time."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def _row(self, query: str, values: Row = ()) -> Row | None:
        return next(iter(self._connection.execute(query, values)), None)

    def _rows(self, query: str, values: Row = ()) -> Iterator[Row]:
        yield from self._connection.execute(query, values)

    @property
    def connection(self) -> apsw.Connection:
        """The live connection (audits, proofs)."""
        return self._connection

    # -- for settle --------------------------------------------------------------------------------------------

    def cursor(self) -> int:
        """Highest journal seq committed (0: none)."""
        return self.counter("cursor")

    def current(self, type: str, id: str) -> Current | None:  # noqa: A002 (FHIR's words)
        """The newest version of one resource."""
        row = self._row(_CURRENT + "c.id=? AND c.type=?", (id, type))
        return None if row is None else Current(*row)

    def current_many(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Current]:
        """The newest versions of those (type, id) that exist."""
        wanted = list(dict.fromkeys(keys))
        found: dict[tuple[str, str], Current] = {}
        for start in range(0, len(wanted), _MANY):
            some = wanted[start : start + _MANY]
            marks = ",".join(["(?,?)"] * len(some))
            values = [text for type_, id_ in some for text in (id_, type_)]
            for row in self._rows(_CURRENT + f"(c.id, c.type) IN (VALUES {marks})", tuple(values)):
                found[row[0], row[1]] = Current(*row)
        return found

    def body(self, seq: int) -> bytes | None:
        """Canonical bytes of a record."""
        row = self._row("SELECT body FROM record WHERE seq=?", (seq,))
        return None if row is None else row[0]

    def clock(self, channel: str, before: int) -> int | None:
        """Running max event time of the channel over entries with seq < `before`."""
        query = (
            "SELECT clock FROM entry WHERE channel=? AND seq<? AND clock IS NOT NULL ORDER BY channel, seq DESC LIMIT 1"
        )
        row = self._row(query, (channel, before))
        return None if row is None else row[0]

    def seen(self, channel: str, control_id: bytes) -> tuple[Seen, ...]:
        """Entries with this control id, in order; the newest 64 of a sender that never changes it."""
        query = "SELECT seq, sha256, status FROM entry WHERE channel=? AND control_id=? ORDER BY seq DESC LIMIT ?"
        return tuple(Seen(*row) for row in self._rows(query, (channel, control_id, SEEN_MAX)))[::-1]

    def dead_letter(self, entry: int) -> StoredDeadLetter | None:
        """An unsolved dead letter."""
        row = self._row(_LETTER + "WHERE entry=?", (entry,))
        return None if row is None else _letter(row)

    def dead_letters(self) -> tuple[StoredDeadLetter, ...]:
        """All unsolved ones in order."""
        return tuple(_letter(row) for row in self._rows(_LETTER + "ORDER BY entry"))

    def marked(self, patients: Iterable[str]) -> frozenset[str]:
        """Those of the patients that an unsolved dead letter or a hold marks."""
        rows = self._waiting("SELECT DISTINCT patient", patients, " AND kind<>'identity'")
        return frozenset(row[0] for row in rows)

    def held(self, limit: int = 256) -> tuple[int, ...]:
        """Entries on hold, in order."""
        query = "SELECT DISTINCT entry FROM waiting WHERE kind IN ('hold','identity') ORDER BY entry LIMIT ?"
        return tuple(row[0] for row in self._rows(query, (limit,)))

    def held_for(self, patients: Iterable[str]) -> tuple[int, ...]:
        """Entries on hold because of one of the patients, in order."""
        return tuple(sorted(row[0] for row in self._waiting("SELECT DISTINCT entry", patients, " AND kind='hold'")))

    def releasable(self, limit: int = 64) -> tuple[int, ...]:
        """Held entries, in order, none of whose patients waits for an earlier entry any more."""
        query = (
            "SELECT DISTINCT h.entry FROM waiting h WHERE h.kind='hold' AND NOT EXISTS (SELECT 1 FROM waiting own"
            " JOIN waiting before ON before.patient=own.patient AND before.entry<own.entry AND before.kind<>'identity'"
            " WHERE own.entry=h.entry AND own.kind='hold') ORDER BY h.entry LIMIT ?"
        )
        return tuple(row[0] for row in self._rows(query, (limit,)))

    def _waiting(self, select: str, patients: Iterable[str], more: str) -> Iterator[Row]:
        wanted = json.dumps(list(patients))
        return self._rows(f"{select} FROM waiting WHERE patient IN (SELECT value FROM json_each(?)){more}", (wanted,))

    def part(self, type: str, id: str, member: str) -> StoredPart | None:  # noqa: A002 (FHIR's words)
        """One part of a resource of many messages."""
        row = self._row(_PART + "type=? AND id=? AND member=?", (type, id, member))
        return None if row is None else StoredPart(*row)

    def parts(self, type: str, id: str) -> tuple[StoredPart, ...]:  # noqa: A002 (FHIR's words)
        """All its parts, by member."""
        return tuple(StoredPart(*row) for row in self._rows(_PART + "type=? AND id=? ORDER BY member", (type, id)))

    def growth(self, type: str, id: str) -> Growth | None:  # noqa: A002 (FHIR's words)
        """How far it has grown."""
        row = self._row(_GROWTH + "type=? AND id=?", (type, id))
        return None if row is None else _grown(row)

    def stale(self, received_before: int, limit: int = 1024) -> tuple[Growth, ...]:
        """Those to which something was added since they were last made."""
        if schema_version(self._connection) < GROWING_SINCE:
            return ()  # a folder of an older release, which the writer is about to migrate
        query = _GROWTH + "stale=1 AND received<=? ORDER BY type, id LIMIT ?"
        return tuple(_grown(row) for row in self._rows(query, (received_before, limit)))

    def claims(self, patient: str) -> tuple[StoredClaim, ...]:
        """What studies and documents say of a patient."""
        query = "SELECT patient, subject, entry, channel, person FROM claim WHERE patient=? ORDER BY subject"
        return tuple(StoredClaim(*row) for row in self._rows(query, (patient,)))

    def cases(self, *, patient: str = "", subject: str = "", entry: int = 0, limit: int = 1024) -> tuple[Case, ...]:
        """Open contradictions of identity, by entry."""
        if schema_version(self._connection) < IDENTITY_SINCE:
            return ()  # a folder of an older release, which the writer is about to migrate
        query = "SELECT entry, channel, patient, subject, elements, held, verdict FROM identity_case WHERE verdict=''"
        values: list[object] = []
        for name, wanted in (("patient", patient), ("subject", subject), ("entry", entry)):
            if wanted:
                query += f" AND {name}=?"
                values.append(wanted)
        rows = self._rows(f"{query} ORDER BY entry LIMIT ?", (*values, limit))
        return tuple(
            Case(row[0], row[1], row[2], row[3], tuple(json.loads(row[4])), bool(row[5]), row[6]) for row in rows
        )

    def released(self, patient: str, subject: str, elements: tuple[str, ...]) -> bool:
        """Whether an operator has released this contradiction of this study or document."""
        query = (
            "SELECT 1 FROM identity_case WHERE subject=? AND verdict='released' AND patient=? AND elements=? LIMIT 1"
        )
        return self._row(query, (subject, patient, json.dumps(elements))) is not None

    def parts_waiting(self, limit: int = 256) -> tuple[tuple[int, int], ...]:
        """(entry, received_at) of parts of messages whose rest is still to come."""
        query = "SELECT seq, received_at FROM entry WHERE status='part' ORDER BY received_at LIMIT ?"
        return tuple((row[0], row[1]) for row in self._rows(query, (limit,)))

    def first_part(self) -> int | None:
        """The lowest entry that is needed as a part of a message: its rest is still to come, or it is on hold or a dead
        letter."""
        row = self._row("SELECT min(seq) FROM entry WHERE status='part'")
        found = [row[0]] if row is not None and row[0] is not None else []
        query = (
            "SELECT e.detail FROM entry e WHERE e.seq IN (SELECT entry FROM dead_letter"
            " UNION SELECT entry FROM waiting WHERE kind IN ('hold','identity'))"
            " AND instr(e.detail, CAST('\"parts\"' AS BLOB))>0"
        )
        for (detail,) in self._rows(query):
            found += json.loads(detail).get("parts", ())
        return min(found, default=None)

    def map(self, map_hash: str) -> bytes | None:
        """An effective map kept by its hash."""
        row = self._row("SELECT content FROM map WHERE hash=?", (map_hash,))
        return None if row is None else row[0]

    def worklist(self) -> list[WorklistRow]:
        """Codes that no map decided, by code and channel, the most frequent first."""
        return read_worklist(self._connection)

    def outbound(self, after: int, limit: int = 256) -> tuple[tuple[int, Outbound], ...]:
        """(id, message) of what is to be sent, in the order of commit."""
        if schema_version(self._connection) < OUTBOUND_SINCE:
            return ()  # a folder of an older release, which the writer is about to migrate
        query = (
            "SELECT id, entry, channel, control_id, sender, peer, body, created_at FROM outbound WHERE id>?"
            " ORDER BY id LIMIT ?"
        )
        return tuple((row[0], Outbound(*row[1:])) for row in self._rows(query, (after, limit)))

    def survivor(self, patient: str) -> str:
        """Whom a retired patient's records belong to now, over chains of merges; itself if never merged."""
        query = "SELECT surviving FROM merge WHERE retired=? ORDER BY entry DESC LIMIT 1"
        known = [patient]
        while (row := self._row(query, (known[-1],))) is not None and row[0] not in known:
            known.append(row[0])
        return known[-1]

    # -- for everyone else -------------------------------------------------------------------------------------

    def counter(self, name: str) -> int:
        """One counter (0: never set): cursor, settled, unchanged, dead, held, action, versions_unchanged."""
        row = self._row("SELECT value FROM counter WHERE name=?", (name,))
        return 0 if row is None else row[0]

    def counters(self) -> dict[str, int]:
        """All counters by name."""
        return dict(map(tuple, self._rows("SELECT name, value FROM counter")))

    def size(self) -> int:
        """Records stored = leaves = next seq."""
        row = self._row("SELECT max(seq) FROM record")
        return 0 if row is None or row[0] is None else row[0] + 1

    def log(self) -> Log:
        """The log that goes on."""
        return self.logs()[-1]

    def logs(self) -> tuple[Log, ...]:
        """Every log of this tree, oldest first."""
        return tuple(
            Log(*row)
            for row in self._rows("SELECT number, origin, publisher, first_size, previous FROM log ORDER BY number")
        )

    def outcome(self, entry: int) -> StoredOutcome | None:
        """What became of a journal entry; None: not yet settled."""
        row = self._row(_OUTCOME + "WHERE e.seq=?", (entry,))
        return None if row is None else StoredOutcome(*row)

    def find(
        self,
        *,
        control_id: bytes | None = None,
        term: bytes | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 256,
    ) -> tuple[StoredOutcome, ...]:
        """Outcomes that meet every condition given, newest first."""
        conditions = {
            "e.control_id=?": control_id,
            "e.seq IN (SELECT entry FROM term WHERE hash=?)": term,
            "e.received_at>=?": since,
            "e.received_at<=?": until,
        }
        given = {text: value for text, value in conditions.items() if value is not None}
        where = "WHERE " + " AND ".join(given) if given else ""
        query = f"{_OUTCOME}{where} ORDER BY e.seq DESC LIMIT ?"
        return tuple(StoredOutcome(*row) for row in self._rows(query, (*given.values(), limit)))

    def counts(self, released: int) -> Counts:
        """Totals; `released` as the published checkpoint says."""
        counters = self.counters()
        size = self.size()
        return Counts(
            settled=counters.get("settled", 0) + counters.get("unchanged", 0),
            unchanged=counters.get("versions_unchanged", 0),
            dead_letters=counters.get("dead", 0),
            held=counters.get("held", 0),
            records=size,
            log_size=size,
            released=min(released, size),
        )

    def record(self, seq: int) -> StoredRecord | None:
        """One record version."""
        row = self._row(RECORD + "WHERE r.seq=?", (seq,))
        return None if row is None else StoredRecord(*row)

    def records_of(self, entry: int) -> tuple[StoredRecord, ...]:
        """The record versions that one journal entry made, in order."""
        return tuple(StoredRecord(*row) for row in self._rows(RECORD + "WHERE r.entry=? ORDER BY r.seq", (entry,)))

    def checkpoint_over(self, seq: int) -> tuple[int, str] | None:
        """Size and text of the first checkpoint of the present log that covers a record."""
        query = "SELECT size, checkpoint FROM batch WHERE log=(SELECT max(number) FROM log) AND size>? ORDER BY size"
        row = self._row(query + " LIMIT 1", (seq,))
        return None if row is None else (row[0], row[1])

    def last_checkpoint(self) -> tuple[int, str] | None:
        """Size and text of the newest checkpoint."""
        row = self._row("SELECT size, checkpoint FROM batch ORDER BY log DESC, size DESC LIMIT 1")
        return None if row is None else (row[0], row[1])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _letter(row: Row) -> StoredDeadLetter:
    seq, kind, channel, form, control, sha256, at, peer, facts, size, body, blob, seed, changed, *why = row
    known = NO_FACTS if facts == "{}" else json.loads(facts)
    entry = Entry(
        *(seq, kind, channel, form, control, sha256, at, peer, known, size, body, bool(blob), seed, bool(changed))
    )
    return StoredDeadLetter(entry, *why)


def read_state(path: Path, *, vfs: str | None = None) -> StateReader:
    """Reads beside a running writer."""
    return StateReader(open_reader(path, vfs=vfs, cache_kib=8192))
