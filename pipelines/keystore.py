"""The secrets of a data folder (architecture: "Identity of resources", "Bytes"), all files 0600 in a folder 0700.

keys/log-000001.key   signing key of log 1; its name inside is the log's origin; a new log gets its own
keys/master.key       wraps the patients' keys; without it no receipt can be made any more
keys/namespace.key    the secret UUID under which resource ids are made; never rotated
"""

from __future__ import annotations

import secrets
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import apsw

import ledger
from pipelines.database import write_durably
from pipelines.errors import FolderError

NOBODY = ""  # whose key wraps the keys of records without a patient
KNOWN_MAX = 8192


@dataclass(frozen=True, slots=True)
class LogNames:
    """Name of a log and of the publisher that sends its records on."""

    number: int
    origin: str
    publisher: str


class Keystore:
    """The keys folder of one tenant, loaded; `institution` stands in every leaf."""

    def __init__(self, folder: Path, tenant: str, institution: str) -> None:
        self._folder = folder
        self.tenant = tenant
        self.institution = institution
        self.master = ledger.load_wrapping_key(folder / "master.key")
        self.namespace = _load_namespace(folder / "namespace.key")

    @staticmethod
    def create(folder: Path) -> None:
        """Make what is missing; never overwrites. Called with the folder held for itself alone."""
        if not (folder / "master.key").exists():
            ledger.create_wrapping_key(folder / "master.key")
        if not (folder / "namespace.key").exists():
            write_durably(folder / "namespace.key", f"{uuid.uuid4()}\n".encode())

    def _key_file(self, number: int) -> Path:
        return self._folder / f"log-{number:06}.key"

    def new_log(self, number: int) -> LogNames:
        """Names for log `number`; its signing key is made and durable before the name is used anywhere."""
        if not self._key_file(number).exists():
            ledger.create_signing_key(self._key_file(number), ledger.origin(self.tenant, secrets.token_bytes(8)))
        return LogNames(number, self.signer(number).vkey.name, f"publisher-{secrets.token_hex(8)}")

    def signer(self, number: int) -> ledger.SigningKey:
        """The signing key of log `number`; the log's origin is its name."""
        return ledger.load_signing_key(self._key_file(number))

    def open_record_key(self, patient: str | None, patient_key: bytes, key: bytes) -> bytes:
        """The key of a record from its two wrappings."""
        whose = patient or NOBODY
        return ledger.unwrap(self.open_patient_key(whose, patient_key), key, whose.encode())

    def open_patient_key(self, patient: str, wrapped: bytes) -> bytes:
        """A patient's key."""
        return ledger.unwrap(self.master, wrapped, patient.encode())


def _load_namespace(path: Path) -> uuid.UUID:
    try:
        return uuid.UUID(path.read_text(encoding="ascii").strip())
    except FileNotFoundError as error:
        raise FolderError(f"keys/{path.name} is missing: bring it back from a backup") from error
    except ValueError as error:
        raise FolderError(f"keys/{path.name} is damaged: bring it back from a backup") from error


class PatientKeys:
    """The patients' keys as the writer uses them: made at first sight, stored wrapped, a bounded number held open."""

    def __init__(self, connection: apsw.Connection, keystore: Keystore) -> None:
        self._connection = connection
        self._keystore = keystore
        self._known: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._new: list[str] = []

    def wrap(self, patient: str | None, record_key: bytes) -> tuple[int, bytes]:
        """Number of the patient and the record's key wrapped by the patient's."""
        whose = patient or NOBODY
        found = self._known.get(whose)
        if found is None:
            found = self._known[whose] = self._load(whose) or self._make(whose)
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        number, key = found
        return number, ledger.wrap(key, record_key, whose.encode())

    def _load(self, patient: str) -> tuple[int, bytes] | None:
        row = self._connection.execute("SELECT number, key FROM patient WHERE id=?", (patient,)).fetchone()
        if row is None or row[1] is None:
            return None
        return row[0], self._keystore.open_patient_key(patient, row[1])

    def _make(self, patient: str) -> tuple[int, bytes]:
        """A new key; a forgotten patient who comes back gets a new one, too, and the old records stay shut."""
        key = secrets.token_bytes(32)
        wrapped = ledger.wrap(self._keystore.master, key, patient.encode())
        (number,) = self._connection.execute(
            "INSERT INTO patient(id, key) VALUES (?,?) ON CONFLICT(id) DO UPDATE SET key=excluded.key RETURNING number",
            (patient, wrapped),
        ).fetchall()[0]
        self._new.append(patient)
        return int(str(number)), key

    def keep_new(self) -> None:
        """The transaction was committed."""
        self._new.clear()

    def forget_new(self) -> None:
        """The transaction was rolled back: keys made in it were never stored."""
        for patient in self._new:
            self._known.pop(patient, None)
        self._new.clear()
