"""Offline proof of one leaf (c2sp.org/tlog-proof@v1): index, hashes from the leaf to the root, signed checkpoint.

c2sp.org/tlog-proof@v1
extra <base64>            (optional, not authenticated)
index <decimal>
<base64 hash>             (0 to 63 lines)
<blank line>
<checkpoint>
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import b64, checkpoint, merkle
from ledger.checkpoint import Checkpoint
from ledger.errors import Malformed
from ledger.note import LIMIT, Note

MOST_HASHES = 63
_FIRST_LINE = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class TlogProof:
    """`path` runs from the leaf to the root; `signed` is the checkpoint's note, byte for byte."""

    index: int
    path: tuple[bytes, ...]
    signed: bytes
    extra: bytes | None = None

    def to_bytes(self) -> bytes:
        """The text as it travels."""
        lines = [_FIRST_LINE]
        if self.extra is not None:
            lines.append(f"extra {b64.encode(self.extra)}")
        lines.append(f"index {self.index}")
        lines.extend(map(b64.encode, self.path))
        return "\n".join([*lines, "", ""]).encode() + self.signed

    def checkpoint(self) -> tuple[Checkpoint, Note]:
        """The checkpoint and the note that carries it."""
        return checkpoint.parse(self.signed)

    def check_leaf(self, leaf_hash: bytes) -> Checkpoint:
        """The checkpoint that holds this leaf; ProofRefused otherwise. Signatures are the caller's business."""
        head, _ = self.checkpoint()
        merkle.verify_inclusion(leaf_hash, self.index, head.size, self.path, head.root)
        return head


def parse(data: bytes) -> TlogProof:
    """A proof from its bytes, with its checkpoint in good form; nothing is verified."""
    if len(data) > LIMIT:
        raise Malformed("tlog-proof: too long")
    head, blank, signed = data.partition(b"\n\n")
    try:
        lines = head.decode().split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("tlog-proof: not UTF-8") from error
    if not blank or lines.pop(0) != _FIRST_LINE:
        raise Malformed("tlog-proof: no such first line, or no blank line")
    extra = _after("extra ", lines.pop(0)) if lines and lines[0].startswith("extra ") else None
    index = _after("index ", lines.pop(0) if lines else "")
    if len(lines) > MOST_HASHES:
        raise Malformed("tlog-proof: too many hashes")
    proof = TlogProof(
        index=checkpoint.parse_number(index),
        path=tuple(map(b64.decode_hash, lines)),
        signed=signed,
        extra=None if extra is None else b64.decode(extra),
    )
    proof.checkpoint()
    return proof


def _after(prefix: str, line: str) -> str:
    if not line.startswith(prefix):
        raise Malformed(f"tlog-proof: no line {prefix.strip()}")
    return line.removeprefix(prefix)
