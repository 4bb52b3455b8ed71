"""Registers to the elements of a resource (json.html): each value at its path, slots of one element after each other.

Where things go depends only on which registers there are. Few such sets occur in a hospital's traffic, so the work is
done once per set and kept; values are never looked at before they are placed, and never changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from adapters.fhir import JsonValue

__all__ = ["Register", "Shape", "compose", "shape_of"]

Register: TypeAlias = tuple[str, str]
"""Path, which leads to the first repeating element or the leaf; slot, '' for a scalar, else the source."""

_KEPT = 4096
_NUMBERS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What to do with the values of a set of registers, each named by its place in it."""

    registers: tuple[Register, ...]
    plain: tuple[tuple[str, int], ...]  # element
    choices: tuple[int, ...]  # an object with the element's name and its companion's
    inner: tuple[tuple[tuple[str, ...], str, int], ...]  # objects to go through, element
    lists: tuple[tuple[tuple[str, ...], str, tuple[int, ...]], ...]  # objects to go through, element, slots in order
    facts: dict[str, Any]  # what is known of a resource of a type with these registers


_shapes: dict[tuple[Register, ...], Shape] = {}


def shape_of(registers: Mapping[Register, object]) -> Shape:
    """The shape of these registers."""
    keys = tuple(registers)
    shape = _shapes.get(keys)
    if shape is None:
        if len(_shapes) >= _KEPT:
            _shapes.clear()
        shape = _shapes[keys] = _shape(keys)
    return shape


def compose(registers: Mapping[Register, Any], shape: Shape | None = None) -> dict[str, JsonValue]:
    """The elements of a resource; a register whose value is None is left out. `shape`: theirs, if it is known.

    Slots of one element follow each other in natural order; an outer register comes before one inside it.
    """
    values = list(registers.values())
    if not all(values) and None in values:
        return compose({register: value for register, value in registers.items() if value is not None})
    if shape is None:
        shape = shape_of(registers)
    resource: dict[str, JsonValue] = {name: values[at] for name, at in shape.plain}
    for at in shape.choices:
        resource.update(values[at])
    for parents, name, at in shape.inner:
        _place(_inside(resource, parents), name, values[at])
    for parents, name, slots in shape.lists:
        place = _inside(resource, parents)
        for at in slots:
            _extend(place, name, values[at])
    return resource


def _shape(keys: tuple[Register, ...]) -> Shape:
    plain: list[tuple[str, int]] = []
    choices: list[int] = []
    inner: list[tuple[str, int]] = []
    slots: dict[str, list[tuple[str, int]]] = {}
    for at, (path, slot) in enumerate(keys):
        if slot:
            slots.setdefault(path, []).append((slot, at))
        elif "." in path:
            inner.append((path, at))
        elif path[-1] == "]":
            choices.append(at)
        else:
            plain.append((path, at))
    inner.sort()
    heads = {path.partition(".")[0] for path in (*slots, *(path for path, _ in inner)) if "." in path}
    heads.update(name for name, _ in plain)
    lists = []
    for path, rows in slots.items():
        if len(rows) == 1 and "." not in path and path not in heads:
            plain.append((path, rows[0][1]))
            continue
        rows.sort(key=lambda row: _natural(row[0]))
        lists.append((*_split(path), tuple(at for _, at in rows)))
    outer = tuple((*_split(path), at) for path, at in inner)
    return Shape(keys, tuple(sorted(plain)), tuple(choices), outer, tuple(lists), {})


def _split(path: str) -> tuple[tuple[str, ...], str]:
    *parents, name = path.split(".")
    return tuple(parents), name


def _natural(slot: str) -> list[str | int]:
    """PID-9 before PID-13."""
    return [int(part) if index % 2 else part for index, part in enumerate(_NUMBERS.split(slot))]


def _inside(place: dict[str, JsonValue], parents: tuple[str, ...]) -> dict[str, JsonValue]:
    """The object at a path of single elements. Copied on the way: values belong to their registers."""
    for parent in parents:
        found = place.get(parent)
        inner: dict[str, JsonValue] = dict(found) if isinstance(found, dict) else {}
        place[parent] = inner
        place = inner
    return place


def _place(place: dict[str, JsonValue], name: str, value: JsonValue) -> None:
    there = place.get(name)
    if name[-1] == "]":
        place.update(cast("dict[str, JsonValue]", value))
    elif isinstance(value, dict) and isinstance(there, dict):
        place[name] = {**value, **there}
    else:
        place.setdefault(name, value)


def _extend(place: dict[str, JsonValue], name: str, values: list[JsonValue]) -> None:
    there = place.get(name)
    if not isinstance(there, list):
        place[name] = values
        return
    place[name] = there + [value for value in values if value not in there]
