"""Checkpoints of the log (c2sp.org/tlog-checkpoint): origin, size and root as three lines of a signed note."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger import b64, note
from ledger.errors import Malformed
from ledger.note import Note, Signer
from ledger.vkey import check_name

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log `origin` had `size` leaves under this root. No extension lines."""

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64.encode(self.root)}\n"


def parse_text(text: str) -> Checkpoint:
    """A checkpoint from the text of a note."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise Malformed("checkpoint: not three lines")
    origin, size, root = lines[:3]
    if not origin:
        raise Malformed("checkpoint: no origin")
    return Checkpoint(origin, parse_number(size), b64.decode_hash(root))


def parse_number(text: str) -> int:
    """A size or index: decimal, no leading zero, below 2^63."""
    if not _SIZE.fullmatch(text) or int(text) >= 1 << 63:
        raise Malformed("not a decimal number")
    return int(text)


def parse(data: bytes) -> tuple[Checkpoint, Note]:
    """A checkpoint and the note that carries it; says nothing about its signatures."""
    carrier = note.parse(data)
    return parse_text(carrier.text), carrier


def sign(checkpoint: Checkpoint, *signers: Signer) -> bytes:
    """The signed note of a checkpoint."""
    check_name(checkpoint.origin)
    return note.sign(checkpoint.to_text(), signers).to_bytes()
