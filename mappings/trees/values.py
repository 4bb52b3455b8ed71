"""Literals in maps: YAML text to the JSON of a FHIR element, checked against the R4 definitions."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.fhir import PRIMITIVES, Definitions, Element, definitions

__all__ = ["literal", "steps"]

_NUMBERS = frozenset({"integer", "positiveInt", "unsignedInt"})


def steps(home: tuple[str, str], path: str) -> tuple[Element, ...]:
    """The elements on a path below a home. Raises UnknownElement."""
    owner, inside = home
    before = inside.count(".") + 1 if inside else 0
    return definitions().steps(owner, f"{inside}.{path}" if inside else path)[before:]


def literal(value: Any, element: Element) -> Any:
    """The JSON of a literal; raises ValueError with what is wrong."""
    if element.repeats and isinstance(value, list):
        return [_one(item, element) for item in value]
    return _one(value, element)


def _one(value: Any, element: Element) -> Any:
    kind = element.types[0]
    known: Definitions = definitions()
    if len(element.types) != 1:
        raise ValueError(f"{element.name} has several types: name one")
    if known.is_primitive(kind):
        return _primitive(str(value), kind, element)
    if not isinstance(value, dict) or element.home is None:
        raise ValueError(f"{element.name} is an object")
    children = known.children(element.home)
    found = {}
    for name, inner in value.items():
        child = children.get(name)
        if child is None:
            raise ValueError(f"{element.name} has no {name}")
        made = literal(inner, child)
        found[str(name)] = [made] if child.repeats and not isinstance(made, list) else made
    return found


def _primitive(text: str, kind: str, element: Element) -> Any:
    if kind == "boolean":
        if text not in ("true", "false"):
            raise ValueError(f"{element.name} is true or false")
        return text == "true"
    try:
        if kind in _NUMBERS:
            return int(text)
        if kind == "decimal":
            return Decimal(text)
    except (ValueError, InvalidOperation):
        raise ValueError(f"{element.name} is a number") from None
    allowed = element.binding.allowed if element.binding is not None else None
    if kind == "code" and allowed is not None and not allowed.rules and text not in allowed.codes:
        raise ValueError(f"{element.name} can't be {text}: the binding is required")
    check = PRIMITIVES.get(kind)
    if check is not None and not check(text):
        raise ValueError(f"{element.name} is no {kind}")
    return text
