"""Errors of the ledger room; a reason never holds record content or key material.

LedgerError
├── Malformed          the bytes are not of the format (the peer's fault)
├── Refused            well-formed, but it does not prove or sign what it should
│   ├── ProofRefused       a Merkle proof does not lead to the root
│   └── SignatureRefused   no valid signature by the key asked for
├── KeyFileError       a key file is missing, readable by others, or not a key
├── WrapError          a wrapped key does not open: other wrapping key, other context, damaged
└── TreeError          the stored tree does not hold what it must (ours: stop the log)
"""

from __future__ import annotations


class LedgerError(Exception):
    """Base of everything this room raises on purpose."""


class Malformed(LedgerError):
    """Bytes that are not of the format they claim."""


class Refused(LedgerError):
    """Well-formed input that does not verify."""


class ProofRefused(Refused):
    """A Merkle proof that does not lead to the root."""


class SignatureRefused(Refused):
    """No valid signature by the key asked for."""


class KeyFileError(LedgerError):
    """A key file that can't be used."""


class WrapError(LedgerError):
    """A wrapped key that does not open."""


class TreeError(LedgerError):
    """The stored tree contradicts itself."""
