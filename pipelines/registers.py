"""Registers: what is known of one resource, each element with the stamp of the message it is from.

A register is (path, slot, member). `path` and `slot` are the map's (mappings: `Element`); `member` tells the values of
a set apart and is '' elsewhere. Three kinds of cells:

- a value, with its stamp;
- a removal (HL7 null): the value is None, and the mark stays, so that an older value can't come back;
- a mark on all slots of a path (slot '*'): everything older than it is hidden (removal of an element, snapshots).

A word for an element hides what older messages said inside it or beside it: `code` hides an older `code.text`, and
`birthDate` an older `_birthDate.extension`, which spoke of another date.

What a message says of a resource is registers, too, and settling is their join: of two cells for one register the
greater stamp stands, nothing is ever forgotten, and what shows is computed from all cells. A join of maxima doesn't
depend on order or repetition, and so neither does the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import msgspec

from adapters.fhir import JsonValue
from pipelines.stamp import Stamp

ALL_SLOTS = "*"
PATIENT = "@patient"  # no element: the pseudonymous patient id that keys the record's topic message

Key = tuple[str, str, str]

encode_value = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode
_decode_value = msgspec.json.Decoder(float_hook=Decimal).decode
NULL = b"null"


class Cell(NamedTuple):
    """`value`: JSON bytes, `null` = removed. `born`, `spot`: for a member of a set, the oldest message that had it
    and its place there: the order in which a set shows."""

    value: bytes
    stamp: Stamp
    born: Stamp | None = None
    spot: int = 0


Registers = dict[Key, Cell]


def join(known: Registers, new: Registers) -> tuple[Registers, bool, bool]:
    """(both together, whether any cell of `known` moved, whether what shows may differ). Arguments are not touched."""
    after = dict(known)
    moved = differs = False
    for key, cell in new.items():
        before = after.get(key)
        if before is None:
            after[key] = cell
            moved = differs = True
            continue
        winner = _greater(before, cell)
        if winner != before:
            after[key] = winner
            moved = True
            differs = differs or winner.value != before.value or _reaches_further(key, winner, before, after)
    if moved and not differs:
        differs = any(after[key] != known[key] for key in outer_keys(after) if key in known)
    return after, moved, differs


def _greater(before: Cell, cell: Cell) -> Cell:
    """The greater stamp's value; equal stamps are one message mapped again: the map of now. A set keeps its oldest."""
    winner = cell if cell.stamp >= before.stamp else before
    if cell.born is None or before.born is None:
        return winner
    born, spot = min((before.born, before.spot), (cell.born, cell.spot), key=_age)
    return Cell(winner.value, winner.stamp, born, spot)


def _reaches_further(key: Key, winner: Cell, before: Cell, after: Registers) -> bool:
    """Whether a cell with the value it had may change what shows: a mark may hide more, a value come out from under
    one, a member move in its set."""
    path, slot, member = key
    if slot == ALL_SLOTS or winner.value == NULL or (path, ALL_SLOTS, "") in after:
        return True
    return bool(member) and ((path, slot, "") in after or (winner.born, winner.spot) != (before.born, before.spot))


def _age(born: tuple[Stamp, int]) -> tuple[int, str, int, int]:
    """Oldest word first, whoever said it: a set shows in the order it grew."""
    stamp, spot = born
    return stamp.time, stamp.channel, stamp.place, spot


def shown(registers: Registers) -> dict[tuple[str, str], JsonValue]:
    """What shows: (path, slot) → value."""
    found: dict[tuple[str, str], JsonValue] = {}
    sets: dict[tuple[str, str], list[tuple[tuple[int, str, int, int], str, bytes]]] = {}
    for (path, slot, member), cell in registers.items():
        if slot == ALL_SLOTS or path == PATIENT or cell.value == NULL:
            continue
        mark = registers.get((path, ALL_SLOTS, ""))
        if mark is not None and _hides(mark.stamp, cell.stamp):
            continue
        if ("." in path or "_" in path) and _outdone(registers, path, slot, cell.stamp):
            continue
        if cell.born is None:
            found[path, slot] = _decode_value(cell.value)
            continue
        removal = registers.get((path, slot, ""))
        if removal is None or removal.stamp < cell.stamp:
            sets.setdefault((path, slot), []).append((_age((cell.born, cell.spot)), member, cell.value))
    for key, members in sets.items():
        found[key] = [_decode_value(value) for _, _, value in sorted(members)]
    return found


