"""Base64 as C2SP texts use it (RFC 4648 section 4): one text per value, anything else is Malformed."""

from __future__ import annotations

import binascii

from ledger.errors import Malformed


def encode(data: bytes) -> str:
    """Padded, on one line."""
    return binascii.b2a_base64(data, newline=False).decode()


def decode(text: str) -> bytes:
    """The inverse of `encode`; refuses stray characters and unused bits that are not zero."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise Malformed("not base64") from error
    if encode(data) != text:
        raise Malformed("not the base64 of any bytes")
    return data


def decode_hash(text: str) -> bytes:
    """A SHA-256 hash."""
    data = decode(text)
    if len(data) != 32:
        raise Malformed("a hash has not 32 bytes")
    return data
