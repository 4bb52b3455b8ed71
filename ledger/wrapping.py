"""Wrapped keys: AES-256-GCM (NIST SP 800-38D) over a 32-byte key, bound to what it is the key of.

A wrapped key is nonce (12 bytes, random) || ciphertext (32) || tag (16). Record keys are wrapped under the key
of their patient, patient keys under the service's wrapping key: destroying one wrapped key makes what it
opens unreadable and its fingerprint unlinkable, while the log stays whole.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import WrapError

KEY_SIZE = 32
WRAPPED_SIZE = 12 + KEY_SIZE + 16


def wrap(wrapping_key: bytes, key: bytes, context: bytes) -> bytes:
    """`key` (32 bytes) under `wrapping_key` (32 bytes); `context` says whose key it is and must be given again."""
    if len(key) != KEY_SIZE:
        raise WrapError("a key has 32 bytes")
    nonce = os.urandom(12)
    return nonce + _cipher(wrapping_key).encrypt(nonce, key, context)


def unwrap(wrapping_key: bytes, wrapped: bytes, context: bytes) -> bytes:
    """The key again, or WrapError: other wrapping key, other context, damaged."""
    if len(wrapped) != WRAPPED_SIZE:
        raise WrapError("a wrapped key has 60 bytes")
    try:
        return _cipher(wrapping_key).decrypt(wrapped[:12], wrapped[12:], context)
    except InvalidTag as error:
        raise WrapError("the wrapped key does not open") from error


def _cipher(wrapping_key: bytes) -> AESGCM:
    if len(wrapping_key) != KEY_SIZE:
        raise WrapError("a wrapping key has 32 bytes")
    return AESGCM(wrapping_key)
