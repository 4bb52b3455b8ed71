"""Command sets of DIMSE (PS3.7 section 6.3.1, 9.3.1, 9.3.5): always implicit little endian, a handful of elements."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from adapters.dicom.network.errors import UNEXPECTED_VALUE, Abort

__all__ = ["C_CANCEL", "C_ECHO", "C_STORE", "Command", "is_uid", "parse", "response"]

C_STORE, C_ECHO, C_CANCEL = 0x0001, 0x0030, 0x0FFF
_RESPONSE = 0x8000
_NO_DATA_SET = 0x0101
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


@dataclass(frozen=True, slots=True)
class Command:
    """A request."""

    field: int
    message_id: int
    sop_class: str
    sop_instance: str
    has_data: bool


def is_uid(text: str) -> bool:
    """UI of PS3.5 section 9.1, leading zeros let pass."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def parse(body: bytes) -> Command:
    """A command set. Raises Abort."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 8 <= len(body):
        group, element, length = struct.unpack_from("<HHI", body, at)
        at += 8
        if group != 0 or at + length > len(body):
            raise Abort(UNEXPECTED_VALUE, "the command set can't be read")
        found[element] = body[at : at + length]
        at += length
    try:
        (field,) = struct.unpack("<H", found[0x0100])
        (message_id,) = struct.unpack("<H", found.get(0x0110, b"\0\0"))
        (data,) = struct.unpack("<H", found[0x0800])
    except (KeyError, struct.error) as error:
        raise Abort(UNEXPECTED_VALUE, "the command set lacks what every command has") from error
    return Command(field, message_id, _text(found.get(0x0002)), _text(found.get(0x1000)), data != _NO_DATA_SET)


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("ascii", "replace").strip(" \0")


def response(command: Command, status: int) -> bytes:
    """The command set of a response without data set."""
    parts = []
    if command.sop_class:
        parts.append(_element(0x0002, _padded(command.sop_class)))
    parts.append(_element(0x0100, struct.pack("<H", command.field | _RESPONSE)))
    parts.append(_element(0x0120, struct.pack("<H", command.message_id)))
    parts.append(_element(0x0800, struct.pack("<H", _NO_DATA_SET)))
    parts.append(_element(0x0900, struct.pack("<H", status)))
    if command.sop_instance:
        parts.append(_element(0x1000, _padded(command.sop_instance)))
    body = b"".join(parts)
    return _element(0x0000, struct.pack("<I", len(body))) + body


def _padded(text: str) -> bytes:
    raw = text.encode("ascii", "replace")
    return raw + b"\0" * (len(raw) % 2)


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value
