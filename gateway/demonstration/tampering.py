"""Three ways to tamper, each on a copy: a record, a receipt, the log on disk; and who notices."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import ledger
from pipelines.datafolder import DataFolder, open_folder
from pipelines.doctor import first_fault
from pipelines.ports import Message
from pipelines.topics import RECEIPT

__all__ = ["Attempt", "tamper"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was changed, who looked, and what they said; `found` False means that nobody noticed."""

    what: str
    by: str
    said: str
    found: bool


def tamper(folder: DataFolder, message: Message, key: str) -> Iterator[Attempt]:
    """Flip one byte of a record, of its receipt, and of the log on disk."""
    assert message.value is not None
    receipt = message.headers[RECEIPT].encode()
    for what, value, paper in (
        ("a byte of a record", _flipped(message.value), receipt),
        ("a byte of a receipt", message.value, _flipped(receipt)),
    ):
        verdict = ledger.verify_record(value, paper, key)
        yield Attempt(what, "verify", verdict.text, not verdict.valid)
    yield _log_on_disk(folder)


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _log_on_disk(folder: DataFolder) -> Attempt:
    with TemporaryDirectory(prefix="tabellion-demo-") as name:
        copy = Path(name) / "copy"
        shutil.copytree(folder.path, copy, ignore=shutil.ignore_patterns("lock"))
        state = open_folder(copy).state_reader()
        record = state.record(state.size() // 2)
        state.close()
        assert record is not None
        changed = 0
        for path in sorted(copy.glob("state.sqlite*")):
            data = path.read_bytes()
            changed += data.count(record.leaf)
            path.write_bytes(data.replace(record.leaf, _flipped(record.leaf)))
        finding = first_fault(open_folder(copy))
        said = f"{finding.check}: {finding.fault}" if finding else "nothing"
        return Attempt("a byte of the log on disk", "doctor", said, bool(changed) and finding is not None)
