"""What maps are compiled with: each name that a row refers to, looked up and checked (docs/cda.md, "Load checks")."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from adapters.cda import Node
from adapters.fhir import Element, UnknownElement
from mappings.engine.tables import Table
from mappings.errors import MapError
from mappings.leaves.base import Leaf
from mappings.trees import values
from mappings.trees.convert import NodeFunction
from mappings.trees.grammar import Row
from mappings.trees.guards import Guard, read_guards
from mappings.trees.library import Library
from mappings.trees.paths import PathError, Predicate, Source, compile_path, compile_predicate
from mappings.trees.plan import Plan, Rule
from mappings.trees.run import Resource, Run

__all__ = ["Shop", "Vocabulary"]

_ANY = frozenset({"*", "negated"})


class Vocabulary:
    """The names that paths may use: elements and attributes of the source's standard."""

    def __init__(self, elements: frozenset[str], attributes: frozenset[str]) -> None:
        self.elements = elements
        self.attributes = attributes


class Shop(ABC):
    """Every finding names file and line. `emit` and `dispatch` are the engine's own, set after."""

    def __init__(
        self,
        library: Library,
        leaves: Mapping[str, Leaf],
        functions: Mapping[str, NodeFunction],
        vocabulary: Vocabulary,
    ) -> None:
        self.library = library
        self.leaves = leaves
        self.functions = functions
        self.vocabulary = vocabulary
        self.plans: dict[str, Plan] = {}
        self.rules: list[Rule] = [Rule("guard.yaml", 0, "guard", "", "")]
        self._guards: dict[str, Guard] = (
            read_guards(library.files["guard.yaml"], "guard.yaml") if "guard.yaml" in library.files else {}
        )
        self.emit: Callable[[Plan, Node, Run, frozenset[str] | None], Resource | None] = _nothing
        self.dispatch: Callable[[Node, Run], list[Resource]] = _none

    @abstractmethod
    def plan(self, name: str, file: str = "", line: int = 0) -> Plan:
        """The compiled map of this name. Raises MapError."""

    def source(self, text: str, file: str, line: int, acts: frozenset[str]) -> Source:
        """A path of the source, compiled. Raises MapError."""
        try:
            found = compile_path(text, acts)
        except PathError as error:
            raise MapError(file, line, str(error)) from error
        for name in sorted(found.names - self.vocabulary.elements):
            raise MapError(file, line, f"there is no element {name} in CDA")
        for name in sorted(found.attributes - self.vocabulary.attributes):
            raise MapError(file, line, f"there is no attribute {name} in CDA")
        return found

    def predicate(self, text: str, file: str, line: int) -> Predicate:
        """A condition, compiled. Raises MapError."""
        try:
            return compile_predicate(text)
        except PathError as error:
            raise MapError(file, line, str(error)) from error

    def anything(self, text: str, file: str, line: int) -> Source:
        """A path of the source that leads to acts of every mood, negated or not. Raises MapError."""
        return self.source(text, file, line, _ANY)

    def steps(self, plan: Plan, path: str, file: str, line: int) -> tuple[Element, ...]:
        """The elements on a path of the target. Raises MapError."""
        try:
            return values.steps(plan.home, path)
        except UnknownElement as error:
            raise MapError(file, line, str(error)) from error

    def literal(self, value: Any, element: Element, file: str, line: int) -> Any:
        """A literal of a map as the JSON of its element. Raises MapError."""
        try:
            return values.literal(value, element)
        except ValueError as error:
            raise MapError(file, line, str(error)) from error

    def guard(self, name: str, file: str, line: int) -> Guard:
        """A guard of guard.yaml. Raises MapError."""
        found = self._guards.get(name)
        if found is None:
            raise MapError(file, line, f"there is no guard {name}")
        return found

    def table(self, name: str, file: str, line: int) -> Table:
        """A code table. Raises MapError."""
        found = self.library.table(name)
        if found is None:
            raise MapError(file, line, f"there is no table {name}")
        return found

    def rule(self, row: Row, plan: Plan) -> int:
        """The number under which writes of a row are traced."""
        target = ".".join(part for part in (*plan.home, row.to) if part)
        self.rules.append(Rule(row.file, row.line, row.id, target, row.source))
        return len(self.rules) - 1


def _nothing(plan: Plan, node: Node, run: Run, allowed: frozenset[str] | None) -> Resource | None:
    return None


def _none(node: Node, run: Run) -> list[Resource]:
    return []
