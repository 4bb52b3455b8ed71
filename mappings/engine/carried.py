"""What the resources of a message took from each of its segments, added up as masks over the leaves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from mappings.engine.codec import Marks
from mappings.engine.makers import MAPPED
from mappings.engine.runtime import Resource, Trace
from mappings.engine.templates import TEMPLATE, expand

__all__ = ["Carried", "Cell", "Note", "Place", "Spot"]

Place: TypeAlias = Any
"""In a segment: a field, or (field, 0-based repetition) from the second repetition on. A field alone is the usual case
and an int the faster key."""
Spot: TypeAlias = "tuple[int, int, int]"
"""Segment position, field, 0-based repetition."""
Cell: TypeAlias = "list[int]"
"""Masks over the leaves of one repetition: excused, invalid, set aside."""
Note: TypeAlias = "tuple[Spot, int, str, str, Resource, int]"
"""Where (spot and bit), kind, text, and whose: resource and rule."""


_NO_MORE = (0, 0, 0, ())


class Carried:
    """`mapped`: by segment position, the masks of its places; `kept`: likewise, of the few segments that have any;
    `cells`: what more there is to say; `notes`: why."""

    __slots__ = ("cells", "kept", "mapped", "notes")

    def __init__(self, segments: int) -> None:
        self.mapped: list[dict[Place, int]] = [{} for _ in range(segments)]
        self.kept: dict[int, dict[Place, int]] = {}
        self.cells: dict[Spot, Cell] = {}
        self.notes: list[Note] = []

    def add(self, resource: Resource) -> None:
        """What one resource took. Most writes say only `mapped`."""
        stands = not resource.aside
        if not stands:
            expand(resource)
        traces: Iterable[Trace] = resource.trace
        for rule, position, field, repetition, shift, marks in traces:
            if rule == TEMPLATE:
                template: Any = marks
                self._template(template, position, resource)
                continue
            if stands:
                here = self.mapped[position]
                place = (field, repetition) if repetition else field
                here[place] = here.get(place, 0) | marks[0] << shift
                if marks is MAPPED or marks[1:] == _NO_MORE:
                    continue
            self._more(rule, (position, field, repetition), shift, marks, resource, stands)

    def _template(self, template: Any, position: int, resource: Resource) -> None:
        here = self.mapped[position]
        if here:
            for place, mask in template.mapped.items():
                here[place] = here.get(place, 0) | mask
        else:
            here.update(template.mapped)
        if template.kept:
            there = self.kept.setdefault(position, {})
            for place, mask in template.kept.items():
                there[place] = there.get(place, 0) | mask
        for rule, _, field, repetition, shift, marks in template.others:
            place = (field, repetition) if repetition else field
            here[place] = here.get(place, 0) | marks[0] << shift
            self._more(rule, (position, field, repetition), shift, marks, resource, True)

    def _more(self, rule: int, spot: Spot, shift: int, marks: Marks, resource: Resource, stands: bool) -> None:
        """What else marks say than `mapped`."""
        mapped, kept, excused, invalid, said = marks
        if stands and kept:
            position, field, repetition = spot
            place = (field, repetition) if repetition else field
            there = self.kept.setdefault(position, {})
            there[place] = there.get(place, 0) | kept << shift
        if stands and not (excused or invalid or said):
            return
        if said:
            self.notes.extend([(spot, shift + bit, kind, text, resource, rule) for kind, bit, text in said])
        cell = self.cells.setdefault(spot, [0, 0, 0])
        cell[0] |= excused << shift
        cell[1] |= invalid << shift
        if not stands:
            cell[2] |= (mapped | kept) << shift
