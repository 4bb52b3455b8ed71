"""Key files: made once, for the owner only, and refused if they are anything else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from ledger import keys, note
from ledger.errors import KeyFileError, Malformed, WrapError
from ledger.vkey import ED25519
from ledger.wrapping import WRAPPED_SIZE, unwrap, wrap

ORIGIN = "tabellion.default/0a1b2c3d"


def test_a_signing_key_comes_back_from_its_file(tmp_path: Path) -> None:
    made = keys.create_signing_key(tmp_path / "log.key", ORIGIN)
    loaded = keys.load_signing_key(tmp_path / "log.key")
    assert loaded.vkey == made.vkey
    assert (loaded.vkey.name, loaded.vkey.type) == (ORIGIN, ED25519)
    note.sign("text\n", [loaded]).check(made.vkey)
    assert stat.S_IMODE((tmp_path / "log.key").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["log.key"]
    assert "PRIVATE" not in repr(made)
    load_pem_private_key((tmp_path / "log.key").read_bytes(), password=None)  # readable with other tools


def test_a_wrapping_key_comes_back_from_its_file(tmp_path: Path) -> None:
    keys.create_wrapping_key(tmp_path / "wrap.key")
    assert len(keys.load_wrapping_key(tmp_path / "wrap.key")) == 32
    assert stat.S_IMODE((tmp_path / "wrap.key").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    keys.create_signing_key(path, ORIGIN)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="never overwritten"):
        keys.create_signing_key(path, ORIGIN)
    with pytest.raises(KeyFileError, match="never overwritten"):
        keys.create_wrapping_key(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.key"]


def test_a_key_open_to_others_is_refused(tmp_path: Path) -> None:
    keys.create_signing_key(tmp_path / "a.key", ORIGIN)
    (tmp_path / "a.key").chmod(0o640)
    with pytest.raises(KeyFileError, match="0600"):
        keys.load_signing_key(tmp_path / "a.key")


def pem_of_another_kind() -> bytes:
    key = generate_private_key(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    "content",
    [b"", b"log: a", b"log: a\nno PEM", b"log: \xff\n", b"log: a\n" + pem_of_another_kind()],
)
def test_what_is_no_signing_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError):
        keys.load_signing_key(path)
    with pytest.raises(KeyFileError):
        keys.load_wrapping_key(path)


def test_a_missing_key_or_folder_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        keys.load_signing_key(tmp_path / "a.key")
    with pytest.raises(KeyFileError):
        keys.create_wrapping_key(tmp_path / "no" / "a.key")


def test_origins() -> None:
    assert keys.origin("default", bytes.fromhex("0a1b2c3d")) == ORIGIN
    for tenant in ("", "Upper", "a b", "a+b", "-a"):
        with pytest.raises(KeyFileError):
            keys.origin(tenant, bytes(4))
    with pytest.raises(Malformed):
        keys.signing_key(Ed25519PrivateKey.generate(), "a b")


@given(st.binary(max_size=40), st.integers(0, 59), st.integers(1, 255))
def test_a_wrapped_key_opens_only_as_it_was_wrapped(context: bytes, at: int, change: int) -> None:
    outer, inner = os.urandom(32), os.urandom(32)
    wrapped = wrap(outer, inner, context)
    assert unwrap(outer, wrapped, context) == inner
    assert len(wrapped) == WRAPPED_SIZE
    damaged = bytearray(wrapped)
    damaged[at] ^= change
    for arguments in (
        (outer, bytes(damaged), context),
        (inner, wrapped, context),
        (outer, wrapped, context + b"x"),
        (outer, wrapped[:-1], context),
        (outer[:-1], wrapped, context),
    ):
        with pytest.raises(WrapError):
            unwrap(*arguments)
    with pytest.raises(WrapError):
        wrap(outer, b"short", context)
