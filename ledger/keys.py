"""Key files: the log's signing key (Ed25519, PKCS #8 PEM, RFC 8410), the key that wraps patient keys (32 bytes).

A signing key's file begins with a line `log: <name>`, which PEM readers skip. Both files are made once, never
overwritten, readable by their owner only, and on disk before the call returns: a checkpoint signed by a key that
a power cut loses could never be continued.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from ledger.errors import KeyFileError, Malformed
from ledger.vkey import ED25519, Vkey, check_name

_NAME = b"log: "
_TENANT = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The log's key under the log's name; signs checkpoints."""

    vkey: Vkey
    private: Ed25519PrivateKey = field(repr=False)

    def sign(self, text: bytes) -> bytes:
        """64 bytes, about 30 us."""
        return self.private.sign(text)


def origin(tenant: str, token: bytes) -> str:
    """A log's name: `tabellion.<tenant>/<id>`; the random token parts a new log from an older one of the tenant."""
    if not _TENANT.fullmatch(tenant) or len(token) < 4:
        raise KeyFileError("a tenant's name is not lower-case letters, digits, dots and hyphens")
    return f"tabellion.{tenant}/{token.hex()}"


def signing_key(private: Ed25519PrivateKey, origin: str) -> SigningKey:
    """This private key as the signer of the log of this name."""
    check_name(origin)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return SigningKey(Vkey(origin, ED25519, public), private)


def create_signing_key(path: Path, origin: str) -> SigningKey:
    """A new signing key for the log of this name, in a new file of mode 0600; KeyFileError if one is there."""
    key = signing_key(Ed25519PrivateKey.generate(), origin)
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _create(path, _NAME + origin.encode() + b"\n" + pem)
    return key


def load_signing_key(path: Path) -> SigningKey:
    """The signing key of a file, under the name that stands in its first line."""
    first, _, pem = _read(path).partition(b"\n")
    if not first.startswith(_NAME):
        raise KeyFileError(f"{path.name} does not begin with the log's name")
    try:
        private = load_pem_private_key(pem, password=None)
        name = first.removeprefix(_NAME).decode()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path.name} is not an unencrypted PEM private key") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(f"{path.name} is not an Ed25519 key")
    try:
        return signing_key(private, name)
    except Malformed as error:
        raise KeyFileError(f"{path.name} names no log") from error


def create_wrapping_key(path: Path) -> None:
    """A new random wrapping key in a new file of mode 0600; KeyFileError if one is there."""
    _create(path, secrets.token_hex(32).encode() + b"\n")


def load_wrapping_key(path: Path) -> bytes:
    """The 32 bytes of a wrapping key file."""
    try:
        key = bytes.fromhex(_read(path).decode().removesuffix("\n"))
    except ValueError as error:
        raise KeyFileError(f"{path.name} is not hexadecimal") from error
    if len(key) != 32:
        raise KeyFileError(f"{path.name} does not hold 32 bytes")
    return key


def _create(path: Path, content: bytes) -> None:
    """Write aside, fsync, link: after a power cut the file is whole or not there."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(aside, path)  # unlike a rename it never replaces a key
        finally:
            os.unlink(aside)
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise KeyFileError(f"{path.name} exists; a key is never overwritten") from error
    except OSError as error:
        raise KeyFileError(f"{path.name} can't be written: {error.strerror}") from error


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise KeyFileError(f"{path.name} is open to others: its mode must be 0600")
            return file.read(16_384)
    except OSError as error:
        raise KeyFileError(f"{path.name} can't be read: {error.strerror}") from error
