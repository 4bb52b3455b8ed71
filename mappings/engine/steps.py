"""What rows do when a map runs: from the fetched texts through a converter to a sink, with marks for the balance.

A step is called with a seat and says WROTE, NONE or FELL (`ops`). The generated code does the plain case without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from adapters.fhir import definitions
from mappings.engine.codec import NOTHING, NULL, Marks
from mappings.engine.conditions import Condition, first_leaf
from mappings.engine.datatypes import ORIGINAL_TEXT
from mappings.engine.fetching import Fetch
from mappings.engine.makers import Converter, Maker, full_mask, outcome, recalled
from mappings.engine.ops import FELL, NONE, WROTE, Block
from mappings.engine.runtime import Resource, Seat
from mappings.engine.sinks import Sink, marked
from mappings.engine.targets import (
    Beside,
    Target,
    apply,
    extension,
    fill,
    merged,
    take_back,
)
from mappings.leaves.base import Invalid, Partly

__all__ = [
    "Remover",
    "Step",
    "absent",
    "all_repetitions",
    "conditional",
    "defaulting",
    "filling",
    "many_sources",
    "nothing",
    "one_source",
    "setting",
    "together",
    "wrapped",
]

Step: TypeAlias = Callable[[Seat], int]


def wrapped(plain: Sink, urls: tuple[str, ...], name: str) -> Sink:
    """A sink of extensions that takes their values."""

    def around(resource: Resource, seat: int, repetition: int, value: Any) -> bool:
        made = extension(urls[-1], name, value)
        for url in reversed(urls[:-1]):
            made = {"url": url, "extension": [made]}
        return plain(resource, seat, repetition, made)

    return around


class Remover:
    """HL7 null: the register is to be removed (architecture, `remove element`)."""

    __slots__ = ("key", "required")

    def __init__(self, target: Target, slot: str) -> None:
        self.key = (target.path, slot)
        self.required = bool(target.element.min and "." not in target.path)

    def remove(self, resource: Resource) -> bool:
        """False if it can't be: the element is required, or another source speaks of it."""
        if self.required or resource.registers.get(self.key) is not None:
            return False
        resource.registers[self.key] = None
        return True


_REMOVED: Marks = (1, 0, 0, 0, (("removed", 0, "is removed by HL7 null"),))


def one_source(
    fetch: Fetch,
    convert: Converter,
    place: Sink,
    rule: int,
    remover: Remover,
    several: bool,
    beside: Sink | None,
    extended: bool,
) -> Step:
    """One source: a value per repetition for a list, the first that yields one for a single element."""

    def one(seat: Seat) -> int:
        resource = seat.resource
        codec = seat.codec
        status = NONE
        for position, field, repetition, text, level, shift in fetch(seat):
            if text == NULL:
                if remover.remove(resource):
                    resource.wrote = True
                    resource.trace.append((rule, position, field, repetition, shift, _REMOVED))
                continue
            value, marks = convert(text, level, codec)
            if value is None:
                if marks is not NOTHING:
                    resource.trace.append((rule, position, field, repetition, shift, marks))
                    if marks[3] and status == NONE:
                        status = FELL
                continue
            if marks[4] and value.__class__ is Partly:
                put = _placed(place, beside, extended, seat, repetition, value, text)
            else:
                put = place(resource, seat.number, repetition, value)
            if put:
                resource.trace.append((rule, position, field, repetition, shift, marks))
                resource.wrote = True
                status = WROTE
                if not several:
                    break
        return status

    return one


def _placed(
    place: Sink, beside: Sink | None, extended: bool, seat: Seat, repetition: int, value: Partly, text: str
) -> bool:
    """Put a primitive that carries only a part of its text, and the text beside it."""
    codec = seat.codec
    original = {"extension": [{"url": ORIGINAL_TEXT, "valueString": codec.plain(first_leaf(text, codec))}]}
    if extended:
        return place(seat.resource, seat.number, repetition, Beside(value.value, original))
    if not place(seat.resource, seat.number, repetition, value.value):
        return False
    if beside is not None:
        beside(seat.resource, seat.number, repetition, original)
    return True


