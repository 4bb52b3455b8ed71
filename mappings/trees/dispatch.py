"""Which map a statement gets: by template, else by section and class, else by its code (statements.yaml)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.cda import Node
from mappings.engine.yamlfile import Dict, List, line_of
from mappings.errors import MapError
from mappings.trees.guards import Guard
from mappings.trees.paths import Predicate, Source
from mappings.trees.plan import Plan
from mappings.trees.shop import Shop

__all__ = ["Dispatch", "Way", "read_dispatch"]

_FILE = "statements.yaml"
_KEYS = frozenset({"template", "element", "when", "emit", "open", "guard", "excused", "name"})


@dataclass(frozen=True, slots=True)
class Way:
    """What to do with a statement: make a resource, or look at the statements inside it (`open`)."""

    rank: int
    line: int
    plan: Plan | None
    open: Source | None
    guard: Guard | None
    excused: tuple[tuple[Source, str], ...]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Templates first, whatever their version; then a code of its own system; then the rows that look around."""

    templates: dict[str, Way]
    fallbacks: tuple[tuple[str, Predicate | None, Way], ...]
    codes: Callable[[Node], tuple[bool, Way | None]]

    def find(self, node: Node) -> Way | None:
        found: Way | None = None
        for kid in node.kids:
            if kid.name == "templateId":
                way = self.templates.get(kid.attrs.get("root", ""))
                if way is not None and (found is None or way.rank < found.rank):
                    found = way
        if found is not None:
            return found
        own, way_of_code = self.codes(node)
        if own:
            return way_of_code
        for element, test, way in self.fallbacks:
            if element in ("", node.name) and (test is None or test(node)):
                return way
        return None


def read_dispatch(shop: Shop) -> Dispatch:
    """Raises MapError."""
    raw = shop.library.files.get(_FILE)
    if not isinstance(raw, Dict):
        raise MapError(_FILE, 1, "there is no table of statements")
    templates: dict[str, Way] = {}
    fallbacks = []
    for rank, row in enumerate(_rows(raw, "statements")):
        way = _way(row, rank, shop)
        roots = row.get("template")
        if roots is None:
            raise MapError(_FILE, row.line, "a statement's row names its template")
        for root in [roots] if isinstance(roots, str) else roots:
            if root in templates:
                raise MapError(_FILE, row.line, f"the template {root} stands twice")
            templates[str(root)] = way
    for rank, row in enumerate(_rows(raw, "fallbacks"), 1000):
        test = shop.predicate(row["when"], _FILE, row.line) if "when" in row else None
        fallbacks.append((str(row.get("element", "")), test, _way(row, rank, shop)))
    return Dispatch(templates, tuple(fallbacks), _by_code(raw.get("codes"), shop))


def _rows(raw: Dict, key: str) -> Any:
    rows = raw.get(key, List())
    for row in rows:
        if not isinstance(row, Dict) or not set(row) <= _KEYS or ("emit" in row) is ("open" in row):
            raise MapError(_FILE, line_of(row), "a row says `emit` or `open`, beside template, element, when, guard")
    return rows


def _way(row: Dict, rank: int, shop: Shop) -> Way:
    guard = shop.guard(row["guard"], _FILE, row.line) if "guard" in row else None
    plan = shop.plan(row["emit"], _FILE, row.line) if "emit" in row else None
    if plan is not None and any(each.guard is None for each in plan.leaves()):
        raise MapError(_FILE, row.line, f"{row['emit']} has no guard: a statement must pass one")
    if plan is None and guard is None:
        raise MapError(_FILE, row.line, "a row with `open` names its guard")
    excused = tuple(
        (shop.anything(path, _FILE, row.line), f"{_FILE}: {reason}") for path, reason in row.get("excused", {}).items()
    )
    opened = shop.anything(row["open"], _FILE, row.line) if "open" in row else None
    return Way(rank, row.line, plan, opened, guard, excused)


def _by_code(raw: Any, shop: Shop) -> Callable[[Node], tuple[bool, Way | None]]:
    """`codes: {system: OID, table: Name}`: a statement's own code of this system names its map, and nothing else does.

    A section may hold all kinds of statements: that there is no allergy stands in the section of allergies, too.
    """
    if raw is None:
        return lambda node: (False, None)
    table = shop.table(str(raw["table"]), _FILE, raw.line)
    ways = {
        code: Way(2000, targets[0].line, shop.plan(targets[0].code, table.file, targets[0].line), None, None, ())
        for code, targets in table.rows.items()
        if targets
    }
    system = str(raw["system"])

    def by_code(node: Node) -> tuple[bool, Way | None]:
        code = node.child("code")
        if code is None or code.attrs.get("codeSystem", "").replace(" ", "") != system:
            return False, None
        return True, ways.get(code.attrs.get("code", ""))

    return by_code
