"""Target paths: where a row's value goes in a resource or data type, resolved against the R4 definitions.

The register of a target is its path down to the first repeating element or to the leaf (`name`, `value[x]`,
`hospitalization.admitSource`); `rest` is what follows below the repeating or choice element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from adapters.fhir import PRIMITIVES, Element, Home, UnknownElement, definitions
from mappings.engine.yamlfile import line_of
from mappings.errors import MapError

__all__ = [
    "MISSING",
    "Literal",
    "Step",
    "Target",
    "apply",
    "clone",
    "fill",
    "joined",
    "literal",
    "literals",
    "merged",
    "resolve",
    "take_back",
]

Step: TypeAlias = tuple[str, bool]
"""Element name and whether it repeats."""
Literal: TypeAlias = tuple[tuple[Step, ...], Any]

_INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_OWN_WHOLE = frozenset({"CodeableConcept", "Coding", "Reference"})
MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved target. `type`: FHIR type of what stands at its end; `item`: home of the object that `set` fills."""

    to: str
    path: str
    repeats: bool
    choice: str
    rest: tuple[Step, ...]
    type: str
    element: Element
    item: Home | None

    @property
    def mergeable(self) -> bool:
        """Whether two rows may fill parts of one scalar object here."""
        return self.item is not None and self.element.types[0] not in _OWN_WHOLE


def resolve(owner: str | Home, to: str, error: Callable[[str], MapError]) -> Target:
    """The target `to` in a type. Raises the error for what R4 doesn't have."""
    table = definitions()
    try:
        if isinstance(owner, str):
            found = table.steps(owner, to)
        else:
            found = _steps(owner, to)
    except UnknownElement as unknown:
        raise error(f"{to}: {unknown}") from unknown
    last = found[-1]
    if len(last.types) != 1 or last.name.endswith("[x]"):
        raise error(f"{to}: name one of the types of this choice, e.g. {last.name[:-3]}String")
    names = to.split(".")
    for index, element in enumerate(found):
        if element.repeats or element.choice:
            register = [*names[:index], element.choice or names[index]]
            rest = tuple((names[at], found[at].repeats) for at in range(index + 1, len(found)))
            choice = names[index] if element.choice else ""
            return Target(to, ".".join(register), element.repeats, choice, rest, last.types[0], last, element.home)
    return Target(to, to, False, "", (), last.types[0], last, last.home)


def _steps(home: Home, path: str) -> tuple[Element, ...]:
    found: list[Element] = []
    here: Home | None = home
    for name in path.split("."):
        element = None if here is None else definitions().children(here).get(name)
        if element is None:
            raise UnknownElement(path, "no such element in R4")
        found.append(element)
        here = element.home
    return tuple(found)


def literal(element: Element, raw: Any, file: str, line: int) -> Any:
    """A literal of a map as JSON of the element's type. Raises MapError."""
    line = line_of(raw) or line
    if element.repeats:
        items = raw if isinstance(raw, list) else [raw]
        return [_single(element, item, file, line) for item in items]
    return _single(element, raw, file, line)


def _single(element: Element, raw: Any, file: str, line: int) -> Any:
    kind = element.types[0]
    if isinstance(raw, dict):
        if element.home is None:
            raise MapError(file, line, f"{element.name} is a {kind}: it has no elements")
        found = {}
        for name, value in raw.items():
            child = definitions().children(element.home).get(name)
            if child is None or len(child.types) != 1:
                raise MapError(file, line_of(value) or line, f"{element.name}.{name}: no such element in R4")
            found[str(name)] = literal(child, value, file, line)
        return found
    if isinstance(raw, list) or not definitions().is_primitive(kind):
        raise MapError(file, line, f"{element.name} is a {kind}: a text can't stand there")
    return _primitive(element, kind, str(raw), file, line)


