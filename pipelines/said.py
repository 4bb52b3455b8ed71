"""What a message says, ready to be settled: the end of the pure half (architecture: "pure, parallel").

All that doesn't need to know the state is done here, on any core: who owns what, the members of sets, the canonical
bytes of each resource as if nothing were known of it. The writer only joins, seals and stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

import msgspec

from adapters.fhir import JsonValue, decode_trusted, encode_trusted
from mappings import Change, Element, Mapped, Part, compose
from pipelines.identity import NOBODY, Claim, person_of
from pipelines.outcomes import message_detail
from pipelines.ownership import Ownership, Union
from pipelines.registers import (
    ALL_SLOTS,
    NULL,
    PATIENT,
    Cell,
    Key,
    Registers,
    encode_value,
    from_parts,
    shown,
    to_parts,
)
from pipelines.search import terms
from pipelines.stamp import MERGE_RANK, OWNER, Origin, Stamp, instant


class Said(msgspec.Struct, array_like=True, frozen=True):
    """What one message says of one resource.

    `ranks`, `rows`: its registers, but for time and place (see `registers`). `body`: canonical bytes of what it says
    alone. `whole`: a resource of this one message, which has no registers. `merged`: the message retires it.
    """

    type: str
    id: str
    patient: str | None
    group: str
    whole: bool
    merged: bool
    ranks: tuple[tuple[int, int], ...]
    rows: bytes
    body: bytes
    time: int | None = None  # its own event time, where it is not the message's

    @property
    def owned(self) -> bool:
        """Whether an owner of the resource speaks."""
        return any(owner == OWNER for owner, _ in self.ranks)

    def registers(self, origin: Origin) -> bytes:
        """Its registers in the stored form, with the stamps of the message's place."""
        time, channel, place = origin.time if self.time is None else self.time, origin.channel, origin.place
        return from_parts([Stamp(owner, rank, time, channel, place) for owner, rank in self.ranks], self.rows)


class Spoken(msgspec.Struct, array_like=True, frozen=True):
    """What one message says. `event_time` in microseconds, None without; `terms`: to find it by; `detail`: JSON."""

    type: str
    event_time: int | None
    map_hash: str
    patients: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    terms: tuple[bytes, ...]
    detail: bytes
    said: tuple[Said, ...]
    untranslated: tuple[tuple[str, str, str, str], ...] = ()
    parts: tuple[Part, ...] = ()
    claim: Claim | None = None  # of who doesn't own demographics


def speak(mapped: Mapped, table: Ownership, moved: Mapping[str, str], key: bytes) -> Spoken:
    """All that a message says. `moved`: the channel's own topic groups; `key`: of search terms."""
    said = tuple(say(change, mapped.family, table, moved, merged) for change, merged in changes(mapped))
    return Spoken(
        mapped.type,
        instant(mapped.event_time),
        mapped.map_hash,
        patients_of(mapped),
        tuple((retired, surviving) for retired, surviving in mapped.merges if retired != surviving),
        terms(key, mapped.changes),
        message_detail(mapped),
        said,
        mapped.untranslated,
        mapped.parts,
        _claim(said, mapped.parts),
    )


_DOCUMENTS = ("Composition", "DocumentReference", "DiagnosticReport")


def _claim(said: Sequence[Said], parts: Sequence[Part]) -> Claim | None:
    """What a message that is not the owner's says of its patient; None: nothing that could be compared."""
    for each in said:
        if each.type == "Patient" and not each.merged and not each.owned:
            person = person_of(cast("dict[str, Any]", decode_trusted(each.body)))
            if person == NOBODY:
                continue
            of = [f"{part.type}/{part.id}" for part in parts[:1]]
            of += [f"{other.type}/{other.id}" for other in said if other.type in _DOCUMENTS]
            return Claim(each.id, of[0] if of else "", person)
    return None


def say(change: Change, family: str, table: Ownership, moved: Mapping[str, str], merged: bool = False) -> Said:
    """What a message of this family says of one resource."""
    group = table.group(change.type, moved)
    whole = change.type in table.whole
    if whole:
        return Said(change.type, change.id, change.patient, group, whole, merged, (), b"", change.encoded)
    registers, exact = _registers(change, family, table)
    stamps, rows = to_parts(registers)
    ranks = tuple((stamp.owner, stamp.rank) for stamp in stamps)
    body = change.encoded if exact else canonical(change.type, change.id, shown(registers))
    time = instant(change.event_time)
    return Said(change.type, change.id, change.patient, group, whole, merged, ranks, rows, body, time)


def whole(change: Change, table: Ownership, moved: Mapping[str, str]) -> Said:
    """A resource that is made anew each time, and replaced as a whole."""
    group = table.group(change.type, moved)
    return Said(change.type, change.id, change.patient, group, True, False, (), b"", change.encoded)


