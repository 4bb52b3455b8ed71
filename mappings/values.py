"""The value that leaves this room: what one message says about resources (architecture, "The few values that travel").

A resource is a set of registers (path, slot) -> value: `path` leads to the first repeating element or the leaf,
`slot` is '' for a scalar and names the source for a repeating element. None as value = remove.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, cast
from uuid import UUID

from adapters.fhir import JsonValue, decode_trusted, encode
from adapters.issue import Issue

__all__ = ["Change", "Element", "MapSettings", "Mapped", "Part", "compose"]

_NUMBERS = re.compile(r"(\d+)")


class Element(NamedTuple):  # a tuple: hundreds are made per message
    """One register. `rank`: 1 said by the trigger event, 0 by a field, -1 derived or a default."""

    path: str
    slot: str
    value: JsonValue | None
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What the message says about one resource. `patient`: id of its patient (the topic key), None without.

    `encoded`: canonical bytes of the resource that the elements make, if they are known already. `event_time`: of this
    resource, where it is not the message's.
    """

    type: str
    id: str
    patient: str | None
    elements: tuple[Element, ...]
    encoded: bytes | None = field(default=None, compare=False, repr=False)
    event_time: str | None = None


class Part(NamedTuple):
    """What a message adds to a resource that many messages make together, e.g. one image to its study.

    Parts are kept by `member` and folded now and then (`mappings.fold`): the cost of one stays that of one.
    """

    type: str
    id: str
    patient: str | None
    member: str
    content: bytes


@dataclass(frozen=True, slots=True)
class MapSettings:
    """What a channel adds to the maps. `zone`: IANA name; `base`: URL before `/<Type>/<id>`; `sender`: URL or URN in
    which the ids of a FHIR sender are unique; `check`: `structure` or `full`, of what others wrote in FHIR."""

    namespace: UUID
    zone: str | None = None
    default_authority: str | None = None
    identifier_order: tuple[str, ...] = ()
    base: str = "https://tabellion.invalid/fhir"
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sender: str = "urn:tabellion:channel:convert"
    check: str = "structure"

    def __reduce__(self) -> tuple[object, ...]:
        # a mapping proxy can't be pickled; settings cross to worker processes
        values = (self.namespace, self.zone, self.default_authority, self.identifier_order, self.base)
        return _settings, (*values, dict(self.options), self.sender, self.check)


def _settings(*values: Any) -> MapSettings:
    return MapSettings(*values)


@dataclass(frozen=True, slots=True)
class Mapped:
    """The outcome for one message.

    `event_time`: EVN-2, else MSH-7, as UTC text that compares as time; `timestamp`: MSH-7 as a full instant with
    its own offset. `residue`: (path, reason); `excused`: (path, rule). `leaves`: counts (mapped, kept, excused,
    residue), a partition. `merges`: (retired, surviving) patient ids.
    `untranslated`: codes that a translation plan names and no map decided: (system, code, target system, why).
    """

    family: str
    type: str
    event_time: str | None
    timestamp: str | None
    control_id: str
    sha256: bytes
    map_hash: str
    changes: tuple[Change, ...]
    issues: tuple[Issue, ...]
    residue: tuple[tuple[str, str], ...]
    excused: tuple[tuple[str, str], ...]
    leaves: tuple[int, int, int, int]
    status: str
    merges: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = ()
    untranslated: tuple[tuple[str, str, str, str], ...] = ()

    def to_bytes(self) -> bytes:
        """JSON that `from_bytes` reads; how it crosses processes."""
        rows = [
            [
                change.type,
                change.id,
                change.patient,
                [[e.path, e.slot, e.value, e.rank] for e in change.elements],
                change.event_time,
            ]
            for change in self.changes
        ]
        issues = [[i.severity, i.code, i.path, i.expression, i.text] for i in self.issues]
        content: list[Any] = [
            self.family,
            self.type,
            self.event_time,
            self.timestamp,
            self.control_id,
            self.sha256.hex(),
            self.map_hash,
            rows,
            issues,
            self.residue,
            self.excused,
            self.leaves,
            self.status,
            self.merges,
            [[*part[:4], part.content.decode()] for part in self.parts],
            self.untranslated,
        ]
        return encode(cast("JsonValue", content))

    @classmethod
    def from_bytes(cls, data: bytes) -> Mapped:
        """What `to_bytes` wrote. Only for our own bytes."""
        row = cast("list[Any]", decode_trusted(data))
        return cls(
            family=row[0],
            type=row[1],
            event_time=row[2],
            timestamp=row[3],
            control_id=row[4],
            sha256=bytes.fromhex(row[5]),
            map_hash=row[6],
            changes=tuple(
                Change(kind, id_, patient, tuple([Element(*element) for element in elements]), None, when)
                for kind, id_, patient, elements, when in row[7]
            ),
            issues=tuple([Issue(*issue) for issue in row[8]]),
            residue=_pairs(row[9]),
            excused=_pairs(row[10]),
            leaves=cast("tuple[int, int, int, int]", tuple(row[11])),
            status=row[12],
            merges=_pairs(row[13]),
            parts=tuple([Part(part[0], part[1], part[2], part[3], part[4].encode()) for part in row[14]]),
            untranslated=tuple([(system, code, target, why) for system, code, target, why in row[15]]),
        )


