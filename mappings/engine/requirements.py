"""What a resource can't stand without (R4 cardinality, min >= 1): per type once, checked per resource at run time."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.fhir import definitions
from mappings.engine.runtime import Resource

__all__ = ["Requirements", "lacking", "requirements"]


@dataclass(frozen=True, slots=True)
class Requirements:
    """`top`: required elements, each with the first steps of registers that fill it. `children`: register path of a
    list of objects -> what each of them needs; filled when first asked."""

    top: tuple[tuple[str, frozenset[str]], ...]


@functools.cache
def requirements(kind: str) -> Requirements:
    """Of a resource type."""
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
    return Requirements(tuple(rows))


_NEEDS: dict[str, dict[str, tuple[str, ...]]] = {}  # type -> register path -> what its objects need


@functools.cache
def _item(kind: str, path: str) -> tuple[str, ...]:
    """What each object at a register's path needs."""
    steps = definitions().steps(kind, path) if not path.startswith(("_", "extension")) and "._" not in path else ()
    if not steps or steps[-1].home is None or not steps[-1].repeats:
        return ()
    children = definitions().children(steps[-1].home)
    return tuple(name for name, child in children.items() if child.min and not child.choice)


def lacking(resource: Resource) -> str:
    """The first required element that the resource lacks, '' if it stands."""
    registers: Mapping[Any, Any] = resource.registers
    for name, heads in requirements(resource.kind).top:
        if registers.get((name, "")) is not None:
            continue
        if not any(value is not None and path.partition(".")[0] in heads for (path, _), value in registers.items()):
            return name
    return ""


def incomplete(resource: Resource) -> list[tuple[str, str, Any]]:
    """(path, slot, object) of list objects that lack a required part."""
    found = []
    needs = _NEEDS.get(resource.kind)
    if needs is None:
        needs = _NEEDS[resource.kind] = {}
    for (path, slot), value in resource.registers.items():
        if slot and value:
            needed = needs.get(path)
            if needed is None:
                needed = needs[path] = _item(resource.kind, path)
            if needed:
                for item in value:
                    if not all(name in item or f"_{name}" in item for name in needed):
                        found.append((path, slot, item))
    return found
