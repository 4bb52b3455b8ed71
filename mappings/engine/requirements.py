"""What a resource can't stand without (R4 cardinality, min >= 1), and periods: what there is to look at depends only on
which registers there are, so it is worked out once per set of them; their values are looked at in each resource.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from adapters.fhir import definitions
from mappings.composition import Register, shape_of
from mappings.engine.runtime import Resource

__all__ = ["Requirements", "incomplete", "lacking", "requirements"]


@dataclass(frozen=True, slots=True)
class Requirements:
    """Of a type with a set of registers. `top`: required elements, each with the registers that fill it; `items`: lists
    of objects that need something, each with these names; `periods`: registers of ends with those of beginnings."""

    top: tuple[tuple[str, tuple[Register, ...]], ...]
    items: tuple[tuple[Register, tuple[tuple[str, str], ...]], ...]
    periods: tuple[tuple[Register, Register], ...]


def requirements(resource: Resource) -> Requirements:
    """Of a resource as it is."""
    shape = resource.shape
    if shape is None or len(shape.registers) != len(resource.registers):
        shape = resource.shape = shape_of(resource.registers)
    found: Requirements | None = shape.facts.get(resource.kind)
    if found is None:
        found = shape.facts[resource.kind] = _requirements(resource.kind, shape.registers)
    return found


def _requirements(kind: str, registers: tuple[Register, ...]) -> Requirements:
    top = tuple(
        (name, tuple(register for register in registers if register[0].partition(".")[0] in heads))
        for name, heads in _required(kind)
    )
    items = []
    for register in registers:
        needed = _item(kind, register[0]) if register[1] else ()
        if needed:
            items.append((register, tuple((name, f"_{name}") for name in needed)))
    periods = []
    for register in registers:
        start = (f"{register[0][:-4]}.start", "")
        if register[0][-4:] == ".end" and start in registers:
            periods.append((register, start))
    return Requirements(top, tuple(items), tuple(periods))


@functools.cache
def _required(kind: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """The required elements of a type, each with the first steps of registers that fill it."""
    rows = []
    children = definitions().children((kind, ""))
    for name, element in children.items():
        if not element.min or (element.choice and not name.endswith("[x]")):
            continue
        heads = {name, f"_{name}"}
        if element.choice:
            for other, variant in children.items():
                if variant.choice == name:
                    heads |= {other, f"_{other}"}
        rows.append((name, frozenset(heads)))
    return tuple(rows)


@functools.cache
def _item(kind: str, path: str) -> tuple[str, ...]:
    """What each object at a register's path needs."""
    steps = definitions().steps(kind, path) if not path.startswith(("_", "extension")) and "._" not in path else ()
    if not steps or steps[-1].home is None or not steps[-1].repeats:
        return ()
    children = definitions().children(steps[-1].home)
    return tuple(name for name, child in children.items() if child.min and not child.choice)


def lacking(resource: Resource, needed: Requirements) -> str:
    """The first required element that the resource lacks, '' if it stands."""
    registers = resource.registers
    for name, filling in needed.top:
        for register in filling:
            if registers[register] is not None:
                break
        else:
            return name
    return ""


def incomplete(resource: Resource) -> list[tuple[str, str, Any]]:
    """(path, slot, object) of list objects that lack a required part."""
    found = []
    for register, needed in requirements(resource).items:
        for item in resource.registers[register] or ():
            for name, companion in needed:
                if name not in item and companion not in item:
                    found.append((*register, item))
                    break
    return found
