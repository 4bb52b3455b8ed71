"""The audit of a data folder (`tabellion doctor`): everything is derived anew from what lies on disk.

Checks run from what others rest on upwards: folder, keys, journal, state, settings, tree, checkpoints, seals,
registers, receipts, terminology packs. The first one that isn't sound is named and ends the audit: what rests on it
says nothing more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw
import msgspec

import ledger
from pipelines import links, outbound, schema, segments
from pipelines.database import open_reader, open_writer, schema_version, unsound_settings
from pipelines.datafolder import DataFolder
from pipelines.errors import BlobMissing, FolderError, PipelineError
from pipelines.ports import Entry
from pipelines.published import read_published
from pipelines.reads import RECORD, StateReader, StoredRecord
from pipelines.registers import from_bytes, shown
from pipelines.said import canonical
from pipelines.topics import RECEIPT
from terminology import Shelf, TerminologyError

RECEIPTS_MAX = 1000  # receipts verified from end to end; all that they are made of is checked for every record


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `fault` None means sound; `checked` counts what was looked at."""

    check: str
    checked: int
    fault: str | None = None


class Unsound(PipelineError):
    """What is wrong and where, without content; inside this module only."""


Check = Callable[[DataFolder], int]


def examine(folder: DataFolder) -> Iterator[Finding]:
    """Each check in turn; ends after the first fault. Runs beside the service."""
    for name, check in CHECKS.items():
        try:
            yield Finding(name, check(folder))
        except (PipelineError, ledger.LedgerError, OSError) as error:
            yield Finding(name, 0, str(error))
            return
        except (apsw.Error, msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
            # SQLite, or the reading of a value, met bytes that nobody wrote
            yield Finding(name, 0, f"damaged: {type(error).__name__}: {error}")
            return


def first_fault(folder: DataFolder) -> Finding | None:
    """The first thing that isn't sound, or None."""
    return next((finding for finding in examine(folder) if finding.fault is not None), None)


def check_folder(folder: DataFolder) -> int:
    """Nobody else may read it."""
    found = [folder.path, *sorted(folder.path.rglob("*"))]
    for path in found:
        if path.exists() and path.stat().st_mode & 0o077 and (path.is_dir() or path.parent.name == "keys"):
            raise Unsound(f"{path.relative_to(folder.path.parent)} is open to other users")
    return len(found)


def check_keys(folder: DataFolder) -> int:
    """Every log has its signing key under its name, and every patient key opens."""
    with closing(folder.state_reader()) as state:
        for log in state.logs():
            if folder.keystore.signer(log.number).vkey.name != log.origin:
                raise Unsound(f"the signing key of log {log.number} is of another log")
        count = 0
        for number, patient, key in state.connection.execute("SELECT number, id, key FROM patient"):
            count += 1
            try:
                if key is not None:
                    folder.keystore.open_patient_key(str(patient), key)
            except ledger.WrapError as error:
                raise Unsound(f"the key of patient number {number} does not open: {error}") from error
    return count


def check_settings(folder: DataFolder) -> int:
    """Durability settings as read back from live connections, opened as the service opens them."""
    files = [(path, segments.MIGRATIONS) for path in segments.paths(folder.journal_path)[-1:]]
    files.append((folder.state_path, schema.MIGRATIONS))
    more = ((folder.outbound_path, outbound.MIGRATIONS), (folder.links_path, links.MIGRATIONS))
    files += [(path, migrations) for path, migrations in more if path.exists()]
    for path, migrations in files:
        with closing(open_writer(path, migrations)) as connection:
            wrong = unsound_settings(connection)
        if wrong:
            raise Unsound(f"{path.name}: {wrong}")
    return len(files)


def check_journal(folder: DataFolder) -> int:
    """Segments follow each other without gap, every body has its hash, every blob is there."""
    count, expected = 0, None
    for path in segments.paths(folder.journal_path):
        with closing(open_reader(path)) as connection:
            _check_file(path, connection, len(segments.MIGRATIONS))
            connection.execute("BEGIN")
            head = segments.head(connection)
            if expected is not None and head.first != expected:
                raise Unsound(f"journal/{path.name} begins at {head.first}, not at {expected}")
            expected = head.first
            for row in connection.execute(f"SELECT {segments.COLUMNS} FROM entry ORDER BY seq"):
                entry = segments.to_entry(row)
                _check_entry(folder, path, entry, expected)
                expected += 1
                count += 1
    return count


def _check_entry(folder: DataFolder, path: Path, entry: Entry, expected: int) -> None:
    if entry.seq != expected:
        raise Unsound(f"journal/{path.name}: entry {expected} is missing")
    if entry.body is not None and hashlib.sha256(entry.body).digest() != entry.sha256:
        raise Unsound(f"journal/{path.name}: the body of entry {entry.seq} has another hash than when it was kept")
    if entry.blob:
        try:
            folder.blobs.read(entry.sha256)
        except BlobMissing as error:
            raise Unsound(f"journal/{path.name}: entry {entry.seq}: {error}") from error


def check_state(folder: DataFolder) -> int:
    """The file is whole, settled entries are kept ones, current versions are records, counters are counts."""
    last = folder.journal_reader()
    with closing(folder.state_reader()) as state, closing(last) as journal:
        _check_file(folder.state_path, state.connection, len(schema.MIGRATIONS))
        cursor = state.cursor()
        if cursor > journal.last():
            raise Unsound(f"the state has settled entry {cursor}, the journal ends at {journal.last()}")
        for query, text in _STATE_FAULTS:
            row = next(iter(state.connection.execute(query)), None)
            if row is not None:
                raise Unsound(text.format(*row))
        for row in state.connection.execute("SELECT entry, body, sha256 FROM dead_letter WHERE body IS NOT NULL"):
            if hashlib.sha256(row[1]).digest() != row[2]:
                raise Unsound(f"the body of dead letter {row[0]} has another hash than when it was kept")
        return cursor


_STATE_FAULTS = (
    (
        "SELECT e.seq FROM entry e, counter c WHERE c.name='cursor' AND e.seq>c.value LIMIT 1",
        "entry {0} has an outcome, but lies behind the cursor",
    ),
    (
        "SELECT n.seq FROM (SELECT seq, lag(seq, 1, -1) OVER (ORDER BY seq) AS before FROM record) n"
        " WHERE n.seq<>n.before+1 LIMIT 1",
        "record {0} does not follow the one before it",
    ),
    (
        "SELECT r.seq FROM record r LEFT JOIN entry e ON e.seq=r.entry WHERE e.seq IS NULL LIMIT 1",
        "record {0} comes from an entry that has no outcome",
    ),
    (
        "SELECT c.seq, c.type FROM current c LEFT JOIN record r ON r.seq=c.seq"
        " WHERE r.seq IS NULL OR r.id<>c.id OR r.type<>c.type OR r.version<>c.version OR r.op<>c.op LIMIT 1",
        "the current version of a {1} is not record {0}",
    ),
    (
        "SELECT c.name, c.value FROM counter c WHERE c.name IN ('settled', 'unchanged', 'dead', 'held', 'action',"
        " 'part', 'joined') AND c.value<>(SELECT count(*) FROM entry e WHERE e.status=c.name) LIMIT 1",
        "the counter {0} says {1}, the entries say otherwise",
    ),
    (
        "SELECT e.seq FROM entry e LEFT JOIN dead_letter d ON d.entry=e.seq WHERE (e.status='dead')<>(d.entry IS NOT"
        " NULL) LIMIT 1",
        "entry {0} and its dead letter disagree",
    ),
)


def check_tree(folder: DataFolder) -> int:
    """The root derived anew from the stored leaves, node by node."""
    with closing(folder.state_reader()) as state:
        state.connection.execute("BEGIN")
        leaves = (ledger.leaf_hash(row[0]) for row in state.connection.execute("SELECT leaf FROM record ORDER BY seq"))
        audit = ledger.rederive(state.connection, leaves)
        if audit.fault is not None:
            raise Unsound(audit.fault)
        return audit.head.size


def check_checkpoints(folder: DataFolder) -> int:
    """Every checkpoint is signed by its log's key over the root of its size; the published one is among them."""
    with closing(folder.state_reader()) as state:
        state.connection.execute("BEGIN")
        keys = {log.number: folder.keystore.signer(log.number).vkey for log in state.logs()}
        count, size = 0, state.size()
        covered = -1
        for number, covered, text in state.connection.execute(
            "SELECT log, size, checkpoint FROM batch ORDER BY log, size"
        ):
            checkpoint, note = ledger.parse_checkpoint(str(text).encode())
            what = f"checkpoint of size {covered}"
            if (checkpoint.origin, checkpoint.size) != (keys[int(str(number))].name, covered):
                raise Unsound(f"{what}: it is of another log or size")
            note.check(keys[int(str(number))])
            if checkpoint.root != ledger.root(state.connection, checkpoint.size):
                raise Unsound(f"{what}: the tree has another root")
            count += 1
        if size and covered != size:
            raise Unsound(f"the last checkpoint covers {covered} records of {size}")
        _check_published(folder, state)
        return count


def _check_published(folder: DataFolder, state: StateReader) -> None:
    # read before the tree's size: a running service publishes after it has committed
    published = read_published(folder.published)
    if published is None:
        if state.size():
            raise Unsound("the file of the last published checkpoint is missing")
        return
    with closing(folder.state_reader()) as now:
        log, checkpoint = now.log(), published.checkpoint
        if checkpoint.origin != log.origin:
            raise Unsound("the last published checkpoint is of another log")
        published.note.check(folder.keystore.signer(log.number).vkey)
        if checkpoint.size > now.size():
            raise Unsound(f"the database holds {now.size()} records, a checkpoint of {checkpoint.size} was published")
        if checkpoint.root != ledger.root(now.connection, checkpoint.size):
            raise Unsound("the last published checkpoint has another root than the tree")


def check_seals(folder: DataFolder) -> int:
    """Commitments computed anew wherever the bytes are held, and the digest that settle compares with."""
    keys: dict[str | None, bytes] = {}
    with closing(folder.state_reader()) as state:
        state.connection.execute("BEGIN")
        count = 0
        for row in state.connection.execute(RECORD + "ORDER BY r.seq"):
            record = StoredRecord(*row)
            _check_names(record)
            if record.body is None or record.key is None or record.patient_key is None:
                continue
            if record.patient not in keys:
                keys[record.patient] = folder.keystore.open_patient_key(record.patient or "", record.patient_key)
            _check_seal(record, keys[record.patient])
            count += 1
        for seq, digest, body in state.connection.execute(
            "SELECT c.seq, c.digest, r.body FROM current c JOIN record r ON r.seq=c.seq WHERE r.body IS NOT NULL"
        ):
            if hashlib.sha256(body).digest() != digest:
                raise Unsound(f"record {seq}: the digest of the current version is not that of its bytes")
        return count


def check_registers(folder: DataFolder) -> int:
    """What settle knows of each resource, element by element, shows exactly the bytes that were sealed."""
    with closing(folder.state_reader()) as state:
        count = 0
        query = "SELECT seq, type, id, digest, registers FROM current WHERE length(registers)>0"
        for seq, type_, id_, digest, registers in state.connection.execute(query):
            body = canonical(str(type_), str(id_), shown(from_bytes(registers)))
            if hashlib.sha256(body).digest() != digest:
                raise Unsound(f"record {seq}: the registers of the current version show something else than its bytes")
            count += 1
        return count


def _check_names(record: StoredRecord) -> None:
    if not isinstance(json.loads(record.headers), dict):
        raise Unsound(f"record {record.seq}: its headers are not an object")


def _check_seal(record: StoredRecord, patient_key: bytes) -> None:
    what = f"record {record.seq} ({record.type}/{record.id} version {record.version})"
    try:
        key = ledger.unwrap(patient_key, record.key or b"", (record.patient or "").encode())
        header = ledger.Header(record.type, record.id, str(record.version), ledger.parse_leaf(record.leaf).institution)
        sound = ledger.check_seal(key, header, record.body or b"", record.leaf)
    except ledger.LedgerError as error:
        raise Unsound(f"{what}: {error}") from error
    if not sound:
        raise Unsound(f"{what}: its bytes are not what was sealed")


def check_receipts(folder: DataFolder) -> int:
    """Receipts as subscribers get them, verified as they would: all of a small log, evenly spread ones of a large."""
    with closing(folder.topics()) as topics, closing(folder.state_reader()) as state:
        log = state.log()
        key = str(folder.keystore.signer(log.number).vkey)
        released = topics.released()
        step = max(1, -(-released // RECEIPTS_MAX))
        count = 0
        for seq in sorted({*range(0, released, step), *range(max(0, released - 1), released)}):
            message = topics.message(seq)
            if message is None:
                raise Unsound(f"record {seq} is released, but no topic shows it")
            receipt = message.headers.get(RECEIPT)
            if receipt is None or message.value is None:
                continue  # forgotten: nothing can be proved of it any more
            verdict = ledger.verify_record(message.value, receipt.encode(), key)
            if not verdict.valid:
                raise Unsound(f"the receipt of record {seq} does not verify: {verdict.text}")
            count += 1
        return count


def _check_file(path: Path, connection: apsw.Connection, version: int) -> None:
    found = schema_version(connection)
    if found != version:
        raise FolderError(f"{path.name} has schema version {found}, not {version}")
    for row in connection.execute("PRAGMA quick_check(1)"):
        if row[0] != "ok":
            raise Unsound(f"{path.name} is damaged: {row[0]}")


def check_packs(folder: DataFolder) -> int:
    """Imported terminology packs are the files that were installed."""
    shelf = Shelf(folder.packs_path)
    try:
        entries = [entry for entry in shelf.entries() if not entry.built_in]
        for entry in entries:
            shelf.open(entry, check=True)
    except TerminologyError as error:
        raise Unsound(str(error)) from error
    finally:
        shelf.close()
    return len(entries)


CHECKS: dict[str, Check] = {
    "folder": check_folder,
    "keys": check_keys,
    "journal": check_journal,
    "state": check_state,
    "settings": check_settings,
    "tree": check_tree,
    "checkpoints": check_checkpoints,
    "seals": check_seals,
    "registers": check_registers,
    "receipts": check_receipts,
    "packs": check_packs,
}
