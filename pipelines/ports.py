"""The storage ports and the values that cross them (architecture: "Storage: five ports, one commit point").

`Journal` and `Blobs` keep what arrives, `State.commit(batch)` is the one commit point of the ordered half,
`Topics` is what subscribers see. Each has one embedded implementation; the contract tests in
tests/pipelines/contracts run over every implementation.

Times are microseconds since 1970-01-01 UTC; ids and types are FHIR's; bytes are never re-encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple, Protocol

from pipelines.envelope import NO_FACTS, Envelope
from terminology import Untranslated

GROUPS = ("patient", "encounter", "observation", "document", "imaging", "other")
# part: of a message whose rest is still to come; joined: of one that stands under another of its parts
STATUSES = ("settled", "unchanged", "dead", "expired", "held", "action", "part", "joined")
NO_EFFECT = frozenset({"dead", "expired"})  # the same message sent again is no repetition
OPERATIONS = ("create", "update", "delete", "merged")


@dataclass(frozen=True, slots=True)
class Kept:
    """Answer to an append, given only after the commit.

    `status`: `kept` · `repeated` (same channel, control id and bytes: nothing written, `seq` is the first
    one's) · `changed` (same control id, other bytes: kept and flagged).
    """

    seq: int
    status: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the journal. `body` is None when the bytes are a blob (named by `sha256`) or forgotten."""

    seq: int
    kind: str  # 'message' | 'action' (body = canonical JSON of the action)
    channel: str
    format: str
    control_id: bytes
    sha256: bytes
    received_at: int
    peer: str
    facts: Mapping[str, str]
    size: int
    body: bytes | None
    blob: bool
    seed: bytes  # 32 random bytes; b'' once forgotten
    changed: bool  # same control id as an earlier entry of the channel, other bytes


class Journal(Protocol):
    """Append-only, durable before the answer."""

    def append(self, envelope: Envelope) -> Future[Kept]:
        """Queue one envelope; the future ends after COMMIT, with `Unavailable` if nothing could be kept."""

    def submit(self, envelope: Envelope, done: Callable[[Kept | BaseException], None]) -> None:
        """As `append`, cheaper: `done` is called once on the committer's thread, after COMMIT."""

    def read(self, after: int, limit: int = 256) -> list[Entry]:
        """Entries with seq > `after`, in order."""

    def get(self, seq: int) -> Entry | None:
        """One entry, or None (never written, or its segment dropped)."""

    def last(self) -> int:
        """The highest seq (0: empty)."""


class Blobs(Protocol):
    """Content-addressed bytes: durable before `put` returns."""

    def put(self, data: bytes | BinaryIO) -> bytes:
        """Store; the 32-byte SHA-256 names it."""

    def open(self, digest: bytes) -> BinaryIO:
        """A stream of the bytes; `BlobMissing` if not there."""

    def read(self, digest: bytes) -> bytes:
        """The bytes, checked against their name; `BlobMissing` if not there or damaged."""


@dataclass(frozen=True, slots=True)
class Record:
    """One resource version to store, seal and publish; `seq` is given by commit in the order of the batch.

    `body`: canonical bytes, exactly what is sealed and published. `registers`: settle's own encoding, opaque
    here. `headers`: only what the store can't derive (e.g. `traceparent`); it derives every ce_* header
    itself from the record and its entry.
    """

    type: str
    id: str
    version: int
    op: str  # OPERATIONS
    patient: str | None  # topic key; None -> 'Type/id'
    group: str  # GROUPS
    body: bytes
    registers: bytes
    entry: int  # journal seq of the source; must be one of the batch's outcomes
    headers: Mapping[str, str] = field(default_factory=lambda: NO_FACTS)


@dataclass(frozen=True, slots=True)
class Touch:
    """Registers of an unchanged resource whose stamps moved: stored without version, leaf or event."""

    type: str
    id: str
    registers: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one journal entry; a replayed dead letter or a freed hold gets a new one later."""

    entry: Entry
    status: str  # STATUSES
    type: str = ""  # 'ADT^A01^ADT_A01'
    event_time: int | None = None  # effective event time
    clock: int | None = None  # running max event time of the channel, at and including this entry
    map_hash: str = ""
    unchanged: int = 0  # resource versions not made because nothing changed
    detail: bytes = b""  # settle's own JSON (leaf counts, residue count, issues without values)
    terms: tuple[bytes, ...] = ()  # keyed hashes of patient identifiers, to find the entry by
    untranslated: tuple[Untranslated, ...] = ()  # codes that no map decided


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A failed entry; the store keeps its own copy of the body, which outlives the journal's."""

    entry: int
    cause: str  # short code
    place: str  # 'PID-3.1' or ''
    text: str  # plain words, no values from the message
    patients: tuple[str, ...] = ()  # marked until the letter is solved


@dataclass(frozen=True, slots=True)
class Hold:
    """A later message of a marked patient, waiting under the policy `wait`."""

    entry: int
    patients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """A40: `retired` is replaced by `surviving`."""

    retired: str
    surviving: str
    entry: int


class StoredPart(NamedTuple):
    """What one message adds to a resource of many; `time`, `channel`, `place`: the message's stamp."""

    type: str
    id: str
    member: str
    time: int
    channel: str
    place: int
    content: bytes

    @property
    def stamp(self) -> tuple[int, str, int]:
        """Of two parts of a member the greater stands."""
        return self.time, self.channel, self.place


class Growth(NamedTuple):
    """A resource of many messages: parts there are, parts it was last made of, whether something came since, when the
    newest part was received (microseconds)."""

    type: str
    id: str
    members: int
    folded: int
    stale: bool
    received: int


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message of ours that an entry caused: an application acknowledgement. `control_id` is its own MSH-10, always
    the same for the same cause; `sender` and `peer` say whom it is for."""

    entry: int
    channel: str
    control_id: bytes
    sender: bytes
    peer: str
    body: bytes
    created_at: int


class StoredClaim(NamedTuple):
    """What a study or document (`subject`) says of its patient; `person`: identity's own encoding."""

    patient: str
    subject: str
    entry: int
    channel: str
    person: bytes


@dataclass(frozen=True, slots=True)
class Case:
    """One contradiction of identity, as the worklist has it. `subject`: 'ImagingStudy/<id>' or ''; `elements`: what
    differs; `verdict`: '' while it is open, released, rejected or resolved."""

    entry: int
    channel: str
    patient: str
    subject: str
    elements: tuple[str, ...]
    held: bool
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction. `cursor` = highest journal seq whose outcome is stored with this batch."""

    cursor: int
    outcomes: tuple[Outcome, ...] = ()
    records: tuple[Record, ...] = ()
    touched: tuple[Touch, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = ()
    solved: tuple[int, ...] = ()  # entries whose dead letter is settled now (marks go too)
    holds: tuple[Hold, ...] = ()
    freed: tuple[int, ...] = ()  # entries no longer held
    merges: tuple[Merge, ...] = ()
    maps: tuple[tuple[str, bytes], ...] = ()  # effective maps by hash, kept once
    outbound: tuple[Outbound, ...] = ()  # to be sent, durable with what they speak of
    parts: tuple[StoredPart, ...] = ()
    growths: tuple[Growth, ...] = ()
    claims: tuple[StoredClaim, ...] = ()
    cases: tuple[Case, ...] = ()  # opened
    verdicts: tuple[tuple[int, str], ...] = ()  # (entry, verdict) of cases that are closed


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit made: records `first` … `first + count - 1`; `checkpoint` covers `size` leaves."""

    first: int
    count: int
    size: int
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Current:
    """The newest version of one resource. `digest` = SHA-256 of its canonical bytes."""

    type: str
    id: str
    seq: int
    version: int
    op: str
    patient: str | None
    digest: bytes
    registers: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry already settled under the same (channel, control id)."""

    seq: int
    sha256: bytes
    status: str


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """What became of a journal entry, as stored."""

    entry: int
    channel: str
    format: str
    control_id: bytes
    sha256: bytes
    received_at: int
    status: str
    type: str
    event_time: int | None
    map_hash: str
    unchanged: int
    detail: bytes


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead letter with the journal entry that failed, kept whole: its segment may be dropped."""

    entry: Entry
    cause: str
    place: str
    text: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals of a state. `unchanged` and `records` count resource versions, the others messages."""

    settled: int
    unchanged: int
    dead_letters: int
    held: int
    records: int
    log_size: int
    released: int


class State(Protocol):
    """One SQL store, one writer; reads see the last commit."""

    def commit(self, batch: Batch) -> Committed:
        """Cursor, outcomes, records, leaves, nodes, checkpoint in one transaction; then publish the last."""

    def cursor(self) -> int:
        """Highest journal seq committed (0: none)."""

    def current(self, type: str, id: str) -> Current | None:  # noqa: A002 (FHIR's words)
        """The newest version, or None."""

    def current_many(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Current]:
        """The newest versions of those (type, id) that exist."""

    def body(self, seq: int) -> bytes | None:
        """Canonical bytes of a record (None: shredded or unknown)."""

    def clock(self, channel: str, before: int) -> int | None:
        """Running max event time of the channel over entries with seq < `before` (None: none had a time)."""

    def seen(self, channel: str, control_id: bytes) -> tuple[Seen, ...]:
        """Entries with this control id that have an outcome, in order."""

    def dead_letter(self, entry: int) -> StoredDeadLetter | None:
        """An unsolved dead letter."""

    def dead_letters(self) -> tuple[StoredDeadLetter, ...]:
        """All unsolved ones in order."""

    def marked(self, patients: Iterable[str]) -> frozenset[str]:
        """Those of the patients that an unsolved dead letter or an earlier hold marks."""

    def held(self, limit: int = 256) -> tuple[int, ...]:
        """Entries on hold, in order."""

    def held_for(self, patients: Iterable[str]) -> tuple[int, ...]:
        """Entries on hold because of one of the patients, in order."""

    def releasable(self, limit: int = 64) -> tuple[int, ...]:
        """Held entries, in order, none of whose patients waits for an earlier entry any more."""

    def part(self, type: str, id: str, member: str) -> StoredPart | None:  # noqa: A002 (FHIR's words)
        """One part of a resource of many messages."""

    def parts(self, type: str, id: str) -> tuple[StoredPart, ...]:  # noqa: A002 (FHIR's words)
        """All its parts, by member."""

    def growth(self, type: str, id: str) -> Growth | None:  # noqa: A002 (FHIR's words)
        """How far it has grown; None: no such resource."""

    def stale(self, received_before: int, limit: int = 1024) -> tuple[Growth, ...]:
        """Those to which something was added since they were last made, the newest of it received before that."""

    def claims(self, patient: str) -> tuple[StoredClaim, ...]:
        """What studies and documents say of a patient."""

    def cases(self, *, patient: str = "", subject: str = "", entry: int = 0, limit: int = 1024) -> tuple[Case, ...]:
        """Open contradictions of identity, by entry; all, or those of a patient, subject or entry."""

    def released(self, patient: str, subject: str, elements: tuple[str, ...]) -> bool:
        """Whether an operator has released this contradiction of this study or document."""

    def parts_waiting(self, limit: int = 256) -> tuple[tuple[int, int], ...]:
        """(entry, received_at) of parts of messages whose rest is still to come, by time of receipt."""

    def map(self, map_hash: str) -> bytes | None:
        """An effective map kept by its hash."""

    def outbound(self, after: int, limit: int = 256) -> tuple[tuple[int, Outbound], ...]:
        """(id, message) of what is to be sent, id > `after`, in the order of commit."""

    def forget_outbound(self, upto: int) -> None:
        """Let go what the queue has taken over."""

    def outcome(self, entry: int) -> StoredOutcome | None:
        """What became of a journal entry; None: not yet settled."""

    def find(
        self,
        *,
        control_id: bytes | None = None,
        term: bytes | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 256,
    ) -> tuple[StoredOutcome, ...]:
        """Outcomes that meet every condition given, newest first; times of receipt in microseconds, inclusive."""


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """`first`: offset of the first message held; `next`: the offset a reader at the end would ask for."""

    topic: str
    first: int
    next: int


@dataclass(frozen=True, slots=True)
class Message:
    """One released record as a subscriber sees it; `value` None = tombstone."""

    topic: str
    offset: int
    key: str
    headers: Mapping[str, str]
    value: bytes | None


class Topics(Protocol):
    """Released records by offset, and consumer groups with durable offsets."""

    def topics(self) -> Sequence[TopicInfo]:
        """Every topic of the tenant, in the order of GROUPS."""

    def read(self, topic: str, offset: int, count: int = 256) -> list[Message]:
        """Messages from the first offset >= `offset` on; offsets rise and may have gaps."""

    def committed(self, group: str, topic: str) -> int:
        """The offset the group reads next (0: never committed)."""

    def commit(self, group: str, topic: str, offset: int) -> None:
        """Durably note that the group reads `offset` next."""
