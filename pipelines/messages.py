"""Messages as operators look at them: status, find, show (commands.md "status", "messages").

Search terms are never stored in clear: an identifier is looked up by its keyed hash.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from mappings import MapSettings, bundle
from pipelines import journey
from pipelines.bodies import Bodies
from pipelines.continuing import reader, whole
from pipelines.datafolder import DataFolder
from pipelines.errors import BlobMissing, CheckFailed, NoSuchEntry
from pipelines.formats import maps, source
from pipelines.ports import GROUPS, Entry, StoredOutcome
from pipelines.reads import StateReader
from pipelines.search import search_key, term
from pipelines.segments import SegmentReader
from pipelines.settings import Settings
from pipelines.topics import EmbeddedTopics, instant
from pipelines.translation import translation
from pipelines.validation import validator
from terminology import TerminologyError

WAITING = "waiting"  # kept, not yet settled


@dataclass(frozen=True, slots=True)
class Found:
    """One message of a search: no content of it, and what is needed to go on."""

    id: int
    channel: str
    control_id: str
    type: str
    status: str
    received: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record version that a message made, and its receipt file (None: not yet released, or forgotten)."""

    topic: str
    offset: int
    subject: str
    op: str
    receipt: bytes | None


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that is known of one message. `bundle` and `lineage` are made again from the raw bytes by the map
    that settled it (`same_map`), else by today's."""

    found: Found
    raw: bytes | None
    detail: dict[str, Any]
    records: tuple[Sealed, ...]
    bundle: bytes | None
    lineage: tuple[str, ...]
    same_map: bool


def status(folder: DataFolder) -> dict[str, Any]:
    """What is done and what is waiting; the object of `tabellion status --json`."""
    with _open(folder) as (state, topics, journal):
        counts = state.counts(topics.released())
        cursor = state.cursor()
        backlog = max(0, journal.last() - cursor)
        oldest = journal.get(cursor + 1) if backlog else None
        age = 0.0 if oldest is None else max(0.0, time.time() - oldest.received_at / 1e6)
        return {
            "backlog": backlog,
            "oldest_seconds": round(age, 3),
            "settled": counts.settled,
            "dead_letters": counts.dead_letters,
            "held": counts.held,
            "records": counts.records,
            "unchanged": counts.unchanged,
            "log_size": counts.log_size,
            "released": counts.released,
            "lag": _lag(state, topics),
        }


@contextmanager
def _open(folder: DataFolder) -> Iterator[tuple[StateReader, EmbeddedTopics, SegmentReader]]:
    """Readers of a folder, beside a running service."""
    with (
        closing(folder.state_reader()) as state,
        closing(folder.topics()) as topics,
        closing(folder.journal_reader()) as journal,
    ):
        yield state, topics, journal


def _lag(state: StateReader, topics: EmbeddedTopics) -> dict[str, dict[str, int]]:
    """Topic → consumer group → released messages it has not read."""
    released = topics.released()
    lag: dict[str, dict[str, int]] = {info.topic: {} for info in topics.topics()}
    numbers = {info.topic: number for number, info in enumerate(topics.topics())}
    query = "SELECT count(*) FROM record WHERE topic=? AND seq>=? AND seq<?"
    for (group, topic), offset in topics.positions().items():
        if topic in lag:
            row = state.connection.execute(query, (numbers[topic], offset, released)).fetchone()
            lag[topic][group] = 0 if row is None else int(str(row[0]))
    return lag


def find(
    folder: DataFolder,
    *,
    control_id: str | None = None,
    patient: str | None = None,
    since: int | None = None,
    until: int | None = None,
    limit: int = 100,
) -> list[Found]:
    """Messages that meet every condition, newest first; times of receipt in microseconds. Those still waiting to be
    settled are found by control id only: nobody has read their patients yet."""
    key = None if control_id is None else control_id.encode()
    term_ = None if patient is None else term(search_key(folder.keystore.namespace), patient)
    with closing(folder.state_reader()) as state, closing(folder.journal_reader()) as journal:
        waiting: list[Found] = []
        if key is not None and patient is None:
            waiting = [_waiting(entry) for entry in journal.find(None, key, limit) if entry.seq > state.cursor()]
            waiting = [each for each in waiting if _between(journal, each.id, since, until)]
        settled = state.find(control_id=key, term=term_, since=since, until=until, limit=limit)
    return (waiting + [_found(outcome) for outcome in settled if outcome.status != "action"])[:limit]


