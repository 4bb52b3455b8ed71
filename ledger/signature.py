"""What a signature line holds, by key type (c2sp.org/signed-note "Signature types", c2sp.org/tlog-cosignature).

0x01  Ed25519 over the note's text
0x04  time (u64 big-endian seconds) || Ed25519 over "cosignature/v1", "time N", the note's text
0x06  time || ML-DSA-44 over a binary form of name, time, origin, size and root of the checkpoint
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger import b64
from ledger.errors import Malformed, SignatureRefused
from ledger.vkey import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, Vkey


def check(key: Vkey, text: str, value: bytes) -> None:
    """Refuse unless `value` is this key's signature over a note's text."""
    verifier = _VERIFIERS.get(key.type)
    if verifier is None:
        raise SignatureRefused(f"signatures of key type {key.type:#04x} can't be checked here")
    try:
        verifier(key, text, value)
    except (InvalidSignature, ValueError) as error:
        raise SignatureRefused("the signature is not valid") from error


def _ed25519(key: Vkey, text: str, value: bytes) -> None:
    Ed25519PublicKey.from_public_bytes(key.public).verify(value, text.encode())


def _cosignature(key: Vkey, text: str, value: bytes) -> None:
    message = f"cosignature/v1\ntime {time_of(value)}\n{text}"
    Ed25519PublicKey.from_public_bytes(key.public).verify(value[8:], message.encode())


def _ml_dsa_44(key: Vkey, text: str, value: bytes) -> None:
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
    except ImportError as error:  # cryptography before 47
        raise SignatureRefused("this version of cryptography has no ML-DSA-44") from error
    lines = text.split("\n")
    if len(lines) != 4:
        raise SignatureRefused("the note is not a checkpoint")
    origin, size, root = lines[0].encode(), lines[1], lines[2]
    try:
        message = b"".join(
            (
                b"subtree/v1\n\0",
                _short(key.name.encode()),
                time_of(value).to_bytes(8, "big"),
                _short(origin),
                bytes(8),
                int(size).to_bytes(8, "big"),
                b64.decode_hash(root),
            )
        )
        MLDSA44PublicKey.from_public_bytes(key.public).verify(value[8:], message)
    except (Malformed, OverflowError, UnsupportedAlgorithm) as error:
        raise SignatureRefused("the note is not a checkpoint, or ML-DSA-44 is not supported") from error


def _short(name: bytes) -> bytes:
    return len(name).to_bytes(1, "big") + name


def time_of(value: bytes) -> int:
    """The time of a cosignature, seconds since 1970."""
    if len(value) < 8:
        raise SignatureRefused("a cosignature is too short")
    return int.from_bytes(value[:8], "big")


_VERIFIERS: dict[int, Callable[[Vkey, str, bytes], None]] = {
    ED25519: _ed25519,
    COSIGNATURE_ED25519: _cosignature,
    COSIGNATURE_ML_DSA_44: _ml_dsa_44,
}
