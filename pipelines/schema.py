"""State's tables (architecture: "One `record` table"), as ordered migrations.

A row of `record` is the store's version, the log's leaf (index = seq), the outbox entry and the topic's message
(offset = seq). `previous` chains the versions of one resource, so that no index has to grow with random ids over
the fat table; only `current`, one row per resource, is looked up by id.
"""

from __future__ import annotations

from ledger import MIGRATIONS as LEDGER_MIGRATIONS
from terminology import MIGRATIONS as WORKLIST_MIGRATIONS

_TABLES = """
CREATE TABLE log(
    number INTEGER PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE, publisher TEXT NOT NULL UNIQUE,
    first_size INTEGER NOT NULL,      -- leaves in the tree when this log began
    previous TEXT NOT NULL            -- last checkpoint of the log before it, '' for the first
) STRICT;
CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE patient(
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    key BLOB                          -- wrapped by the master key; NULL once forgotten
) STRICT;
CREATE TABLE record(
    seq INTEGER PRIMARY KEY,
    type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, op TEXT NOT NULL,
    topic INTEGER NOT NULL,           -- place in ports.GROUPS
    patient INTEGER,                  -- patient.number
    entry INTEGER NOT NULL,           -- journal seq
    previous INTEGER,                 -- seq of the version before
    leaf BLOB NOT NULL,
    key BLOB,                         -- record key wrapped by the patient's; NULL once forgotten
    headers TEXT NOT NULL,
    body BLOB                         -- canonical bytes; NULL once forgotten
) STRICT;
CREATE INDEX record_topic ON record(topic, seq);
CREATE INDEX record_entry ON record(entry);
CREATE INDEX record_patient ON record(patient, seq);
CREATE TABLE current(
    id TEXT NOT NULL, type TEXT NOT NULL,
    seq INTEGER NOT NULL, version INTEGER NOT NULL, op TEXT NOT NULL, patient INTEGER,
    digest BLOB NOT NULL, registers BLOB NOT NULL,
    PRIMARY KEY (id, type)
) STRICT;
CREATE TABLE batch(
    log INTEGER NOT NULL, size INTEGER NOT NULL, -- leaves after the batch
    checkpoint TEXT NOT NULL,
    PRIMARY KEY (log, size)
) STRICT, WITHOUT ROWID;
CREATE TABLE entry(
    seq INTEGER PRIMARY KEY,
    channel TEXT NOT NULL, format TEXT NOT NULL, control_id BLOB NOT NULL, sha256 BLOB NOT NULL,
    received_at INTEGER NOT NULL, status TEXT NOT NULL, type TEXT NOT NULL,
    event_time INTEGER, clock INTEGER, map_hash TEXT NOT NULL,
    unchanged INTEGER NOT NULL, detail BLOB NOT NULL
) STRICT;
CREATE INDEX entry_control ON entry(control_id, channel);
CREATE INDEX entry_clock ON entry(channel, seq, clock);
CREATE INDEX entry_time ON entry(received_at);
CREATE TABLE term(                    -- keyed hashes of patient identifiers
    hash BLOB NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (hash, entry)
) STRICT, WITHOUT ROWID;
CREATE TABLE dead_letter(             -- with the journal's row, whole: the segment may be dropped
    entry INTEGER PRIMARY KEY,
    cause TEXT NOT NULL, place TEXT NOT NULL, text TEXT NOT NULL, attempts INTEGER NOT NULL,
    kind TEXT NOT NULL, channel TEXT NOT NULL, format TEXT NOT NULL, control_id BLOB NOT NULL, sha256 BLOB NOT NULL,
    received_at INTEGER NOT NULL, peer TEXT NOT NULL, facts TEXT NOT NULL, size INTEGER NOT NULL,
    body BLOB, blob INTEGER NOT NULL, seed BLOB NOT NULL, changed INTEGER NOT NULL
) STRICT;
CREATE TABLE waiting(                 -- which patients a dead letter marks ('mark') or an entry waits for ('hold')
    patient TEXT NOT NULL, entry INTEGER NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (patient, entry, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_entry ON waiting(entry);
CREATE TABLE merge(
    retired TEXT NOT NULL, surviving TEXT NOT NULL, entry INTEGER NOT NULL,
    PRIMARY KEY (retired, surviving, entry)
) STRICT, WITHOUT ROWID;
CREATE TABLE map(hash TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
"""

_OUTBOUND = """
CREATE TABLE outbound(                -- messages of ours, in the transaction of what they speak of (see outbound)
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER NOT NULL,           -- journal seq
    channel TEXT NOT NULL, control_id BLOB NOT NULL,
    sender BLOB NOT NULL, peer TEXT NOT NULL, -- whom it is for: MSH-3 and MSH-4, address of the connection
    body BLOB NOT NULL, created_at INTEGER NOT NULL
) STRICT;
"""

_GROWING = """
CREATE TABLE part(                    -- what each message adds to a resource of many messages
    type TEXT NOT NULL, id TEXT NOT NULL, member TEXT NOT NULL,
    time INTEGER NOT NULL, channel TEXT NOT NULL, place INTEGER NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY (type, id, member)
) STRICT;
CREATE TABLE growth(
    type TEXT NOT NULL, id TEXT NOT NULL,
    members INTEGER NOT NULL, folded INTEGER NOT NULL, stale INTEGER NOT NULL, received INTEGER NOT NULL,
    PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX growth_stale ON growth(received) WHERE stale=1;
"""

_IDENTITY = """
CREATE TABLE claim(                   -- what each study or document says of its patient (see identity)
    patient TEXT NOT NULL, subject TEXT NOT NULL, entry INTEGER NOT NULL, channel TEXT NOT NULL, person BLOB NOT NULL,
    PRIMARY KEY (patient, subject)
) STRICT, WITHOUT ROWID;
CREATE TABLE identity_case(           -- where it contradicts who the patient is known to be
    entry INTEGER PRIMARY KEY,
    channel TEXT NOT NULL, patient TEXT NOT NULL, subject TEXT NOT NULL, elements TEXT NOT NULL,
    held INTEGER NOT NULL, verdict TEXT NOT NULL
) STRICT;
CREATE INDEX identity_subject ON identity_case(subject, verdict);
CREATE INDEX identity_patient ON identity_case(patient) WHERE verdict='';
"""

_CONTINUED = """
CREATE INDEX entry_part ON entry(received_at) WHERE status='part'; -- parts whose rest is still to come
"""

MIGRATIONS = (
    _TABLES + "".join(LEDGER_MIGRATIONS),
    "".join(WORKLIST_MIGRATIONS),
    _OUTBOUND,
    _GROWING,
    _IDENTITY,
    _CONTINUED,
)
OUTBOUND_SINCE = 3  # the version that has the table
GROWING_SINCE = 4
IDENTITY_SINCE = 5
