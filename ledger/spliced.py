"""meta.versionId and meta.lastUpdated in a record's bytes: the one span that the seal does not cover.

A sealed record carries neither. The FHIR surface puts both in, as one span and nothing else:

    with a meta      "meta":{ ▸"lastUpdated":"…","versionId":"…",◂ "profile":…}
    without          ▸"meta":{"lastUpdated":"…","versionId":"…"},◂ "resourceType":…   (before the first later name)

`cut` takes exactly that span out again. The bytes are scanned, never parsed and written anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ledger.errors import Malformed

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]:,]', re.DOTALL)
_STAMP = re.compile(
    rb'"lastUpdated":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))"'
    rb',"versionId":"([A-Za-z0-9.-]{1,64})"'
)
_OPEN, _CLOSE = b"{[", b"}]"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object: its raw name, and where name, value and end stand in the bytes."""

    name: bytes
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A record without the span, and what stood in it (not sealed)."""

    body: bytes
    version: str
    last_updated: str


def members(data: bytes, start: int = 0) -> Iterator[Member]:
    """The members of the object whose brace is at `start`, as far as the bytes are JSON without white space."""
    if data[start : start + 1] != b"{":
        return
    depth, name, value = 0, b"", None
    name_at = start
    for token in _TOKEN.finditer(data, start):
        mark = token[0]
        if mark in _OPEN:
            depth += 1
        elif depth == 1:
            if mark == b":":
                value = token.end()
            elif mark[:1] == b'"':
                if value is None:
                    name, name_at = mark[1:-1], token.start()
            elif value is not None:  # a comma or the closing brace
                yield Member(name, name_at, value, token.start())
                value = None
            if mark in _CLOSE:
                return
        elif mark in _CLOSE:
            depth -= 1


def splice(body: bytes, version: str, last_updated: str) -> bytes:
    """The record with its version and the instant of its last update in `meta`."""
    stamp = f'"lastUpdated":"{last_updated}","versionId":"{version}"'.encode()
    if not _STAMP.fullmatch(stamp):
        raise Malformed("versionId is not an id, or lastUpdated not an instant")
    found = list(members(body))
    meta = next((member for member in found if member.name == b"meta"), None)
    if meta is None:
        later = next((member.start for member in found if member.name > b"meta"), None)
        if later is None:
            raise Malformed("the record has no resourceType")
        return body[:later] + b'"meta":{' + stamp + b"}," + body[later:]
    inner = {member.name for member in members(body, meta.value)}
    if not inner or inner & {b"lastUpdated", b"versionId"}:
        raise Malformed("the record's meta is empty or already holds a version")
    at = meta.value + 1
    return body[:at] + stamp + b"," + body[at:]


def cut(data: bytes) -> Cut | None:
    """The record without the spliced span; None if `splice` would not have put exactly this span there."""
    meta = next((member for member in members(data) if member.name == b"meta"), None)
    stamp = meta and _STAMP.match(data, meta.value + 1)
    if meta is None or not stamp:
        return None
    alone = stamp.end() + 1 == meta.end
    first, last = (meta.start, meta.end) if alone else (stamp.start(), stamp.end())
    found = Cut(data[:first] + data[last + 1 :], stamp[2].decode(), stamp[1].decode())
    try:
        again = splice(found.body, found.version, found.last_updated)
    except Malformed:
        return None
    return found if again == data else None
