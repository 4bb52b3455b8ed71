"""Which source parts rules name: tells residue `no-target` (a rule knows it, nothing was written) from `no-rule`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mappings.engine.grammar import Map, Row
from mappings.engine.residue import Said
from mappings.engine.sources import SourcePath, parse

if TYPE_CHECKING:
    from mappings.engine.messages import MessagePlan
    from mappings.engine.workshop import Workshop

__all__ = ["Covering"]


class Covering:
    """Asked as covering(segment, field, component); knows the rules that a message map can reach, and no others."""

    def __init__(self, shop: Workshop, message: MessagePlan) -> None:
        self._shop = shop
        self._message = message
        self._filled = False
        self._fields: dict[tuple[str, int], set[int] | None] = {}  # None: every component
        self.known: dict[tuple[object, ...], Said] = {}  # what residue said of leaves under these rules
        self._maps: dict[str, set[int] | None] = {}

    def __call__(self, segment: str, field: int, component: int) -> bool:
        if not self._filled:
            self._fill()
        if (segment, field) not in self._fields:
            return False
        parts = self._fields[segment, field]
        return parts is None or component in parts

    def _fill(self) -> None:
        self._filled = True
        seen: set[str] = set()
        waiting = [plan for row in self._message.rows for plan in row.by]
        while waiting:
            plan = waiting.pop()
            if plan.name in seen:
                continue
            seen.add(plan.name)
            waiting.extend(plan.inner)
            waiting.extend(inner for _, inner in plan.dispatch)
            if plan.own is not None:
                for path, stem in plan.covers:
                    self._add(path, stem)

    def _add(self, path: SourcePath, stem: str) -> None:
        key = (path.owner, path.field)
        parts = self._fields.setdefault(key, set())
        if parts is None:
            return
        if path.component:
            parts.add(path.component)
        elif stem == "*":
            self._fields[key] = None
        elif not stem:
            parts.add(1)
        else:
            inner = self._parts(stem)
            if inner is None:
                self._fields[key] = None
            else:
                parts |= inner

    def _parts(self, stem: str) -> set[int] | None:
        """The components that a data type map names; None for all."""
        if stem not in self._maps:
            self._maps[stem] = set()
            self._maps[stem] = self._of(self._shop.library.datatype_map(stem))
        return self._maps[stem]

    def _of(self, found: Map) -> set[int] | None:
        if found.dispatch:
            inner = [self._parts(name) for _, name, _ in found.dispatch]
            return None if None in inner else set().union(*(each or set() for each in inner))
        parts: set[int] = set()
        for row in _flat(found.rows):
            for text in row.source:
                path = parse(text, found.source)
                if path is None or not path.component:
                    return None
                parts.add(path.component)
        return parts


def _flat(rows: Iterable[Row]) -> Iterable[Row]:
    for row in rows:
        yield row
        for _, inner in row.cases:
            yield from _flat(inner)
        for inner in (row.first, row.otherwise, row.fallback):
            yield from _flat(inner)
