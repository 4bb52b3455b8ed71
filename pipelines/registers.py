"""Registers: what is known of one resource, each element with the stamp of the message it is from.

A register is (path, slot, member). `path` and `slot` are the map's (mappings: `Element`); `member` tells the values of
a set apart and is '' elsewhere. Three kinds of cells:

- a value, with its stamp;
- a removal (HL7 null): the value is None, and the mark stays, so that an older value can't come back;
- a mark on all slots of a path (slot '*'): everything older than it is hidden (removal of an element, snapshots).

Of two cells for one register the greater stamp stands, nothing is ever forgotten, and what shows is computed from all
cells: so the order of arrival can't matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import msgspec

from adapters.fhir import JsonValue
from pipelines.ownership import Ownership, Union
from pipelines.stamp import Origin, Stamp

ALL_SLOTS = "*"
PATIENT = "@patient"  # no element: the pseudonymous patient id that keys the record's topic message

Key = tuple[str, str, str]

_ENCODER = msgspec.json.Encoder(order="deterministic", decimal_format="number")
_VALUE = msgspec.json.Decoder(float_hook=Decimal)
_NULL = b"null"


class Cell(NamedTuple):
    """`value`: JSON bytes, `null` = removed. `born`, `spot`: for a member of a set, the oldest message that had it
    and its place there: the order in which a set shows."""

    value: bytes
    stamp: Stamp
    born: Stamp | None = None
    spot: int = 0


Registers = dict[Key, Cell]


class ElementLike(Protocol):
    """What `mappings.Element` offers."""

    @property
    def path(self) -> str: ...
    @property
    def slot(self) -> str: ...
    @property
    def value(self) -> Any: ...
    @property
    def rank(self) -> int: ...


def cells(type_: str, elements: Iterable[ElementLike], origin: Origin, table: Ownership) -> Iterator[tuple[Key, Cell]]:
    """The cells that one message writes into one resource."""
    spoken: dict[str, int] = {}
    for element in elements:
        path, slot = element.path, element.slot
        # An event's "remove" is as strong as a field's: a discharge that A13 took back may come again with A03.
        rank = 0 if element.value is None else element.rank
        owner = table.owner(origin.family, type_, path)
        stamp = Stamp(owner, rank, origin.time, origin.channel, origin.place)
        spoken[path] = min(rank, spoken.get(path, rank))
        union = None if element.value is None else table.union(type_, path)
        if union is None:
            whole = element.value is None and not slot
            yield (path, ALL_SLOTS if whole else slot, ""), Cell(_ENCODER.encode(element.value), stamp)
        else:
            yield from _members(element, stamp, union)
    for snapshot in table.snapshots.get(type_, ()):
        said = [spoken[path] for path in spoken if path in snapshot]
        if said:
            for path in snapshot:
                owner = table.owner(origin.family, type_, path)
                mark = Stamp(owner, min(said), origin.time, origin.channel, origin.place)
                yield (path, ALL_SLOTS, ""), Cell(_NULL, mark)


def _members(element: ElementLike, stamp: Stamp, union: Union) -> Iterator[tuple[Key, Cell]]:
    values = element.value if isinstance(element.value, list) else [element.value]
    seen = set()
    for index, value in enumerate(values):
        member = _identity(value, union)
        if member not in seen:
            seen.add(member)
            yield (element.path, element.slot, member), Cell(_ENCODER.encode(value), stamp, stamp, index)


def _identity(value: JsonValue, union: Union) -> str:
    chosen: list[JsonValue] = [_at(value, by) for by in union.by]
    what = chosen if any(part is not None for part in chosen) else value
    return blake2b(_ENCODER.encode(what), digest_size=12).hexdigest()


def _at(value: JsonValue, path: tuple[str, ...]) -> JsonValue:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def fold(known: Registers, new: Iterable[tuple[Key, Cell]]) -> tuple[Registers, bool, bool]:
    """(registers after, whether any cell moved, whether what shows may differ). `known` is not touched."""
    after = dict(known)
    moved = differs = False
    for key, cell in new:
        before = after.get(key)
        if before is None:
            after[key] = cell
            moved = differs = True
            continue
        winner = cell if cell.stamp >= before.stamp else before
        born, spot = winner.born, winner.spot
        if cell.born is not None and before.born is not None:
            born, spot = min((before.born, before.spot), (cell.born, cell.spot), key=_age)
        winner = Cell(winner.value, winner.stamp, born, spot)
        if winner != before:
            after[key] = winner
            moved = True
            # a mark that moved may hide more; a value that stays the same may only have come out from under one
            differs = differs or winner.value != before.value or key[1] == ALL_SLOTS or (born, spot) != before[2:]
            differs = differs or winner.value == _NULL or (key[0], ALL_SLOTS, "") in after or bool(key[2])
    return after, moved, differs


def _age(born: tuple[Stamp, int]) -> tuple[int, str, int, int]:
    """Oldest word first, whoever said it: a set shows in the order it grew."""
    stamp, index = born
    return stamp.time, stamp.channel, stamp.place, index


def shown(registers: Registers) -> dict[tuple[str, str], JsonValue]:
    """What shows: (path, slot) → value, as `mappings.compose` takes it."""
    found: dict[tuple[str, str], JsonValue] = {}
    sets: dict[tuple[str, str], list[tuple[tuple[int, str, int, int], str, bytes]]] = {}
    for (path, slot, member), cell in registers.items():
        if slot == ALL_SLOTS or path == PATIENT or cell.value == _NULL:
            continue
        mark = registers.get((path, ALL_SLOTS, ""))
        if mark is not None and _hides(mark.stamp, cell.stamp):
            continue
        if cell.born is None:
            found[path, slot] = _VALUE.decode(cell.value)
            continue
        removal = registers.get((path, slot, ""))
        if removal is None or removal.stamp < cell.stamp:
            sets.setdefault((path, slot), []).append((_age((cell.born, cell.spot)), member, cell.value))
    for key, members in sets.items():
        found[key] = [_VALUE.decode(value) for _, _, value in sorted(members)]
    return found


def _hides(mark: Stamp, stamp: Stamp) -> bool:
    """A snapshot hides what is older; never what its own message says, whatever the rank of that word."""
    return mark > stamp and (mark.channel, mark.place) != (stamp.channel, stamp.place)


def patient_of(registers: Registers) -> str | None:
    """The patient whose topic key the resource has."""
    cell = registers.get((PATIENT, "", ""))
    return None if cell is None else str(_VALUE.decode(cell.value))


class _Row(msgspec.Struct, array_like=True):
    path: str
    slot: str
    member: str
    value: msgspec.Raw
    stamp: int
    born: int = -1
    index: int = 0


class _Stored(msgspec.Struct, array_like=True):
    stamps: list[Stamp]
    rows: list[_Row]


_STORED = msgspec.json.Decoder(_Stored)


def to_bytes(registers: Registers) -> bytes:
    """Our own compact form; each stamp stands once."""
    stamps: dict[Stamp, int] = {}
    rows = [
        _Row(
            *key,
            msgspec.Raw(cell.value),
            stamps.setdefault(cell.stamp, len(stamps)),
            -1 if cell.born is None else stamps.setdefault(cell.born, len(stamps)),
            cell.spot,
        )
        for key, cell in registers.items()
    ]
    return _ENCODER.encode(_Stored(list(stamps), rows))


def from_bytes(data: bytes) -> Registers:
    """Read what `to_bytes` wrote; b'' (a resource written whole) has none."""
    if not data:
        return {}
    stored = _STORED.decode(data)
    stamps = stored.stamps
    return {
        (row.path, row.slot, row.member): Cell(
            bytes(row.value), stamps[row.stamp], None if row.born < 0 else stamps[row.born], row.index
        )
        for row in stored.rows
    }
