"""The value that leaves this room: what one message says about resources (architecture, "The few values that travel").

A resource is a set of registers (path, slot) -> value: `path` leads to the first repeating element or the leaf,
`slot` is '' for a scalar and names the source for a repeating element. None as value = remove.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, cast
from uuid import UUID

from adapters.fhir import Encoded, JsonValue, decode_trusted, encode, encode_trusted
from adapters.issue import Issue
from mappings.composition import Register, Shape, compose

__all__ = ["Change", "Element", "MapSettings", "Mapped", "Part"]


class Element(NamedTuple):  # a tuple: hundreds are made per message
    """One register. `rank`: 1 said by the trigger event, 0 by a field, -1 derived or a default."""

    path: str
    slot: str
    value: JsonValue | None
    rank: int = 0


class Change:
    """What the message says about one resource. `patient`: id of its patient (the topic key), None without.

    `event_time`: of this resource, where it is not the message's. Nothing is changed after it is made. A Bundle needs
    the bytes and no elements, the state both: each is made from the registers when first asked for, unless it is known.
    """

    __slots__ = ("_elements", "_encoded", "_ranks", "_registers", "_shape", "event_time", "id", "patient", "type")

    def __init__(
        self,
        type_: str,
        id_: str,
        patient: str | None,
        elements: tuple[Element, ...],
        encoded: bytes | None = None,
        event_time: str | None = None,
    ) -> None:
        self.type = type_
        self.id = id_
        self.patient = patient
        self.event_time = event_time
        self._elements: tuple[Element, ...] | None = elements
        self._encoded: bytes | None = encoded
        self._registers: Mapping[Register, Any] = {(each.path, each.slot): each.value for each in elements}
        self._ranks: Mapping[Register, int] = _NO_RANKS
        self._shape: Shape | None = None

    @classmethod
    def of(
        cls,
        type_: str,
        id_: str,
        patient: str | None,
        registers: Mapping[Register, Any],
        ranks: Mapping[Register, int],
        shape: Shape | None = None,
    ) -> Change:
        """From registers that no one changes any more; `ranks` of those that have one; `shape` if it is known."""
        made = cls.__new__(cls)
        made.type = type_
        made.id = id_
        made.patient = patient
        made.event_time = None
        made._elements = made._encoded = None
        made._registers = registers
        made._ranks = ranks
        made._shape = shape
        return made

    def anew(self, elements: tuple[Element, ...]) -> Change:
        """The same resource, of which other things are said."""
        return Change(self.type, self.id, self.patient, elements, None, self.event_time)

    @property
    def elements(self) -> tuple[Element, ...]:
        """Its registers, each with its rank."""
        if self._elements is None:
            ranks, element = self._ranks, tuple.__new__
            self._elements = tuple(
                [
                    element(Element, (*register, value, ranks.get(register, 0) if ranks else 0))
                    for register, value in self._registers.items()
                ]
            )
        return self._elements

    @property
    def resource(self) -> dict[str, JsonValue]:
        """The resource that it alone makes."""
        found = compose(self._registers, self._shape)
        found["id"] = self.id
        found["resourceType"] = self.type
        return found

    @property
    def encoded(self) -> bytes:
        """Canonical bytes of `resource`."""
        if self._encoded is None:
            self._encoded = encode_trusted(self.resource)
        return self._encoded

    def with_bytes(self) -> Change:
        """Itself, its bytes made: for one that stands in message after message."""
        self._encoded = self.encoded
        return self

    @property
    def ready(self) -> JsonValue | Encoded:
        """The resource for a larger value that is to be encoded: its bytes if they are made already."""
        return self.resource if self._encoded is None else Encoded(self._encoded)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Change):
            return NotImplemented
        return self._said() == other._said()

    def _said(self) -> tuple[object, ...]:
        return self.type, self.id, self.patient, self.event_time, self.elements

    __hash__ = None  # type: ignore[assignment]  # its values are lists and objects

    def __repr__(self) -> str:
        return f"Change({self.type!r}, {self.id!r}, {self.patient!r}, {self.elements!r})"


_NO_RANKS: Mapping[Register, int] = MappingProxyType({})


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
