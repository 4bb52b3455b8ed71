"""Fetching text by a source path from a seat: pieces (position, field, repetition, text, level, bit of first leaf)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from mappings.engine.conditions import PARTS, Raw
from mappings.engine.datatypes import locator
from mappings.engine.sources import SourcePath

if TYPE_CHECKING:
    from adapters.hl7v2 import Segment
    from mappings.engine.codec import Codec
    from mappings.engine.runtime import Seat

__all__ = ["Fetch", "Fetched", "fetcher", "raw_text"]

Fetched: TypeAlias = "tuple[int, int, int, str, int, int]"
Fetch: TypeAlias = "Callable[[Seat], Sequence[Fetched]]"


def fetcher(path: SourcePath, own: str | None) -> Fetch:
    """How a path is fetched. `own`: the seat's segment name; None if it stands on a piece of text."""
    if own is None:
        return _piece(path)
    if path.owner == own:
        return _own_field(path) if not path.component and not path.repetition else _own_part(path)
    return _other(path)


def _own_field(path: SourcePath) -> Fetch:
    number = path.field

    def field(seat: Seat) -> Sequence[Fetched]:
        fields = seat.fields
        if number >= len(fields):
            return ()
        text = fields[number]
        if not text:
            return ()
        repetition = seat.codec.repetition
        if repetition in text:
            position = seat.position
            return [(position, number, at, part, 0, 0) for at, part in enumerate(text.split(repetition)) if part]
        return ((seat.position, number, 0, text, 0, 0),)

    return field


def _own_part(path: SourcePath) -> Fetch:
    if path.repetition or path.subcomponent:
        return lambda seat: _parts(seat.segment, path, seat.codec)
    number, index = path.field, path.component - 1

    def part(seat: Seat) -> Sequence[Fetched]:
        fields = seat.fields
        if number >= len(fields):
            return ()
        text = fields[number]
        if not text:
            return ()
        codec = seat.codec
        if codec.repetition in text or codec.subcomponent in text:
            return _parts(seat.segment, path, codec)
        parts = text.split(codec.component)
        if index >= len(parts) or not parts[index]:
            return ()
        return ((seat.position, number, 0, parts[index], 1, index),)

    return part


def _other(path: SourcePath) -> Fetch:
    name = path.owner

    def other(seat: Seat) -> Sequence[Fetched]:
        if seat.segment.name == name:
            return _parts(seat.segment, path, seat.codec)
        found = seat.scope.find(name)
        return _parts(found[0], path, seat.codec) if found else ()

    return other


def _parts(segment: Segment, path: SourcePath, codec: Codec) -> Sequence[Fetched]:
    number = path.field
    fields = segment.fields
    if number >= len(fields) or not fields[number]:
        return ()
    found: list[Fetched] = []
    position = segment.position
    for at, text in enumerate(fields[number].split(codec.repetition)):
        if not text or (path.repetition and path.repetition != at + 1):
            continue
        if not path.component:
            found.append((position, number, at, text, 0, 0))
            continue
        parts = text.split(codec.component)
        index = path.component - 1
        if index >= len(parts) or not parts[index]:
            continue
        shift = index
        if codec.subcomponent in text:
            shift += sum([part.count(codec.subcomponent) for part in parts[:index]])
        part = parts[index]
        if not path.subcomponent:
            found.append((position, number, at, part, 1, shift))
            continue
        leaves = part.split(codec.subcomponent)
        below = path.subcomponent - 1
        if below < len(leaves) and leaves[below]:
            found.append((position, number, at, leaves[below], 2, shift + below))
    return found


def _piece(path: SourcePath) -> Fetch:
    at = locator(path)

    def piece(seat: Seat) -> Sequence[Fetched]:
        value = seat.piece
        assert value is not None
        found = at(value)
        if found is None:
            return ()
        text, bit, level = found
        return ((seat.position, seat.field, seat.repetition, text, level, seat.shift + bit),)

    return piece


def raw_text(path: SourcePath, own: str | None) -> Raw:
    """The raw text at a path, all repetitions of a whole field together; '' without."""
    if own is not None and not path.component and not path.repetition:
        number, name = path.field, path.owner

        def field(seat: Seat) -> str:
            fields = seat.fields
            if name != own and seat.segment.name != name:
                found = seat.scope.find(name)
                if not found:
                    return ""
                fields = found[0].fields
            return fields[number] if number < len(fields) else ""

        mine = number if name == own else -1
        return Raw(field, mine, mine)
    fetch = fetcher(path, own)

    def part(seat: Seat) -> str:
        for _, _, _, text, _, _ in fetch(seat):
            return text
        return ""

    if own is not None and own == path.owner and not path.repetition:
        spot = (
            (path.component - 1, path.subcomponent - 1) if path.component <= PARTS and path.subcomponent < 2 else None
        )
        return Raw(_own_leaf(path), -1, path.field, spot or (-1, -1))
    return Raw(part, path.component - 1 if own is None and not path.subcomponent else -1)


def _own_leaf(path: SourcePath) -> Callable[[Seat], str]:
    """A component of the first repetition of the seat's own field that has it."""
    leaf = leaf_of(path)
    return lambda seat: leaf(seat.fields, seat.codec)


def leaf_of(path: SourcePath) -> Callable[[list[str], Codec], str]:
    """A component of the first repetition that has it, in the fields of its segment; the way of `_parts`, without its
    bookkeeping."""
    number, index, below = path.field, path.component - 1, path.subcomponent - 1

    def leaf(fields: list[str], codec: Codec) -> str:
        if number >= len(fields):
            return ""
        text = fields[number]
        if not text:
            return ""
        for repetition in text.split(codec.repetition) if codec.repetition in text else (text,):
            parts = repetition.split(codec.component)
            if index < len(parts) and parts[index]:
                if below < 0:
                    return parts[index]
                leaves = parts[index].split(codec.subcomponent)
                if below < len(leaves) and leaves[below]:
                    return leaves[below]
        return ""

    return leaf
