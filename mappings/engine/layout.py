"""The layout of a message: its groups, and at which place of them each row runs.

It depends only on version, structure and the names of the segments in their order. A hospital's messages have few such
sequences, so the walk through the groups is done once for each and kept; no text of a message is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from adapters.hl7v2 import Message, Segment, group
from adapters.hl7v2.groups import Group

if TYPE_CHECKING:
    from mappings.engine.messages import MessagePlan, Row

__all__ = ["Layout", "Layouts", "Site"]

_KEPT = 256
_LONGEST = 256  # segments of a message whose layout is kept

Step: TypeAlias = "tuple[Row, int, int]"
"""A row, the number of the group that it runs in, and the position of its segment, -1 for the group itself."""


class Site:
    """A group of a layout. `places`: positions of its own segments by name; `found`: answers of `find`."""

    __slots__ = ("around", "below", "firsts", "found", "path", "places", "several")

    def __init__(self, path: str, around: Site | None) -> None:
        self.path = path
        self.several = False  # whether the group around has further repetitions of this one
        self.firsts: dict[str, Site] = {}  # path -> the first group of it directly below
        self.around = around
        self.below: list[Site] = []
        self.places: dict[str, list[int]] = {}
        self.found: dict[str, list[int]] = {}

    def find(self, name: str) -> list[int]:
        """The segments of this name in this group, else below, else in the nearest enclosing group.

        Around an enclosing group only groups that occur once are looked into, and none like the one we come from:
        an order never takes what belongs to another order.
        """
        known = self.found.get(name)
        if known is None:
            known = self.found[name] = self._find(name)
        return known

    def _find(self, name: str) -> list[int]:
        found = self._inside(name)
        came, site = self, self.around
        while not found and site is not None:
            found = site.places.get(name, [])
            if not found:
                for each in site.firsts.values():
                    if each.path != came.path and not each.several:
                        found = each._inside(name)
                        if found:
                            break
            came, site = site, site.around
        return found

    def _inside(self, name: str) -> list[int]:
        """In this group, else below it."""
        found = self.places.get(name)
        if found:
            return found
        for site in self.below:
            found = site._inside(name)
            if found:
                return found
        return []


class Layout:
    """`sites`: the groups, each after the one around it, whose number is in `around` (-1 for the root); `steps`: the
    rows of a plan in their order."""

    __slots__ = ("around", "sites", "steps")

    def __init__(self, message: Message, plan: MessagePlan) -> None:
        self.sites: list[Site] = []
        self.around: list[int] = []
        places: dict[str, list[tuple[int, int]]] = {}
        anywhere = frozenset(name[2:] for name in plan.wanted if name.startswith("*."))
        self._add(group(message), -1, plan, anywhere, places)
        self.steps: tuple[Step, ...] = tuple(
            [(row, site, position) for row in plan.rows for site, position in places.get(row.path, ())]
        )

    def _add(
        self,
        found: Group,
        around: int,
        plan: MessagePlan,
        anywhere: frozenset[str],
        places: dict[str, list[tuple[int, int]]],
    ) -> None:
        path, wanted, number = found.path, plan.wanted, len(self.sites)
        site = Site(path, self.sites[around] if around >= 0 else None)
        if site.around is not None:
            first = site.around.firsts.setdefault(path, site)
            first.several = site.several = first is not site
            site.around.below.append(site)
        self.sites.append(site)
        self.around.append(around)
        if path in wanted:
            places.setdefault(path, []).append((number, -1))
        start = f"{path}." if path else ""
        for child in found.children:
            if isinstance(child, Segment):
                name, position = child.name, child.position
                site.places.setdefault(name, []).append(position)
                if start + name in wanted:
                    places.setdefault(start + name, []).append((number, position))
                if name in anywhere:
                    places.setdefault(f"*.{name}", []).append((number, position))
            else:
                self._add(child, number, plan, anywhere, places)


class Layouts:
    """The layouts of the sequences met, at most a few hundred."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, tuple[str, ...]], Layout] = {}

    def of(self, message: Message, plan: MessagePlan) -> Layout:
        """The layout of a message under the plan of its structure."""
        segments = message.segments
        if len(segments) > _LONGEST:
            return Layout(message, plan)
        name = (message.dictionary_version, message.structure, tuple([segment.name for segment in segments]))
        found = self._kept.get(name)
        if found is None:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            found = self._kept[name] = Layout(message, plan)
        return found
