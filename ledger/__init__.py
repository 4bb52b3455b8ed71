"""The ledger room: commitments, the Merkle log, checkpoints, receipts and their offline check; deals in bytes.

Everything here needs the standard library and `cryptography` only; SQL functions take an open connection
and never commit. Formats: docs/ledger.md.
"""

from __future__ import annotations

from ledger.checkpoint import Checkpoint
from ledger.checkpoint import parse as parse_checkpoint
from ledger.checkpoint import sign as sign_checkpoint
from ledger.commitment import ALG, Header, salt
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
from ledger.keys import (
    SigningKey,
    create_signing_key,
    create_wrapping_key,
    load_signing_key,
    load_wrapping_key,
    origin,
)
from ledger.leaf import Leaf
from ledger.leaf import parse as parse_leaf
from ledger.merkle import Frontier, leaf_hash, verify_consistency, verify_inclusion
from ledger.note import Note
from ledger.note import parse as parse_note
from ledger.receipt import Receipt
from ledger.receipt import parse as parse_receipt
from ledger.sealing import Seal, check_seal, seal
from ledger.spliced import splice
from ledger.tlog_proof import TlogProof
from ledger.tlog_proof import parse as parse_tlog_proof
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
from ledger.verify import Reason, Verdict
from ledger.verify import verify as verify_record
from ledger.vkey import Vkey
from ledger.vkey import parse as parse_vkey
from ledger.wrapping import unwrap, wrap

__all__ = [
    "ALG",
    "MIGRATIONS",
    "Audit",
    "Checkpoint",
    "Frontier",
    "Head",
    "Header",
    "KeyFileError",
    "Leaf",
    "LedgerError",
    "Malformed",
    "Note",
    "ProofRefused",
    "Reason",
    "Receipt",
    "Refused",
    "Seal",
    "SignatureRefused",
    "SigningKey",
    "TlogProof",
    "TreeError",
    "Verdict",
    "Vkey",
    "WrapError",
    "append",
    "check_seal",
    "consistency",
    "create_signing_key",
    "create_wrapping_key",
    "inclusion",
    "inclusions",
    "leaf_hash",
    "load_signing_key",
    "load_wrapping_key",
    "origin",
    "parse_checkpoint",
    "parse_leaf",
    "parse_note",
    "parse_receipt",
    "parse_tlog_proof",
    "parse_vkey",
    "rederive",
    "root",
    "salt",
    "seal",
    "sign_checkpoint",
    "size",
    "splice",
    "unwrap",
    "verify_consistency",
    "verify_inclusion",
    "verify_record",
    "wrap",
]
