"""What a profile demands (elementdefinition.html), as a tree of elements and slices; built once, then only read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MISSING", "Node", "find"]


class _Missing:
    """Stands for no value (a class, so that a copy of it is itself)."""


MISSING: Any = _Missing


@dataclass(slots=True)
class Node:
    """What a profile demands of one element (or of one slice of it). Built once, then only read."""

    min: int = 0
    max: int | None = None
    types: dict[str, list[str]] | None = None
    profiles: tuple[str, ...] = ()
    fixed: Any = MISSING
    pattern: Any = MISSING
    binding: str = ""
    slicing: dict[str, Any] | None = None
    constraints: list[list[str]] = field(default_factory=list)
    children: dict[str, Node] = field(default_factory=dict)
    slices: dict[str, Node] = field(default_factory=dict)

    def lay(self, row: Mapping[str, Any]) -> None:
        """A row over what the base profile demanded."""
        self.min = max(self.min, row.get("min", 0))
        if "max" in row:
            self.max = row["max"] if self.max is None else min(self.max, row["max"])
        self.types = row.get("types", self.types)
        self.profiles = tuple(row.get("profiles", self.profiles))
        self.fixed = row.get("fixed", self.fixed)
        self.pattern = row.get("pattern", self.pattern)
        self.binding = row["binding"][1] if "binding" in row else self.binding
        self.slicing = row.get("slicing", self.slicing)
        known = {rule[0] for rule in self.constraints}
        self.constraints += [rule for rule in row.get("constraints", ()) if rule[0] not in known]


def find(root: Node, place: str) -> Node:
    """The node at an element id below the type: `component:SystolicBP.code.coding`."""
    node = root
    for segment in place.split(".") if place else ():
        name, _, slice_name = segment.partition(":")
        if name.endswith("[x]") and slice_name.startswith(name[:-3]) and slice_name != name[:-3]:
            name, slice_name = slice_name, ""  # `value[x]:valueQuantity` is the member valueQuantity
        node = node.children.setdefault(name, Node())
        if slice_name:
            node = node.slices.setdefault(slice_name, Node())
    return node
