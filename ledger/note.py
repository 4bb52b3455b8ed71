"""Signed notes (c2sp.org/signed-note): a text, a blank line, and lines "— name base64(key ID || signature)"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ledger import b64
from ledger.errors import Malformed, SignatureRefused
from ledger.signature import check as check_signature
from ledger.vkey import Vkey, check_name

LIMIT = 1_000_000  # bytes
MOST_SIGNATURES = 100
_DASH = "— "


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line; `value` is what follows the key ID and depends on the key's type."""

    name: str
    key_id: bytes
    value: bytes

    def to_text(self) -> str:
        """The line without its end."""
        return f"{_DASH}{self.name} {b64.encode(self.key_id + self.value)}"


@dataclass(frozen=True, slots=True)
class Note:
    """`text` ends with a line feed; signatures of keys we don't know are held and ignored."""

    text: str
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """The note as it travels; `parse` gives the same value back."""
        lines = (signature.to_text() for signature in self.signatures)
        return (self.text + "\n" + "\n".join(lines) + "\n").encode()

    def check(self, key: Vkey) -> Signature:
        """The signature of this key over the text, or SignatureRefused."""
        found = [one for one in self.signatures if one.name == key.name and one.key_id == key.id]
        if not found:
            raise SignatureRefused("no signature by this key")
        for signature in found:
            check_signature(key, self.text, signature.value)
        return found[0]


class Signer(Protocol):
    """What signs notes: see ledger.keys."""

    @property
    def vkey(self) -> Vkey: ...

    def sign(self, text: bytes) -> bytes: ...


def sign(text: str, signers: Iterable[Signer]) -> Note:
    """A note over this text, signed by each."""
    _check_text(text)
    signatures = (Signature(one.vkey.name, one.vkey.id, one.sign(text.encode())) for one in signers)
    return Note(text, tuple(signatures))


def parse(data: bytes) -> Note:
    """A note from its bytes; says nothing about its signatures."""
    if len(data) > LIMIT:
        raise Malformed("note: too long")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise Malformed("note: not UTF-8") from error
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Malformed("note: no blank line before the signatures, or no end of line after them")
    _check_text(text + "\n")
    many = lines[:-1].split("\n")
    if len(many) > MOST_SIGNATURES:
        raise Malformed("note: too many signatures")
    return Note(text + "\n", tuple(map(_parse_line, many)))


def _parse_line(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise Malformed("note: not a signature line")
    check_name(name)
    data = b64.decode(encoded)
    if len(data) < 5:
        raise Malformed("note: a signature is too short")
    return Signature(name, data[:4], data[4:])


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise Malformed("note: the text has no end of line")
    if any(mark < " " and mark != "\n" for mark in text):
        raise Malformed("note: a control character")
