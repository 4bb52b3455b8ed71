"""Invariants (conformance-rules.html#constraints) of the definitions, each compiled once to a closure.

Those that the structure check, `contained.py`, `narrative.py` and `bundles.py` look at by hand are left out here; what
cannot be compiled is listed by `left_out`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adapters.fhir.coded import After
from adapters.fhir.definitions import Constraint, Definitions, Element, Home
from adapters.fhir.fhirpath import NotCompilable, compile_constraint
from adapters.fhir.findings import Path, Run

BY_HAND = frozenset(
    {"ele-1", "ref-1", "dom-2", "dom-3", "dom-4", "dom-5", "txt-1", "txt-2"}
    | {f"bdl-{number}" for number in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12)}
)
"""Checked elsewhere: with a better place, at less cost, or because FHIRPath alone can't say it."""


class Constraints:
    """Compiles the constraints of a table's places."""

    def __init__(self, table: Definitions) -> None:
        self._table = table

    def of_home(self, home: Home) -> tuple[After, ...]:
        """What objects at a place must fulfil: the own constraints of a type and those of its bases."""
        owner, inside = home
        if inside:
            return self.compiled(self._table.constraints(home), owner, frozenset({home}))
        found: tuple[After, ...] = ()
        name = owner
        while name:
            found = (*self.compiled(self._table.constraints((name, "")), owner, frozenset({home})), *found)
            name = self._table.base(name)
        return found

    def of_element(self, element: Element) -> tuple[After, ...]:
        """What the owner's definition demands of one of its elements, beside what the element's type does."""
        if element.home == (element.owner, element.path):
            return ()  # a backbone element: of_home has them
        rows = self._table.constraints((element.owner, element.path))
        if not rows:
            return ()
        return self.compiled(rows, element.owner, self.homes(element))

    def homes(self, element: Element) -> frozenset[Home]:
        """Where members of an element's values may stand; of a choice, of all its types."""
        if not element.choice:
            return frozenset({element.home} if element.home else ())
        siblings = self._table.children((element.owner, element.path.rpartition(".")[0]))
        return frozenset(each.home for each in siblings.values() if each.choice == element.choice and each.home)

    def compiled(self, rows: Iterable[Constraint], owner: str, homes: frozenset[Home]) -> tuple[After, ...]:
        found = []
        for row in rows:
            if row.key in BY_HAND:
                continue
            try:
                holds = compile_constraint(row.expression, owner, homes, self._table)
            except NotCompilable:
                continue  # left_out names it
            found.append(_rule(row, holds))
        return tuple(found)


def _rule(row: Constraint, holds: Any) -> After:
    text = f"{row.key}: {row.words}"

    def check(value: Any, path: Path, run: Run) -> None:
        if not holds(value, run.resource):
            run.error("invariant", path, text)

    return check


def left_out(table: Definitions) -> dict[str, str]:
    """Key -> reason of each constraint of the types that is neither compiled nor checked by hand."""
    found: dict[str, str] = {}
    for name in sorted(table.types):
        for inside in table.constrained(name):
            element = table.resolve(name, inside) if inside else None
            homes = Constraints(table).homes(element) if element is not None else frozenset({(name, "")})
            for row in table.constraints((name, inside)):
                try:
                    compile_constraint(row.expression, name, homes, table)
                except NotCompilable as reason:
                    if row.key not in BY_HAND:
                        found[row.key] = str(reason)
    return found