def many_sources(
    fetches: list[Fetch], made: Maker, place: Sink, rule: int, beside: Sink | None, extended: bool
) -> Step:
    """A leaf function over several texts, the first repetition of each."""
    join, number = made.join, made.memo
    assert join is not None

    def many(seat: Seat) -> int:
        codec = seat.codec
        texts: list[str] = []
        spots: list[tuple[int, int, int, int]] = []
        for fetch in fetches:
            text = ""
            for position, field, repetition, found, level, shift in fetch(seat):
                text = found
                if level == 0 and codec.component in text:
                    text = text.partition(codec.component)[0]
                if codec.subcomponent in text:
                    text = text.partition(codec.subcomponent)[0]
                if text == NULL:
                    text = ""
                if text:
                    spots.append((position, field, repetition, shift))
                break
            texts.append(codec.plain(text) if text else text)
        if not spots:
            return NONE
        resource = seat.resource
        try:
            result = join(texts, codec.leaf) if not number else recalled(join, number, texts, codec)
        except Invalid as invalid:
            marks: Marks = (0, 0, 0, 1, (("invalid", 0, str(invalid)),))
            resource.trace.append((rule, *spots[0], marks))
            fallen: Marks = (0, 0, 0, 1, ())
            resource.trace.extend([(rule, *spot, fallen) for spot in spots[1:]])
            return FELL
        value, marks = outcome(result, 1, (1, 0, 0, 0, ()))
        if value is None:
            return NONE
        if value.__class__ is Partly:
            put = _placed(place, beside, extended, seat, spots[0][2], value, texts[0])
        else:
            put = place(resource, seat.number, spots[0][2], value)
        if not put:
            return NONE
        resource.trace.extend([(rule, *spot, marks) for spot in spots])
        resource.wrote = True
        return WROTE

    return many


def all_repetitions(fetch: Fetch, made: Maker, place: Sink, rule: int) -> Step:
    """A leaf function over all repetitions of a field, each whole."""
    join = made.join
    assert join is not None

    def joined(seat: Seat) -> int:
        codec = seat.codec
        pieces = [piece for piece in fetch(seat) if piece[3] != NULL]
        if not pieces:
            return NONE
        resource = seat.resource
        masks = [full_mask(piece[3], piece[4], codec) for piece in pieces]
        try:
            result = join([codec.plain(piece[3]) for piece in pieces], codec.leaf)
        except Invalid as invalid:
            for piece, mask in zip(pieces, masks, strict=True):
                first = (mask & -mask).bit_length() - 1
                fallen: Marks = (0, 0, 0, mask, (("invalid", first, str(invalid)),))
                resource.trace.append((rule, *piece[:3], piece[5], fallen))
            return FELL
        value, _ = outcome(result, 1, NOTHING)
        if value is None or not place(resource, seat.number, pieces[0][2], value):
            return NONE
        for piece, mask in zip(pieces, masks, strict=True):
            single = mask == 1 and len(pieces) == 1
            marks: Marks = (1, 0, 0, 0, ()) if single else (0, mask, 0, 0, ())
            resource.trace.append((rule, *piece[:3], piece[5], marks))
        resource.wrote = True
        return WROTE

    return joined


def together(seat: Seat, body: Block, fallback: Block) -> int:
    """Rows that fall together: if one is invalid none of them stays, and the fallback rows run."""
    resource = seat.resource
    outer = resource.undo
    undo: list[Any] = []
    resource.undo = undo
    start, wrote = len(resource.trace), resource.wrote
    status = body(seat)
    resource.undo = outer
    if status >= 0:
        if outer is not None:
            outer.extend(undo)
        return status
    take_back(undo)
    resource.wrote = wrote
    trace = resource.trace
    for at in range(start, len(trace)):
        rule, position, field, repetition, shift, (mapped, kept, excused, invalid, notes) = trace[at]
        said = tuple([note for note in notes if note[0] == "invalid"])
        trace[at] = (rule, position, field, repetition, shift, (0, 0, excused, mapped | kept | invalid, said))
    fallback(seat)
    return FELL


