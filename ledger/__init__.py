"""The ledger room: commitments, the Merkle log, checkpoints, receipts and their offline check; deals in bytes.

Everything here needs the standard library and `cryptography` only; SQL functions take an open connection
and never commit. Formats: docs/ledger.md.
"""

from __future__ import annotations

from ledger.commitment import ALG, Header
from ledger.errors import (
    KeyFileError,
    LedgerError,
    Malformed,
    ProofRefused,
    Refused,
    SignatureRefused,
    TreeError,
    WrapError,
)
from ledger.leaf import Leaf
from ledger.merkle import Frontier, leaf_hash, verify_consistency, verify_inclusion
from ledger.seal import Seal, seal
from ledger.tree import (
    MIGRATIONS,
    Audit,
    Head,
    append,
    consistency,
    inclusion,
    inclusions,
    rederive,
    root,
    size,
)

__all__ = [
    "ALG",
    "MIGRATIONS",
    "Audit",
    "Frontier",
    "Head",
    "Header",
    "KeyFileError",
    "Leaf",
    "LedgerError",
    "Malformed",
    "ProofRefused",
    "Refused",
    "Seal",
    "SignatureRefused",
    "TreeError",
    "WrapError",
    "append",
    "consistency",
    "inclusion",
    "inclusions",
    "leaf_hash",
    "rederive",
    "root",
    "seal",
    "size",
    "verify_consistency",
    "verify_inclusion",
]