def _outdone(registers: Registers, path: str, slot: str, stamp: Stamp) -> bool:
    """Whether something newer was said of the element that this one is a part or companion of."""
    for outer in _outer(path):
        for key in ((outer, "", ""), (outer, slot, ""), (outer, ALL_SLOTS, "")):
            cell = registers.get(key)
            if cell is not None and _hides(cell.stamp, stamp):
                return True
    return False


def outer_keys(registers: Registers) -> set[Key]:
    """Registers whose newer word hides older ones elsewhere."""
    found = set()
    for path, slot, _ in registers:
        if "." in path or "_" in path:
            for outer in _outer(path):
                found |= {(outer, "", ""), (outer, slot, ""), (outer, ALL_SLOTS, "")}
    return found


@lru_cache(maxsize=4096)
def _outer(path: str) -> tuple[str, ...]:
    """Elements that a path is a part or companion of: `code.text` of `code`, `_birthDate.extension` of `birthDate`,
    `_valueDateTime` of `value[x]`."""
    parts = path.split(".")
    found = []
    for place, name in enumerate(parts):
        before = parts[:place]
        if name.startswith("_"):
            bare = name[1:]
            stems = [bare, *(f"{bare[:at]}[x]" for at, letter in enumerate(bare) if at and letter.isupper())]
            found += [".".join([*before, stem]) for stem in stems]
        elif place < len(parts) - 1:
            found.append(".".join([*before, name]))
    return tuple(found)


def _hides(mark: Stamp, stamp: Stamp) -> bool:
    """A mark hides what is older; never what its own message says, whatever the rank of that word."""
    return mark > stamp and (mark.channel, mark.place) != (stamp.channel, stamp.place)


def patient_of(registers: Registers) -> str | None:
    """The patient whose topic key the resource has."""
    cell = registers.get((PATIENT, "", ""))
    return None if cell is None else str(_decode_value(cell.value))


# -- bytes: [[stamp, …], [[path, slot, member, value, stamp, born, spot], …]] ------------------------------------------


class _Row(msgspec.Struct, array_like=True):
    path: str
    slot: str
    member: str
    value: msgspec.Raw
    stamp: int
    born: int = -1
    spot: int = 0


_stamps_of = msgspec.json.Decoder(tuple[list[Stamp], msgspec.Raw]).decode
_rows_of = msgspec.json.Decoder(list[_Row]).decode


def to_parts(registers: Registers) -> tuple[list[Stamp], bytes]:
    """The stamps, each once, and the rows, which name them by their places."""
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
    return list(stamps), encode_value(rows)


def from_parts(stamps: Sequence[Stamp], rows: bytes) -> bytes:
    """The stored form."""
    return b"[" + encode_value(stamps) + b"," + rows + b"]"


def to_bytes(registers: Registers) -> bytes:
    """The stored form."""
    return from_parts(*to_parts(registers))


class Stored:
    """Registers as bytes, as cells, or both: each is made from the other when first asked for. Never changes.

    A doctor or a ward comes with every message and rarely with anything new: only the last form of a batch is written.
    """

    __slots__ = ("_cells", "_data")

    def __init__(self, data: bytes | None = None, cells: Registers | None = None) -> None:
        self._data = data
        self._cells = cells

    @property
    def data(self) -> bytes:
        """The stored form."""
        if self._data is None:
            self._data = to_bytes(self._cells or {})
        return self._data

    @property
    def cells(self) -> Registers:
        """The cells; not to be changed."""
        if self._cells is None:
            self._cells = from_bytes(self._data or b"")
        return self._cells

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stored) and self.cells == other.cells

    __hash__ = None  # type: ignore[assignment]


NOTHING = Stored(b"")  # of a resource written whole


def from_bytes(data: bytes) -> Registers:
    """Read the stored form; b'' (a resource written whole) has none."""
    if not data:
        return {}
    stamps, rows = _stamps_of(data)
    return {
        (row.path, row.slot, row.member): Cell(
            bytes(row.value), stamps[row.stamp], None if row.born < 0 else stamps[row.born], row.spot
        )
        for row in _rows_of(rows)
    }
