"""Rows of a batch: all that a commit stores beside records, leaves and checkpoint (architecture: "Storage").

Outcomes, marks and holds, dead letters, merges, parts, claims and cases, maps, what is to be sent.
"""

from __future__ import annotations

import json

import apsw

from pipelines.errors import PipelineError
from pipelines.ports import Batch, Entry, Outbound, Outcome
from pipelines.reads import Row
from terminology import note

__all__ = ["store"]

_ENTRY = (
    "INSERT INTO entry(seq, channel, format, control_id, sha256, received_at, status, type, event_time, clock,"
    " map_hash, unchanged, detail) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT(seq) DO UPDATE SET status=excluded.status, type=excluded.type, event_time=excluded.event_time,"
    " clock=excluded.clock, map_hash=excluded.map_hash, unchanged=entry.unchanged+excluded.unchanged,"
    " detail=excluded.detail"
)
_OUTBOUND = "INSERT INTO outbound(entry, channel, control_id, sender, peer, body, created_at) VALUES (?,?,?,?,?,?,?)"
_COUNT = "INSERT INTO counter(name, value) VALUES (?,?) ON CONFLICT(name) DO UPDATE SET value=value+excluded.value"
_PART = (
    "INSERT INTO part(type, id, member, time, channel, place, content) VALUES (?,?,?,?,?,?,?)"
    " ON CONFLICT(type, id, member) DO UPDATE SET time=excluded.time, channel=excluded.channel,"
    " place=excluded.place, content=excluded.content"
)
_GROWTH = (
    "INSERT INTO growth(type, id, members, folded, stale, received) VALUES (?,?,?,?,?,?)"
    " ON CONFLICT(type, id) DO UPDATE SET members=excluded.members, folded=excluded.folded, stale=excluded.stale,"
    " received=excluded.received"
)
_CLAIM = (
    "INSERT INTO claim(patient, subject, entry, channel, person) VALUES (?,?,?,?,?)"
    " ON CONFLICT(patient, subject) DO UPDATE SET entry=excluded.entry, channel=excluded.channel,"
    " person=excluded.person"
)
_CASE = (
    "INSERT INTO identity_case(entry, channel, patient, subject, elements, held, verdict) VALUES (?,?,?,?,?,?,'')"
    " ON CONFLICT(entry) DO UPDATE SET patient=excluded.patient, subject=excluded.subject,"
    " elements=excluded.elements, held=excluded.held, verdict=''"
)
_LETTER = (
    "INSERT INTO dead_letter(entry, cause, place, text, attempts, kind, channel, format, control_id, sha256,"
    " received_at, peer, facts, size, body, blob, seed, changed) VALUES (?,?,?,?,1,?,?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT(entry) DO UPDATE SET cause=excluded.cause, place=excluded.place, text=excluded.text,"
    " attempts=attempts+1"
)


def store(connection: apsw.Connection, batch: Batch, cursor: int) -> None:
    """Write them. `cursor`: where the state stood before; part of the caller's transaction."""
    tally: dict[str, int] = {"cursor": max(0, batch.cursor - cursor)}
    for outcome in batch.outcomes:
        before = connection.execute("SELECT status FROM entry WHERE seq=?", (outcome.entry.seq,)).fetchone()
        if before is not None:
            tally[before[0]] = tally.get(before[0], 0) - 1
        tally[outcome.status] = tally.get(outcome.status, 0) + 1
        if outcome.untranslated or before is not None:
            note(connection, outcome.entry.seq, outcome.entry.channel, outcome.untranslated)
        tally["versions_unchanged"] = tally.get("versions_unchanged", 0) + outcome.unchanged
    connection.executemany(_ENTRY, [_entry_row(outcome) for outcome in batch.outcomes])
    terms = [(term, outcome.entry.seq) for outcome in batch.outcomes for term in outcome.terms]
    connection.executemany("INSERT INTO term(hash, entry) VALUES (?,?) ON CONFLICT DO NOTHING", terms)
    connection.executemany(_COUNT, [(name, change) for name, change in tally.items() if change])
    if batch.touched:
        connection.executemany(
            "UPDATE current SET registers=? WHERE id=? AND type=?",
            [(touch.registers, touch.id, touch.type) for touch in batch.touched],
        )
    if batch.parts or batch.growths:
        connection.executemany(_PART, batch.parts)
        connection.executemany(_GROWTH, [(*each[:4], int(each.stale), each.received) for each in batch.growths])
    if batch.claims or batch.cases or batch.verdicts:
        _store_identity(connection, batch)
    if batch.maps:
        connection.executemany("INSERT INTO map(hash, content) VALUES (?,?) ON CONFLICT DO NOTHING", batch.maps)
    if batch.outbound:
        connection.executemany(_OUTBOUND, [_outbound_row(message) for message in batch.outbound])
    if batch.solved or batch.freed or batch.dead_letters or batch.holds or batch.merges:
        _store_letters(connection, batch)