def _primitive(element: Element, kind: str, text: str, file: str, line: int) -> Any:
    value: Any = text
    try:
        if kind == "boolean":
            value = {"true": True, "false": False}[text]
        elif kind in _INTEGERS:
            value = int(text)
        elif kind == "decimal":
            value = Decimal(text)
    except (KeyError, ValueError, InvalidOperation) as error:
        raise MapError(file, line, f"{element.name}: {text} is no {kind}") from error
    check = PRIMITIVES.get(kind)
    if check is not None and not check(value):
        raise MapError(file, line, f"{element.name}: {text} is no {kind}")
    binding = element.binding
    if kind == "code" and binding and binding.allowed and binding.allowed.codes and text not in binding.allowed.codes:
        raise MapError(file, line, f"{element.name}: {text} is not in the required value set {binding.value_set}")
    return value


def literals(home: Home, raw: Any, file: str, line: int) -> tuple[Literal, ...]:
    """`set: {use: old, type.coding.code: X}` relative to an object. Raises MapError."""
    if not isinstance(raw, dict):
        raise MapError(file, line, "set must be a mapping here")
    found: list[Literal] = []
    for path, value in raw.items():
        at = line_of(value) or line
        try:
            steps = _steps(home, path)
        except UnknownElement as error:
            raise MapError(file, at, f"set {path}: no such element in R4") from error
        last = steps[-1]
        if len(last.types) != 1:
            raise MapError(file, at, f"set {path}: name one of the types of this choice")
        json = literal(last, value, file, at)
        # a literal for a repeating element is one item: `fill` puts it into the list
        names = tuple(zip(path.split("."), (step.repeats for step in steps), strict=True))
        found.extend((names, item) for item in (json if last.repeats else [json]))
    return tuple(found)


def clone(value: Any) -> Any:
    """A copy that shares nothing mutable."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


def apply(target: dict[str, Any], found: tuple[Literal, ...]) -> None:
    """Put literals into an object of one's own, never over what is there."""
    for steps, value in found:
        fill(target, steps, value)


def merged(value: Any, found: tuple[Literal, ...]) -> Any:
    """The object with the literals in it; the value itself, which may be shared, is left alone."""
    copy = clone(value)
    apply(copy, found)
    return copy


@dataclass(frozen=True, slots=True)
class Beside:
    """A primitive value and what stands beside it under `_name`."""

    value: Any
    extra: dict[str, Any]


def extension(url: str, name: str, value: Any) -> dict[str, Any]:
    """An extension with its value, and with what stands beside the value."""
    if value.__class__ is Beside:
        return {"url": url, name: value.value, f"_{name}": value.extra}
    return {"url": url, name: value}


def joined(there: Any, value: Any) -> dict[str, Any] | None:
    """Two objects in one if they have nothing different in common."""
    if not isinstance(there, dict) or not isinstance(value, dict):
        return None
    if not there.keys().isdisjoint(value):
        for name, item in value.items():
            if there.get(name, item) != item:
                return None
    return {**there, **value}


def fill(
    place: dict[str, Any], steps: tuple[Step, ...], value: Any, undo: list[Any] | None = None, join: bool = False
) -> bool:
    """Put a value at a path; lists on the way mean their first item. False if something else stands there.

    `join`: an object that has nothing different in common with the one there is joined to it.
    """
    for name, repeats in steps[:-1]:
        inner = place.get(name)
        if inner is None:
            inner = {}
            if undo is not None:
                undo.append((place, name, MISSING))
            place[name] = [inner] if repeats else inner
        elif repeats:
            inner = inner[0]
        place = inner
    name, repeats = steps[-1]
    there = place.get(name)
    if repeats:
        if there is None:
            if undo is not None:
                undo.append((place, name, MISSING))
            place[name] = [value]
        elif value not in there:
            if undo is not None:
                undo.append((place, name, there))
            place[name] = [*there, value]
        return True
    if there is None:
        if undo is not None:
            undo.append((place, name, MISSING))
        place[name] = value
        return True
    if there == value:
        return True
    both = joined(there, value) if join else None
    if both is None:
        return False
    if undo is not None:
        undo.append((place, name, there))
    place[name] = both
    return True


def take_back(undo: list[Any]) -> None:
    """Undo what was put, last first."""
    for place, name, old in reversed(undo):
        if old is MISSING:
            del place[name]
        else:
            place[name] = old