def nothing(seat: Seat) -> int:
    return NONE


def conditional(step: Step, when: Condition | None) -> Step:
    if when is None:
        return step
    ask = when.call
    return lambda seat: step(seat) if ask(seat) else NONE


def setting(place: Sink, value: Any) -> Step:
    return lambda seat: WROTE if place(seat.resource, seat.number, -1, value) else NONE


def filling(target: Target, slot: str, found: tuple[Any, ...]) -> Step:
    """Literals into the objects of a slot that this seat has begun."""

    def filling(seat: Seat) -> int:
        wrote = NONE
        for (path, name, number, _), item in seat.resource.items.items():
            if path == target.path and name == slot and number == seat.number:
                apply(item, found)
                wrote = WROTE
        return wrote

    return filling


def _empty(resource: Resource, path: str) -> bool:
    """Whether no register of this path, or inside or around it, has a value or is removed."""
    inside = f"{path}."
    return all(not (known == path or known.startswith(inside)) for known, _ in resource.registers)


def defaulting(place: Sink, target: Target, value: Any) -> Step:
    whole = (target.path, "")

    def default(seat: Seat) -> int:
        resource = seat.resource
        if whole in resource.registers or not _empty(resource, target.path):
            return NONE
        place(resource, seat.number, -1, value)
        for key in resource.registers:
            if key[0] == target.path:
                resource.ranks[key] = -1
        return WROTE

    return default


_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def absent(target: Target, slot: str, reason: str) -> Step:
    """data-absent-reason at a target that nothing has filled."""
    extended = {"extension": [{"url": _ABSENT, "valueCode": reason}]}
    primitive = definitions().is_primitive(target.type)
    steps = marked(target.rest) if primitive else target.rest
    if target.repeats and target.rest:
        return lambda seat: _absent_inside(seat, target, slot, steps, extended)
    key = (target.path, slot if target.repeats else "")
    if target.choice:
        return lambda seat: _absent_choice(seat.resource, key, target, steps, extended)
    *parents, name = target.path.split(".")
    put = (".".join((*parents, f"_{name}" if primitive else name)), key[1])

    def absent(seat: Seat) -> int:
        resource = seat.resource
        if key in resource.registers or not _empty(resource, target.path) or put in resource.registers:
            return NONE
        resource.registers[put] = [extended] if target.repeats else extended
        resource.ranks[put] = -1
        return WROTE

    return absent


def _has(made: Any, steps: tuple[tuple[str, bool], ...]) -> bool:
    for name, repeats in steps:
        made = made.get(name)
        if made is None:
            return False
        if repeats:
            made = made[0]
    return True


def _absent_inside(seat: Seat, target: Target, slot: str, steps: Any, extended: Any) -> int:
    wrote = NONE
    for (path, name, number, _), item in seat.resource.items.items():
        mine = path == target.path and name == slot and number == seat.number
        if mine and not _has(item, target.rest) and not _has(item, steps):
            fill(item, steps, extended)
            wrote = WROTE
    return wrote


def _absent_choice(resource: Resource, key: Any, target: Target, steps: Any, extended: Any) -> int:
    there = resource.registers.get(key)
    if there is None:
        if target.rest:
            return NONE
        name = f"_{target.choice}" if definitions().is_primitive(target.type) else target.choice
        resource.registers[key] = {name: extended}
        resource.ranks[key] = -1
        return WROTE
    if not target.rest or target.choice not in there or _has(there[target.choice], target.rest):
        return NONE
    inner = merged(there[target.choice], ((steps, extended),))
    resource.registers[key] = {**there, target.choice: inner}
    return WROTE