def _store_identity(connection: apsw.Connection, batch: Batch) -> None:
    connection.executemany(_CLAIM, batch.claims)
    connection.executemany(
        _CASE,
        [
            (case.entry, case.channel, case.patient, case.subject, json.dumps(case.elements), int(case.held))
            for case in batch.cases
        ],
    )
    connection.executemany(
        "INSERT INTO waiting(patient, entry, kind) VALUES (?,?,'identity') ON CONFLICT DO NOTHING",
        [(case.patient, case.entry) for case in batch.cases if case.held],
    )
    connection.executemany(
        "UPDATE identity_case SET verdict=? WHERE entry=? AND verdict=''",
        [(verdict, entry) for entry, verdict in batch.verdicts],
    )


def _store_letters(connection: apsw.Connection, batch: Batch) -> None:
    entries = {outcome.entry.seq: outcome.entry for outcome in batch.outcomes}
    connection.executemany("DELETE FROM dead_letter WHERE entry=?", [(seq,) for seq in batch.solved])
    connection.executemany("DELETE FROM waiting WHERE entry=? AND kind='mark'", [(seq,) for seq in batch.solved])
    connection.executemany(
        "DELETE FROM waiting WHERE entry=? AND kind IN ('hold','identity')", [(seq,) for seq in batch.freed]
    )
    for letter in batch.dead_letters:
        source = entries.get(letter.entry)
        if source is None:
            raise PipelineError(f"dead letter {letter.entry} without an outcome in its batch")
        connection.execute(_LETTER, (letter.entry, letter.cause, letter.place, letter.text, *_entry_copy(source)))
    waiting = [(patient, letter.entry, "mark") for letter in batch.dead_letters for patient in letter.patients]
    waiting += [(patient, hold.entry, "hold") for hold in batch.holds for patient in hold.patients]
    connection.executemany("INSERT INTO waiting(patient, entry, kind) VALUES (?,?,?) ON CONFLICT DO NOTHING", waiting)
    connection.executemany(
        "INSERT INTO merge(retired, surviving, entry) VALUES (?,?,?) ON CONFLICT DO NOTHING",
        [(merge.retired, merge.surviving, merge.entry) for merge in batch.merges],
    )


def _outbound_row(message: Outbound) -> Row:
    sender = (message.sender, message.peer)
    return (message.entry, message.channel, message.control_id, *sender, message.body, message.created_at)


def _entry_copy(entry: Entry) -> Row:
    facts = json.dumps(dict(entry.facts), ensure_ascii=False) if entry.facts else "{}"
    return (
        *(entry.kind, entry.channel, entry.format, entry.control_id, entry.sha256, entry.received_at),
        *(entry.peer, facts, entry.size, entry.body, int(entry.blob), entry.seed, int(entry.changed)),
    )


def _entry_row(outcome: Outcome) -> Row:
    entry = outcome.entry
    return (
        *(entry.seq, entry.channel, entry.format, entry.control_id, entry.sha256, entry.received_at),
        *(outcome.status, outcome.type, outcome.event_time, outcome.clock, outcome.map_hash),
        *(outcome.unchanged, outcome.detail),
    )
