"""Receipt: all that checking one record offline needs; canonical JSON {alg, header, leaf, proof, salt}.

`leaf` and `proof` are texts (the leaf's bytes, the tlog-proof), `salt` lower-case hex, `header` the private
header. Never the record's key; as confidential as its record. Format: docs/ledger.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger import canonical, leaf, tlog_proof
from ledger.commitment import ALG, Header, header_from_members
from ledger.errors import Malformed
from ledger.leaf import Leaf
from ledger.tlog_proof import TlogProof

LIMIT = 262_144  # bytes
_NAMES = ("alg", "leaf", "proof", "salt")
_SALT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """`leaf` the leaf's bytes, `salt` 32 bytes, the header as sealed, the proof up to a signed checkpoint."""

    leaf: bytes
    salt: bytes
    header: Header
    proof: TlogProof

    def to_bytes(self) -> bytes:
        """The receipt file, and the header `tabellion-receipt` of a topic message."""
        return canonical.encode(
            {
                "alg": ALG,
                "header": self.header.members(),
                "leaf": self.leaf.decode(),
                "proof": self.proof.to_bytes().decode(),
                "salt": self.salt.hex(),
            }
        )

    def parsed_leaf(self) -> Leaf:
        """The leaf's parts."""
        return leaf.parse(self.leaf)


def parse(data: bytes) -> Receipt:
    """A receipt from its bytes, every part of it in good form; nothing is verified.

    Only the canonical form is a receipt and it has no unauthenticated `extra`: whatever byte is changed, the
    receipt is Malformed or says something else that the verifier checks.
    """
    members = canonical.decode(data, LIMIT)
    header = header_from_members(members.pop("header", None))
    alg, leaf_text, proof_text, salt = canonical.texts(members, _NAMES)
    if alg != ALG:
        raise Malformed("receipt: unknown alg")
    if not _SALT.fullmatch(salt):
        raise Malformed("receipt: salt is not 64 lower-case hexadecimal digits")
    leaf.parse(leaf_text.encode())
    proof = tlog_proof.parse(proof_text.encode())
    if proof.extra is not None:
        raise Malformed("receipt: its proof has an extra line")
    return Receipt(leaf_text.encode(), bytes.fromhex(salt), header, proof)
