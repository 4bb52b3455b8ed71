"""Rows of DICOM maps as they run, and the maps that they make: `to` ← `from`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mappings.dicom.run import INVALID, NO_TARGET, Node, Run
from mappings.dicom.sources import Condition

__all__ = ["Plan", "Row", "Values"]

Values = Callable[[Run, Node], list[Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One compiled row. `path`, `slot`: its register; `place` wraps a value into it."""

    id: str
    path: str
    slot: str
    repeats: bool
    values: Values
    place: Callable[[list[Any]], Any]
    put: Callable[[dict[str, Any], list[Any]], None]
    when: Condition | None
    required: bool
    kept: bool
    level: str = ""
    fold: str = ""
    rule: str = ""  # file and line
    choices: tuple[Row, ...] = ()  # of `first`

    def fire(self, run: Run, node: Node) -> tuple[Row, list[Any]] | None:
        """The row that wrote (one of its choices), and its values; None: nothing."""
        if self.choices:
            return next((found for each in self.choices if (found := each.fire(run, node)) is not None), None)
        if self.when is not None and not self.when(run, node):
            return None
        before = run.begin()
        values = self.values(run, node)
        run.end(before, bool(values), "kept" if self.kept else "mapped", INVALID)
        return (self, values) if values else None


@dataclass(frozen=True, slots=True)
class Plan:
    """All rows of one map."""

    name: str
    type: str
    rows: tuple[Row, ...]

    def build(self, run: Run, node: Node) -> dict[str, Any] | None:
        """The object that the rows make; None without a value, or without one that is required.

        An object that can't stand carries nothing: what its rows read is not taken.
        """
        before = run.begin()
        made: dict[str, Any] = {}
        wrote = complete = True
        for row in self.rows:
            found = row.fire(run, node)
            if found is not None:
                found[0].put(made, found[1])
            elif row.required:
                complete = False
                break
        wrote = complete and bool(made)
        if not wrote:
            for path in run.trace:
                run.taken.pop(path, None)
        run.end(before, wrote, "mapped", NO_TARGET)
        return made if wrote else None
