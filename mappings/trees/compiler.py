"""The compiler: maps to plans, each row one closure; every finding names file and line (docs/cda.md, "Load checks")."""

from __future__ import annotations

from typing import Any

from adapters.fhir import UnknownElement, definitions
from mappings.errors import MapError
from mappings.trees.grammar import MapFile, Row, map_file
from mappings.trees.guards import Verdict
from mappings.trees.plan import Plan, RunRow
from mappings.trees.rows import compile_absent, compile_row
from mappings.trees.shop import Shop
from mappings.trees.writing import Put, compile_put, names_of

__all__ = ["Compiler"]

_INCLUDES = 5


class Compiler(Shop):
    """Compiles each map when it is first asked for."""

    def plan(self, name: str, file: str = "", line: int = 0) -> Plan:
        """The compiled map of this name. Raises MapError."""
        found = self.plans.get(name)
        if found is not None:
            return found
        path = self.library.maps.get(name)
        if path is None:
            raise MapError(file, line, f"there is no map {name}")
        parsed = map_file(self.library.files[path], path, name)
        kind, home = _home(parsed)
        resource = not home[1] and definitions().is_resource(home[0])
        plan = Plan(len(self.plans), parsed, home[0] if resource else "", home, kind)
        self.plans[name] = plan
        self._fill(plan)
        return plan

    def _fill(self, plan: Plan) -> None:
        parsed = plan.map
        for when, name, line in parsed.choose:
            test = self.predicate(when, parsed.file, line) if when else None
            plan.choices.append((test, self.plan(name, parsed.file, line)))
        plan.key = [self.anything(path, parsed.file, parsed.line) for path in parsed.key]
        plan.excused = [(self.anything(path, parsed.file, line), reason) for path, reason, line in parsed.excused]
        if parsed.guard:
            plan.guard = self.guard(parsed.guard, parsed.file, parsed.line)
            for cell in plan.guard.cells:
                plan.sets[id(cell.verdict)] = self._sets(plan, cell.verdict)
        late: list[RunRow] = []
        for row in self.rows_of(parsed):
            if row.absent and not row.source and row.value is None and not row.link:
                late.append(compile_absent(row, plan, self))
            else:
                plan.rows.append(compile_row(row, plan, self))
        plan.rows += late
        if not plan.kind:
            children = definitions().children(plan.home)
            seen = set()
            for element in children.values():
                label = element.choice or element.name
                if element.min and label not in seen:
                    seen.add(label)
                    plan.required.append(names_of(plan.home, element))
            if parsed.needs:
                needed = [self.steps(plan, name, parsed.file, parsed.line)[0].name for name in parsed.needs]
                plan.required.append(tuple(needed))

    def rows_of(self, parsed: MapFile, depth: int = 0) -> list[Row]:
        """Its own rows, then those of the maps that it includes."""
        rows = list(parsed.rows)
        if depth > _INCLUDES:
            raise MapError(parsed.file, parsed.line, "includes itself")
        for name in parsed.include:
            path = self.library.maps.get(name)
            if path is None:
                raise MapError(parsed.file, parsed.line, f"there is no map {name}")
            rows += self.rows_of(map_file(self.library.files[path], path, name), depth + 1)
        return rows

    def _sets(self, plan: Plan, verdict: Verdict) -> list[tuple[Put, Any]]:
        found = []
        for path, value in (verdict.sets or {}).items():
            elements = self.steps(plan, path, "guard.yaml", verdict.line)
            made = self.literal(value, elements[-1], "guard.yaml", verdict.line)
            found.append((compile_put(plan.home, elements), made))
        return found


def _home(parsed: MapFile) -> tuple[str, tuple[str, str]]:
    """(type that the map makes, home of its elements)."""
    owner, _, inside = parsed.target.partition(".")
    known = definitions()
    if owner not in known.types:
        raise MapError(parsed.file, parsed.line, f"R4 has no type {owner}")
    if not inside:
        return owner, (owner, "")
    try:
        element = known.resolve(owner, inside)
    except UnknownElement as error:
        raise MapError(parsed.file, parsed.line, str(error)) from error
    if element.home is None or not element.home[1]:
        raise MapError(parsed.file, parsed.line, f"{parsed.target} has no elements of its own")
    return ".".join(element.home), element.home
