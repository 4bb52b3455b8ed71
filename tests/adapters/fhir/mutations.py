"""One change of each kind to a valid resource, with the place where a check must find it.

The places come from the definitions and the resource itself; which fault a change makes is said here, apart from
the validator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.fhir import Element, definitions
from tests.adapters.fhir.samples import Resource


@dataclass(frozen=True, slots=True)
class Site:
    """One member or array item: `owner[key]` is `value`; `item` tells an item of an array."""

    owner: Any
    key: str | int
    element: Element
    expression: str
    item: bool

    @property
    def value(self) -> Any:
        return self.owner[self.key]

    @property
    def lone(self) -> bool:
        """A single value: an item of an array, or a member that is none."""
        return self.item or not self.element.repeats

    @property
    def type(self) -> str:
        return self.element.types[0]


def sites(resource: Resource) -> list[Site]:
    """Every member and item of a resource, deep."""
    return list(_inside(resource, (resource["resourceType"], ""), resource["resourceType"]))


def _inside(value: Resource, home: tuple[str, str], path: str) -> Iterator[Site]:
    children = definitions().children(home)
    for name in value:
        element = children.get(name)
        if element is None:
            continue  # resourceType, and the _siblings of primitives
        here = f"{path}.{element.choice.removesuffix('[x]') or name}"
        yield Site(value, name, element, here, item=False)
        if element.repeats:
            for place in range(len(value[name])):
                if value[name][place] is not None:
                    yield Site(value[name], place, element, f"{here}[{place}]", item=True)
        items = value[name] if element.repeats else [value[name]]
        if element.home is not None:
            for place, inner in enumerate(items):
                yield from _inside(inner, element.home, f"{here}[{place}]" if element.repeats else here)


STRINGS = frozenset({"string", "markdown", "code", "uri", "url", "canonical", "id", "base64Binary"})
TIMES = frozenset({"date", "dateTime", "instant", "time"})
NUMBERS = frozenset({"decimal", "integer", "unsignedInt", "positiveInt"})


def _is_object(site: Site) -> bool:
    return site.lone and site.element.home is not None


def _set(site: Site, value: object) -> str:
    site.owner[site.key] = value
    return site.expression


def _unknown(site: Site) -> str:
    site.value["notInR4"] = "x"
    return f"{site.expression}.notInR4"


def _removed(site: Site) -> str:
    del site.owner[site.key]
    return site.expression


def _second_type(site: Site) -> str:
    stem = site.element.choice.removesuffix("[x]")
    types = definitions().children((site.element.owner, _parent(site.element)))[site.element.choice].types
    other = next(name for name in types if name != site.type)
    site.owner[f"{stem}{other[0].upper()}{other[1:]}"] = "x"
    return site.expression


def _parent(element: Element) -> str:
    return element.path.rpartition(".")[0]


def _with_reference(site: Site) -> bool:
    return site.lone and site.type == "Reference" and "reference" in site.value and bool(site.element.targets)


def _wrong_target(site: Site) -> str:
    site.value["reference"] = "Binary/x"
    return f"{site.expression}.reference"


def _foreign(site: Site) -> str:
    _set(site, {"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "QQ"})
    return f"{site.expression}.code"


def _script(site: Site) -> str:
    site.value["div"] = '<div xmlns="http://www.w3.org/1999/xhtml">a<script>b</script></div>'
    return f"{site.expression}.div"


# kind -> (where it can happen, what it does; gives the expression of the finding)
KINDS: Mapping[str, tuple[Callable[[Site], bool], Callable[[Site], str]]] = {
    "unknown member": (_is_object, _unknown),
    "empty array": (lambda site: not site.lone, lambda site: _set(site, [])),
    "array for one": (lambda site: site.lone, lambda site: _set(site, [site.value])),
    "one for array": (lambda site: not site.lone, lambda site: _set(site, site.value[0])),
    "null": (lambda site: True, lambda site: _set(site, None)),
    "empty object": (_is_object, lambda site: _set(site, {})),
    "text for object": (_is_object, lambda site: _set(site, "x")),
    "object for text": (lambda site: site.lone and site.type in STRINGS, lambda site: _set(site, {"id": "x"})),
    "empty text": (lambda site: site.lone and site.type in STRINGS | TIMES, lambda site: _set(site, "")),
    "number for text": (lambda site: site.lone and site.type in STRINGS | TIMES, lambda site: _set(site, 5)),
    "text for number": (lambda site: site.lone and site.type in NUMBERS, lambda site: _set(site, str(site.value))),
    "text for boolean": (lambda site: site.lone and site.type == "boolean", lambda site: _set(site, "true")),
    "impossible day": (lambda site: site.lone and site.type in TIMES, lambda site: _set(site, "2023-02-29")),
    "time without zone": (
        lambda site: site.lone and site.type in {"dateTime", "instant"},
        lambda site: _set(site, "2024-01-01T10:00:00"),
    ),
    "space in uri": (lambda site: site.lone and site.type in {"uri", "url"}, lambda site: _set(site, "urn: x")),
    "illegal id": (lambda site: site.lone and site.type == "id", lambda site: _set(site, "a_b")),
    "not a required code": (
        lambda site: site.lone and site.type == "code" and _is_required(site.element),
        lambda site: _set(site, "banana"),
    ),
    "required member missing": (
        lambda site: not site.item and site.element.min > 0,
        _removed,
    ),
    "second type of a choice": (lambda site: bool(site.element.choice), _second_type),
    "wrong target": (_with_reference, _wrong_target),
    # what level full adds
    "period reversed": (lambda site: _is(site, "Period"), lambda site: _set(site, {"start": "2025", "end": "2024"})),
    "code without system": (lambda site: _is(site, "Quantity"), lambda site: _set(site, {"value": 1, "code": "mg"})),
    "code that its system lacks": (lambda site: _is(site, "Coding"), _foreign),
    "script in the narrative": (lambda site: _is(site, "Narrative"), _script),
    "local reference to nothing": (lambda site: _is(site, "Reference"), lambda site: _set(site, {"reference": "#no"})),
    "extension that says nothing": (lambda site: _is(site, "Extension"), lambda site: _set(site, {"url": "urn:x"})),
}


def _is(site: Site, type_name: str) -> bool:
    return site.lone and site.type == type_name


def _is_required(element: Element) -> bool:
    return element.binding is not None and element.binding.strength == "required"
