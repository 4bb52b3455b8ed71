"""The guard before any row: class × mood × negation × status decides whether a statement may become a resource.

A guard is a table (guard.yaml). The first row that fits decides; what no row names is refused: a statement of
which we don't know that it happened never becomes one that did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.cda import Node
from mappings.engine.yamlfile import Dict, List, line_of
from mappings.errors import MapError

__all__ = ["Cell", "Guard", "Verdict", "read_guards"]

_KEYS = frozenset({"mood", "negated", "status", "go", "set", "refuse"})
_NEGATED = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refused`: why there is no resource, '' = go on. `sets`: literals that stand before any row writes."""

    refused: str
    sets: Any  # Dict of element → literal, or None
    line: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One row; None fits everything. Statuses are lower case, '' = no statusCode."""

    mood: frozenset[str] | None
    negated: bool | None
    status: frozenset[str] | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard. `classes`: the elements that it is for."""

    name: str
    classes: frozenset[str]
    cells: tuple[Cell, ...]

    def judge(self, node: Node) -> Verdict:
        """What may become of a statement."""
        if node.name not in self.classes:
            return _OTHER
        negation = node.attrs.get("negationInd")
        negated = False if negation is None else _NEGATED.get(negation.strip().lower())
        if negated is None:
            return _UNCLEAR
        code = node.child("statusCode")
        status = (code.attrs.get("code") or "").strip().lower() if code is not None else ""
        mood = node.attrs.get("moodCode", "").strip()
        for cell in self.cells:
            if (
                (cell.mood is None or mood in cell.mood)
                and (cell.negated is None or negated is cell.negated)
                and (cell.status is None or status in cell.status)
            ):
                return cell.verdict
        return _UNKNOWN


_OTHER = Verdict("its class is none that the map is for", None, 0)
_UNCLEAR = Verdict("its negationInd is neither true nor false", None, 0)
_UNKNOWN = Verdict("nothing says that it has happened", None, 0)


def read_guards(raw: Any, file: str) -> dict[str, Guard]:
    """`guards: {Name: {classes: [...], rows: [...]}}`. Raises MapError."""
    guards = raw.get("guards") if isinstance(raw, Dict) else None
    if not isinstance(guards, Dict):
        raise MapError(file, 1, "the file begins with `guards:`")
    found = {}
    for name, guard in guards.items():
        if not isinstance(guard, Dict) or set(guard) != {"classes", "rows"} or not isinstance(guard["rows"], List):
            raise MapError(file, guards.lines[name], "a guard has `classes` and `rows`")
        cells = tuple(_cell(row, file) for row in guard["rows"])
        found[name] = Guard(name, frozenset(map(str, guard["classes"])), cells)
    return found


def _cell(row: Any, file: str) -> Cell:
    line = line_of(row)
    if not isinstance(row, Dict) or not set(row) <= _KEYS or ("go" in row) is ("refuse" in row):
        raise MapError(
            file, line, "a guard's row has mood, negated, status, and `go: yes` (with `set`) or `refuse: why`"
        )
    negated = str(row.get("negated", "")) or None
    if negated is not None and negated not in _NEGATED:
        raise MapError(file, line, "negated is true or false")
    verdict = Verdict(str(row.get("refuse", "")), row.get("set"), line)
    return Cell(_names(row, "mood"), None if negated is None else _NEGATED[negated], _names(row, "status"), verdict)


def _names(row: Dict, key: str) -> frozenset[str] | None:
    found = row.get(key)
    if found is None:
        return None
    return frozenset([str(found)] if isinstance(found, str) else [str(item) for item in found])