def _between(journal: SegmentReader, seq: int, since: int | None, until: int | None) -> bool:
    entry = journal.get(seq)
    return entry is not None and (since or 0) <= entry.received_at and (until is None or entry.received_at <= until)


def show(folder: DataFolder, settings: Settings, seq: int) -> Shown:
    """One message with all that came of it. Raises NoSuchEntry."""
    with _open(folder) as (state, topics, journal):
        outcome = state.outcome(seq)
        letter = state.dead_letter(seq)
        entry = letter.entry if letter is not None else journal.get(seq)
        if entry is None and outcome is None:
            raise NoSuchEntry(f"no message {seq}: `tabellion messages find` gives the numbers")
        found = _found(outcome) if outcome is not None else _waiting(_there(entry))
        detail = json.loads(outcome.detail) if outcome is not None and outcome.detail else {}
        if letter is not None:
            detail |= {"cause": letter.cause, "place": letter.place, "text": letter.text, "attempts": letter.attempts}
        raw = _raw(folder, entry)
        made = None if outcome is None or not outcome.map_hash else state.map(outcome.map_hash)
        format_ = outcome.format if outcome is not None else _there(entry).format
        if parts := detail.get("parts"):
            raw = _joined(folder, journal, format_, parts)
        data, lineage = _mapped(folder, settings, found, format_, raw, made)
        records = tuple(_records(state, topics, seq))
    return Shown(found, raw, detail, records, data, lineage, made is not None)


def _there(entry: Entry | None) -> Entry:
    assert entry is not None
    return entry


def _records(state: StateReader, topics: EmbeddedTopics, seq: int) -> Iterator[Sealed]:
    names = [info.topic for info in topics.topics()]
    assert len(names) == len(GROUPS)
    for record in state.records_of(seq):
        subject = f"{record.type}/{record.id}/_history/{record.version}"
        yield Sealed(names[record.topic], record.seq, subject, record.op, topics.receipt(record.seq))


def _raw(folder: DataFolder, entry: Entry | None) -> bytes | None:
    if entry is None or entry.body is not None or not entry.blob:
        return None if entry is None else entry.body
    try:
        return folder.blobs.read(entry.sha256)
    except BlobMissing:
        return None


def _joined(folder: DataFolder, journal: SegmentReader, format_: str, parts: Sequence[int]) -> bytes | None:
    """The bytes of a message that came in parts."""
    try:
        return whole(format_, parts, reader(journal, Bodies(folder.blobs)))
    except BlobMissing:
        return None


def _mapped(
    folder: DataFolder, settings: Settings, found: Found, format_: str, raw: bytes | None, content: bytes | None
) -> tuple[bytes | None, tuple[str, ...]]:
    """The Bundle and its lineage, made again: pure functions need no copy of their results."""
    channel = settings.channels.get(found.channel)
    if raw is None or channel is None or channel.format != format_:
        return None, ()
    row = source(format_)
    effective = row.load_content(content) if content is not None else maps(format_, channel.overlays)
    run: MapSettings = channel.map_settings(folder.keystore.namespace, settings.service.base)
    errors: tuple[type[Exception], ...] = (CheckFailed, TerminologyError, *row.errors)
    try:
        plan = translation(channel.translation, folder.packs_path)
        known = validator(folder.packages_path)
        made = row.validating(effective, known)
        mapped = journey.pure(raw, made, run, row.level(channel.check), plan, known)
        lineage = [*effective.explain(raw, run), *(plan.explain(effective.map(raw, run)) if plan is not None else ())]
        return bundle(mapped, run.base), tuple(lineage)
    except errors:
        return None, ()


def _found(outcome: StoredOutcome) -> Found:
    return Found(
        outcome.entry,
        outcome.channel,
        _text(outcome.control_id),
        outcome.type,
        outcome.status,
        instant(outcome.received_at),
        outcome.sha256.hex(),
    )


def _waiting(entry: Entry) -> Found:
    return Found(
        entry.seq, entry.channel, _text(entry.control_id), "", WAITING, instant(entry.received_at), entry.sha256.hex()
    )


def _text(control_id: bytes) -> str:
    return control_id.decode("utf-8", "backslashreplace")
