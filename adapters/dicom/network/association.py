"""A-ASSOCIATE (PS3.8 sections 9.3.2 to 9.3.4; user information PS3.7 annex D.3.3): what is asked, what is granted."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from adapters.dicom.network.errors import UNEXPECTED_VALUE, Abort

__all__ = ["Association", "Context", "Refused", "abort", "accept", "parse", "reject", "storable"]

APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
_IMPLEMENTATION = b"2.25.190836513302384765011862451087363520413"  # of our own, from a UUID (PS3.5 annex B.2)
_VERSION = b"TABELLION"
_ACCEPTED, _NO_ABSTRACT_SYNTAX, _NO_TRANSFER_SYNTAX = 0, 3, 4


@dataclass(frozen=True, slots=True)
class Refused:
    """A-ASSOCIATE-RJ: `result` 1 for good, 2 for now; `source` and `reason` by PS3.8 table 9-21."""

    result: int
    source: int
    reason: int
    text: str


CALLED_UNKNOWN = Refused(1, 1, 7, "no channel has this called AE title")
CALLING_UNKNOWN = Refused(1, 1, 3, "no channel takes this calling AE title and address")
TOO_MANY = Refused(2, 3, 2, "as many associations as are allowed are open")


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context as proposed, with our answer."""

    number: int
    abstract_syntax: str
    transfer_syntax: str
    result: int


@dataclass(frozen=True, slots=True)
class Association:
    """What a peer asks for. `max_pdu`: the longest P-DATA it takes, 0 = any."""

    called: str
    calling: str
    contexts: tuple[Context, ...]
    max_pdu: int
    implementation: str

    def context(self, number: int) -> Context | None:
        """An accepted context."""
        return next((each for each in self.contexts if each.number == number and each.result == _ACCEPTED), None)


@lru_cache(maxsize=1024)
def storable(abstract_syntax: str) -> bool:
    """Whether we store instances of a SOP class: every storage class, known, new or private; no other service."""
    if abstract_syntax.startswith("1.2.840.10008.5.1.4.1.1."):
        return True
    if not abstract_syntax.startswith("1.2.840.10008."):
        return True
    from pydicom.uid import UID

    return UID(abstract_syntax).name.endswith("Storage")


def parse(body: bytes) -> Association | Refused:
    """A-ASSOCIATE-RQ without its PDU header. Raises Abort for what is none."""
    if len(body) < 68:
        raise Abort(UNEXPECTED_VALUE, "A-ASSOCIATE-RQ is cut off")
    version = struct.unpack_from(">H", body)[0]
    if not version & 1:
        return Refused(1, 2, 2, "protocol version not supported")
    called, calling = _title(body[4:20]), _title(body[20:36])
    application, contexts, max_pdu, implementation = b"", [], 0, ""
    for kind, item in _items(body, 68):
        if kind == 0x10:
            application = item.rstrip(b"\0 ")
        elif kind == 0x20:
            contexts.append(_context(item))
        elif kind == 0x50:
            for sub, value in _items(item, 0):
                if sub == 0x51 and len(value) == 4:
                    max_pdu = struct.unpack(">I", value)[0]
                elif sub == 0x52:
                    implementation = _uid(value)
    if application != APPLICATION_CONTEXT:
        return Refused(1, 1, 2, "application context name not supported")
    return Association(called, calling, tuple(contexts), max_pdu, implementation)


def _title(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip(" \0")


def _uid(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip(" \0")


def _items(body: bytes, at: int) -> list[tuple[int, bytes]]:
    found = []
    while at < len(body):
        if at + 4 > len(body):
            raise Abort(UNEXPECTED_VALUE, "an item of A-ASSOCIATE-RQ is cut off")
        kind, length = body[at], struct.unpack_from(">H", body, at + 2)[0]
        at += 4
        if at + length > len(body):
            raise Abort(UNEXPECTED_VALUE, "an item of A-ASSOCIATE-RQ is longer than the PDU")
        found.append((kind, body[at : at + length]))
        at += length
    return found


def _context(item: bytes) -> Context:
    """One proposed context, answered: the first transfer syntax is taken, whatever it is, for no pixel is decoded."""
    if len(item) < 4:
        raise Abort(UNEXPECTED_VALUE, "a presentation context is cut off")
    abstract, syntaxes = "", []
    for kind, value in _items(item, 4):
        if kind == 0x30:
            abstract = _uid(value)
        elif kind == 0x40:
            syntaxes.append(_uid(value))
    if not (abstract == VERIFICATION or (abstract and storable(abstract))):
        return Context(item[0], abstract, "", _NO_ABSTRACT_SYNTAX)
    if not syntaxes or not syntaxes[0]:
        return Context(item[0], abstract, "", _NO_TRANSFER_SYNTAX)
    return Context(item[0], abstract, syntaxes[0], _ACCEPTED)


def accept(association: Association, request: bytes, max_pdu: int) -> bytes:
    """A-ASSOCIATE-AC. `request`: the body of the RQ, whose titles come back as they were sent."""
    parts = [_item(0x10, APPLICATION_CONTEXT)]
    for context in association.contexts:
        # a refused context has a transfer syntax that means nothing (table 9-18), but must have one
        syntax = context.transfer_syntax or "1.2.840.10008.1.2"
        parts.append(_item(0x21, bytes([context.number, 0, context.result, 0]) + _item(0x40, syntax.encode())))
    user = _item(0x51, struct.pack(">I", max_pdu)) + _item(0x52, _IMPLEMENTATION) + _item(0x55, _VERSION)
    parts.append(_item(0x50, user))
    return _pdu(0x02, struct.pack(">HH", 1, 0) + request[4:68] + b"".join(parts))


def reject(refused: Refused) -> bytes:
    """A-ASSOCIATE-RJ."""
    return _pdu(0x03, bytes([0, refused.result, refused.source, refused.reason]))


def abort(reason: int) -> bytes:
    """A-ABORT by the service provider."""
    return _pdu(0x07, bytes([0, 0, 2, reason]))


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body