def canonical(type_: str, id_: str, values: Mapping[tuple[str, str], JsonValue]) -> bytes:
    """The one serialisation of a resource from what shows."""
    resource = compose(values)
    resource["resourceType"] = type_
    resource["id"] = id_
    return encode_trusted(resource)


def patients_of(mapped: Mapped) -> tuple[str, ...]:
    """Every patient that a message speaks of, in its order."""
    found = dict.fromkeys(change.patient for change in mapped.changes if change.patient is not None)
    found |= dict.fromkeys(change.id for change in mapped.changes if change.type == "Patient")
    found |= dict.fromkeys(patient for merge in mapped.merges for patient in merge)
    return tuple(found)


# -- one change per resource, merges written out -----------------------------------------------------------------------


def changes(mapped: Mapped) -> Sequence[tuple[Change, bool]]:
    """All changes of a message, one per resource and in its order, with what its merges add: (change, retired by it).

    A40: the retired patient becomes inactive, at a rank that no later message reaches, and both are linked. Their
    other resources keep ids and references (architecture: "EMPI links; it never changes ids").
    """
    found: dict[tuple[str, str], Change] = {}
    for change in mapped.changes:
        _add(found, change)
    retired_ids = set()
    for retired, surviving in mapped.merges:
        if retired == surviving:
            continue  # a merge of a patient into itself says nothing
        retired_ids.add(retired)
        _add(found, Change("Patient", retired, retired, (_INACTIVE, _link(surviving, "replaced-by"))))
        _add(found, Change("Patient", surviving, surviving, (_link(retired, "replaces"),)))
    return [(change, change.type == "Patient" and change.id in retired_ids) for change in found.values()]


def _add(found: dict[tuple[str, str], Change], change: Change) -> None:
    before = found.get((change.type, change.id))
    if before is not None:
        patient, elements = before.patient or change.patient, before.elements + change.elements
        change = Change(change.type, change.id, patient, elements)
    found[change.type, change.id] = change


_INACTIVE = Element("active", "", False, MERGE_RANK)


def _link(patient: str, kind: str) -> Element:
    return Element("link", "merge", [{"other": {"reference": f"Patient/{patient}"}, "type": kind}], 1)


# -- registers of one message ------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _stamp(owner: int, rank: int) -> Stamp:
    """A stamp without time and place, which all words of a message share."""
    return Stamp(owner, rank, 0, "", 0)


def _registers(change: Change, family: str, table: Ownership) -> tuple[Registers, bool]:
    """The registers, and whether they show exactly what the elements say: no two words fell together."""
    type_ = change.type
    found: Registers = {}
    exact = True
    spoken: dict[str, int] = {}
    for element in change.elements:
        path, slot, value = element.path, element.slot, element.value
        # An event's "remove" is as strong as a field's: a discharge that A13 took back may come again with A03.
        rank = 0 if value is None else element.rank
        stamp = _stamp(table.owner(family, type_, path), rank)
        spoken[path] = min(rank, spoken.get(path, rank))
        if value is None:
            exact &= _put(found, (path, slot or ALL_SLOTS, ""), Cell(NULL, stamp))
        elif (union := table.union(type_, path)) is None or not isinstance(value, list):
            exact &= _put(found, (path, slot, ""), Cell(encode_value(value), stamp))
        else:
            for key, cell in _members(element, stamp, union):
                exact &= _put(found, key, cell)
    for snapshot in table.snapshots.get(type_, ()):
        said = [rank for path, rank in spoken.items() if path in snapshot]
        for path in snapshot if said else ():
            _put(found, (path, ALL_SLOTS, ""), Cell(NULL, _stamp(table.owner(family, type_, path), min(said))))
    if change.patient is not None:
        found[PATIENT, "", ""] = Cell(encode_value(change.patient), _stamp(table.owner(family, type_, PATIENT), 0))
    return found, exact


def _put(found: Registers, key: Key, cell: Cell) -> bool:
    """Of two words of one message for one register the stronger stands, of equals the first. True: the only one."""
    before = found.get(key)
    if before is None or cell.stamp > before.stamp:
        found[key] = cell
    return before is None


def _members(element: Element, stamp: Stamp, union: Union) -> Iterator[tuple[Key, Cell]]:
    values: Iterable[Any] = element.value  # type: ignore[assignment]  # a list: the caller has looked
    for spot, value in enumerate(values):
        yield (element.path, element.slot, _identity(value, union)), Cell(encode_value(value), stamp, stamp, spot)


def _identity(value: JsonValue, union: Union) -> str:
    chosen: list[JsonValue] = [_at(value, by) for by in union.by]
    what = chosen if any(part is not None for part in chosen) else value
    return blake2b(encode_value(what), digest_size=12).hexdigest()


def _at(value: JsonValue, path: tuple[str, ...]) -> JsonValue:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
