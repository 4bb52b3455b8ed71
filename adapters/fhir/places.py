"""FHIRPath places of findings (`Observation.component[0].value.code`) in a resource's JSON: the way from the root."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from adapters.fhir.definitions import Definitions, Element, Home

_SEGMENT = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*|\?)|\[(\d+)\]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}").fullmatch


@dataclass(frozen=True, slots=True)
class Place:
    """`holder[key]`, which may not exist (any more). For an item of an array `key` is its index.

    `name`: the element's name in the definitions without `[x]`. `home`: where the elements of the object stand that the
    member belongs to. `element`: None for what R4 does not have. `up`: the object's own place, None at the root.
    """

    holder: Any
    key: str | int
    name: str
    home: Home | None
    element: Element | None
    up: Place | None
    expression: str

    @property
    def exists(self) -> bool:
        if isinstance(self.key, int):
            return isinstance(self.holder, list) and self.key < len(self.holder)
        return isinstance(self.holder, dict) and self.key in self.holder

    @property
    def value(self) -> Any:
        return self.holder[self.key] if self.exists else None


def find(resource: dict[str, Any], expression: str, table: Definitions) -> Place | None:
    """The deepest place of an expression that can be named; None for the root itself."""
    home = _home_of(resource, table)
    value: Any = resource
    place: Place | None = None
    owner: Place | None = None
    matches = list(_SEGMENT.finditer(expression))
    text = expression[: matches[0].start()] if matches else expression
    for number, match in enumerate(matches):
        text += match[0]
        if match[2] is not None:
            if place is None or not isinstance(value, list) or int(match[2]) >= len(value):
                return place
            place = Place(value, int(match[2]), place.name, place.home, place.element, place.up, text)
            value = value[int(match[2])]
            continue
        if place is not None:
            owner, home = place, _inside(place, value, table)
        if not isinstance(value, dict):
            return place
        deeper = any(each[1] for each in matches[number + 1 :])
        key, element = _member(value, home, match[1], deeper, table)
        place = Place(value, key, _plain(element, match[1]), home, element, owner, text)
        value = value.get(key)
    return place


def _inside(place: Place, value: Any, table: Definitions) -> Home | None:
    element = place.element
    if element is None:
        return ("Element", "") if str(place.key).startswith("_") else None
    if element.types[0] == "Resource" and isinstance(value, dict):
        return _home_of(value, table)
    if element.home is None and isinstance(value, dict):
        return ("Element", "")  # the object beside a primitive
    return element.home


def _home_of(resource: dict[str, Any], table: Definitions) -> Home | None:
    kind = resource.get("resourceType")
    return (kind, "") if isinstance(kind, str) and kind in table.resources else None


def _plain(element: Element | None, name: str) -> str:
    return element.choice.removesuffix("[x]") if element is not None and element.choice else name


def _member(
    value: dict[str, Any], home: Home | None, name: str, deeper: bool, table: Definitions
) -> tuple[str, Element | None]:
    """The JSON key that a name stands for: `value` may be `valueQuantity`, or `_valueCode` where there is no value."""
    children = table.children(home) if home is not None else {}
    if name in value and name not in children:
        return name, None
    if name == "?":
        unknown = [key for key in value if not _NAME(key)]
        return (unknown[0] if unknown else name), None
    names = [each for each, element in children.items() if element.choice == f"{name}[x]" != each] or [name]
    for each in names:
        primitive = each in children and children[each].home is None
        if each in value and not (deeper and primitive):
            return each, children.get(each)
    for each in names:
        if f"_{each}" in value:
            return f"_{each}", children.get(each)
    return names[0], children.get(names[0]) or children.get(f"{name}[x]")
