"""The file of the last published checkpoint: guard against a fork, and watermark of what is released."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ledger
from pipelines.errors import FolderError

LIMIT = 65_536  # bytes


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint with the text that carries its signatures."""

    checkpoint: ledger.Checkpoint
    note: ledger.Note
    text: str


def read_published(path: Path) -> Published | None:
    """The last published checkpoint; None: none yet; FolderError if the file is not one."""
    try:
        with path.open("rb") as stream:
            data = stream.read(LIMIT)
    except FileNotFoundError:
        return None
    try:
        checkpoint, note = ledger.parse_checkpoint(data)
    except ledger.LedgerError as error:
        raise FolderError(f"the file of the last published checkpoint, {path.name}, is damaged: {error}") from error
    return Published(checkpoint, note, data.decode())
