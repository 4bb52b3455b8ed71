"""Verifier keys of signed notes (c2sp.org/signed-note, "Verifier keys"): name+key ID+base64(type || public key)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from ledger import b64
from ledger.errors import Malformed

ED25519 = 0x01
COSIGNATURE_ED25519 = 0x04
COSIGNATURE_ML_DSA_44 = 0x06

LIMIT = 16_384  # characters; an ML-DSA-44 key takes about 1,800
_SIZES = {ED25519: 32, COSIGNATURE_ED25519: 32, COSIGNATURE_ML_DSA_44: 1312}
_KEY_ID = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Vkey:
    """`name` of the signer, `type` the algorithm byte, `public` its raw public key; unknown types are held too."""

    name: str
    type: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that name this key in a signature line: a hint, not a proof."""
        return sha256(b"%s\n%c%s" % (self.name.encode(), self.type, self.public)).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64.encode(bytes((self.type,)) + self.public)}"


def check_name(name: str) -> None:
    """A signer's name: not empty, no white space or control character, no plus."""
    if not name or "+" in name or any(mark.isspace() or mark < " " for mark in name):
        raise Malformed("a signer's name is empty or holds white space or a plus")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise Malformed("a signer's name is not UTF-8 text") from error


def parse(text: str) -> Vkey:
    """A verifier key from its one-line form, without the line's end."""
    if len(text) > LIMIT:
        raise Malformed("vkey: too long")
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise Malformed("vkey: not name+key ID+key")
    name, key_id, encoded = parts
    check_name(name)
    data = b64.decode(encoded)
    if len(data) < 2:
        raise Malformed("vkey: no key in it")
    key = Vkey(name, data[0], data[1:])
    if len(key.public) != _SIZES.get(key.type, len(key.public)):
        raise Malformed("vkey: the key is not as long as its type says")
    if not _KEY_ID.fullmatch(key_id) or key.id.hex() != key_id:
        raise Malformed("vkey: the key ID is not that of this name and key")
    return key