def _pairs(rows: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple([(first, second) for first, second in rows])


@functools.lru_cache(maxsize=4096)
def _natural(slot: str) -> list[str | int]:
    """PID-9 before PID-13."""
    return [int(part) if index % 2 else part for index, part in enumerate(_NUMBERS.split(slot))]


def compose(registers: Iterable[tuple[Any, ...]]) -> dict[str, JsonValue]:
    """Registers (path, slot, value, ...) to the elements of a resource; None values are left out.

    Slots of one element follow each other in natural order; an outer register comes before one inside it.
    """
    resource: dict[str, JsonValue] = {}
    slots: dict[str, list[tuple[str, Any]]] = {}
    inner: list[tuple[str, Any]] = []
    for register in registers:
        path, slot, value = register[0], register[1], register[2]
        if value is None:
            continue
        if slot:
            known = slots.get(path)
            if known is None:
                slots[path] = [(slot, value)]
            else:
                known.append((slot, value))
        elif "." in path:
            inner.append((path, value))
        elif path[-1] == "]":
            resource.update(value)
        else:
            resource[path] = value
    for path, value in sorted(inner, key=_path) if len(inner) > 1 else inner:
        *parents, name = path.split(".")
        place = _inside(resource, parents)
        if name[-1] == "]":
            place.update(value)
        elif isinstance(value, dict) and isinstance(place.get(name), dict):
            place[name] = {**value, **cast("dict[str, JsonValue]", place[name])}
        else:
            place.setdefault(name, value)
    for path, rows in slots.items():
        name = path
        place = resource
        if "." in path:
            *parents, name = path.split(".")
            place = _inside(resource, parents)
        if len(rows) == 1 and name not in place:
            place[name] = rows[0][1]  # as it is: compose never changes a value
            continue
        rows.sort(key=lambda row: _natural(row[0]))
        for _, value in rows:
            _extend(place, name, value)
    return resource


def _path(row: tuple[str, Any]) -> str:
    return row[0]


def _inside(place: dict[str, JsonValue], parents: list[str]) -> dict[str, JsonValue]:
    """The object at a path of single elements. Copied on the way: values belong to their registers."""
    for parent in parents:
        found = place.get(parent)
        inner: dict[str, JsonValue] = dict(found) if isinstance(found, dict) else {}
        place[parent] = inner
        place = inner
    return place


def _extend(place: dict[str, JsonValue], name: str, values: list[JsonValue]) -> None:
    there = place.get(name)
    if not isinstance(there, list):
        place[name] = values
        return
    place[name] = there + [value for value in values if value not in there]
