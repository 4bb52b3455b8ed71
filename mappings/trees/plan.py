"""A plan: one compiled map, and what its rows share when they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from adapters.cda import Node
from mappings.trees.grammar import MapFile
from mappings.trees.guards import Guard
from mappings.trees.paths import Predicate, Source
from mappings.trees.run import Resource, Run, Trace
from mappings.trees.writing import Put

__all__ = ["Plan", "Rule", "RunRow", "copied", "excuse"]

RunRow: TypeAlias = "Callable[[Node, Resource, dict[str, Any], Trace], bool]"
"""Node, resource, body, trace → whether something of the source stands in the body because of it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a write comes from, for lineage and coverage."""

    file: str
    line: int
    id: str
    target: str
    source: str


@dataclass(slots=True)
class Plan:
    """A compiled map. `kind`: resource type, '' for a data type or backbone element."""

    number: int
    map: MapFile
    kind: str
    home: tuple[str, str]
    type: str
    rows: list[RunRow] = field(default_factory=list)
    required: list[tuple[str, ...]] = field(default_factory=list)
    key: list[Source] = field(default_factory=list)
    guard: Guard | None = None
    sets: dict[int, list[tuple[Put, Any]]] = field(default_factory=dict)
    choices: list[tuple[Predicate | None, Plan]] = field(default_factory=list)
    excused: list[tuple[Source, str]] = field(default_factory=list)

    def choose(self, node: Node) -> Plan | None:
        """Itself, or the first of its choices that fits."""
        if not self.map.choose:
            return self
        for test, plan in self.choices:
            if test is None or test(node):
                return plan.choose(node)
        return None

    def leaves(self) -> list[Plan]:
        """The plans that make something, below all choices."""
        return [leaf for _, plan in self.choices for leaf in plan.leaves()] if self.map.choose else [self]

    @property
    def kinds(self) -> frozenset[str]:
        """What it may make."""
        if self.map.choose:
            return frozenset().union(*[plan.kinds for _, plan in self.choices])
        return frozenset({self.kind or self.type})


def excuse(run: Run, source: Source, node: Node, reason: str, deep: bool = True) -> None:
    """Note that a map excuses what a path reads there; `deep`: and all below it."""
    for place, attribute in source.fetch(node):
        if attribute:
            run.excused.setdefault(place.attribute_leaf(attribute), reason)
        else:
            for each in place.walk() if deep else (place,):
                for leaf in each.leaves():
                    run.excused.setdefault(leaf, reason)


def copied(value: Any) -> Any:
    """JSON of a map, for one body of its own."""
    if isinstance(value, dict):
        return {name: copied(item) for name, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value
