"""A compiled FHIRPath node, and how nodes are joined: truth in three values (N1 section 6.5), presence, members."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from adapters.fhir.fhirpath.values import Items

Home: TypeAlias = tuple[str, str]
Scope: TypeAlias = tuple[Any, Any]
"""(`%resource`, `%context`)."""
Many: TypeAlias = Callable[[Items, Scope], Items]
Truth: TypeAlias = Callable[[Items, Scope], "bool | None"]
Quick: TypeAlias = Callable[["dict[str, Any]"], bool]


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled node. `homes`: where its items' members stand; None = not known. `names`: a lone step's.

    `quick`: the truth of a node that only asks which members an object has, without collections; most constraints are
    such.
    """

    many: Many
    truth: Truth
    homes: frozenset[Home] | None
    names: frozenset[str] = frozenset()
    quick: Quick | None = None


def from_many(many: Many, homes: frozenset[Home] | None = None, names: frozenset[str] = frozenset()) -> Part:
    def truth(items: Items, scope: Scope) -> bool | None:
        found = many(items, scope)
        if not found:
            return None
        return found[0] if len(found) == 1 and type(found[0]) is bool else True

    return Part(many, truth, homes, names)


def from_truth(truth: Truth, quick: Quick | None = None) -> Part:
    def many(items: Items, scope: Scope) -> Items:
        found = truth(items, scope)
        return [] if found is None else [found]

    return Part(many, truth, frozenset(), quick=quick)


def both(left: Part, right: Part) -> frozenset[Home] | None:
    return None if left.homes is None or right.homes is None else left.homes | right.homes


def stepper(names: frozenset[str]) -> Many:
    """Members of these names. A primitive without a value is the object of its `_sibling`."""
    pairs = tuple((name, f"_{name}") for name in sorted(names))

    def step(items: Items, scope: Scope) -> Items:
        found: Items = []
        for item in items:
            if type(item) is not dict:
                continue
            for name, sibling in pairs:
                value = item.get(name)
                if value is None:
                    value = item.get(sibling)
                    if value is None:
                        continue
                if type(value) is list:
                    found += [each for each in value if each is not None]
                else:
                    found.append(value)
        return found

    return step


def after(before: Many, step: Many) -> Many:
    return lambda items, scope: step(before(items, scope), scope)


def member(names: frozenset[str], wanted: bool) -> Quick | None:
    if not names:
        return None
    both = names | {f"_{name}" for name in names}
    if wanted:
        return lambda value: not both.isdisjoint(value)
    return lambda value: both.isdisjoint(value)


def negated(quick: Quick | None) -> Quick | None:
    return None if quick is None else lambda value: not quick(value)


def quickly(operator: str, a: Quick | None, b: Quick | None) -> Quick | None:
    if a is None or b is None:
        return None
    made: Mapping[str, Quick] = {
        "and": lambda value: a(value) and b(value),
        "or": lambda value: a(value) or b(value),
        "xor": lambda value: a(value) is not b(value),
        "!=": lambda value: a(value) is not b(value),
        "=": lambda value: a(value) is b(value),
        "implies": lambda value: not a(value) or b(value),
    }
    return made.get(operator)


def presence(source: Part, wanted: bool) -> Truth:
    before = source.many
    if not source.names:
        return lambda items, scope: bool(before(items, scope)) is wanted
    names = source.names | {f"_{name}" for name in source.names}

    def fast(items: Items, scope: Scope) -> bool:
        if len(items) == 1 and type(items[0]) is dict and names.isdisjoint(items[0]):
            return not wanted
        return bool(before(items, scope)) is wanted

    return fast


def _and(a: Truth, b: Truth) -> Truth:
    def truth(items: Items, scope: Scope) -> bool | None:
        left = a(items, scope)
        if left is False:
            return False
        right = b(items, scope)
        return False if right is False else True if left and right else None

    return truth


def _or(a: Truth, b: Truth) -> Truth:
    def truth(items: Items, scope: Scope) -> bool | None:
        left = a(items, scope)
        if left:
            return True
        right = b(items, scope)
        return True if right else None if left is None or right is None else False

    return truth


def _xor(a: Truth, b: Truth) -> Truth:
    def truth(items: Items, scope: Scope) -> bool | None:
        left, right = a(items, scope), b(items, scope)
        return None if left is None or right is None else left is not right

    return truth


def _implies(a: Truth, b: Truth) -> Truth:
    def truth(items: Items, scope: Scope) -> bool | None:
        left = a(items, scope)
        if left is False:
            return True
        right = b(items, scope)
        return True if right else None if left is None or right is None else False

    return truth


LOGIC: Mapping[str, Callable[[Truth, Truth], Truth]] = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}
