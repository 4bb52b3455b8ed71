"""FHIRPath's operators and functions on collections (N1 sections 5 and 6): name -> what it does to the items."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from adapters.fhir.fhirpath import values
from adapters.fhir.fhirpath.values import Items


def distinct(items: Items) -> Items:
    return list({values.key(item): item for item in items}.values())


def _equal(left: Items, right: Items) -> Items:
    if not left or not right:
        return []
    return [left == right and [type(a) is bool for a in left] == [type(b) is bool for b in right]]


def _unequal(left: Items, right: Items) -> Items:
    return [not found for found in _equal(left, right)]


def _in(left: Items, right: Items) -> Items:
    return [left[0] in right] if left else []


def _compared(wanted: bool, or_equal: bool, swap: bool) -> Callable[[Items, Items], Items]:
    """An ordering of which only the surely false is false: a month may lie before a day of it."""

    def compare(left: Items, right: Items) -> Items:
        if len(left) != 1 or len(right) != 1:
            return []
        a, b = (right[0], left[0]) if swap else (left[0], right[0])
        found = values.later(a, b)
        if found is None:
            return [True]
        return [found is wanted if or_equal else found]

    return compare


def _plus(left: Items, right: Items) -> Items:
    return [left[0] + right[0]] if left and right and type(left[0]) is type(right[0]) is not dict else []


def _join(left: Items, right: Items) -> Items:
    return ["".join(str(item) for item in (left[:1] + right[:1]))]


BINARY: Mapping[str, Callable[[Items, Items], Items]] = {
    "=": _equal,
    "!=": _unequal,
    "~": lambda left, right: [not left and not right] if not left or not right else _equal(left, right),
    "in": _in,
    "contains": lambda left, right: _in(right, left),
    ">": _compared(wanted=True, or_equal=False, swap=False),
    "<": _compared(wanted=True, or_equal=False, swap=True),
    "<=": _compared(wanted=False, or_equal=True, swap=False),
    ">=": _compared(wanted=False, or_equal=True, swap=True),
    "+": _plus,
    "&": _join,
}


def _truth_of(items: Items) -> bool | None:
    if not items:
        return None
    return items[0] if len(items) == 1 and type(items[0]) is bool else True


SIMPLE: Mapping[str, Callable[[Items], Items]] = {
    "not": lambda items: [] if (truth := _truth_of(items)) is None else [not truth],
    "count": lambda items: [len(items)],
    "hasValue": lambda items: [len(items) == 1 and type(items[0]) is not dict],
    "isDistinct": lambda items: [len(distinct(items)) == len(items)],
    "distinct": distinct,
    "first": lambda items: items[:1],
    "last": lambda items: items[-1:],
    "tail": lambda items: items[1:],
    "single": lambda items: items[:1],
    "children": lambda items: list(values.children(items)),
    "descendants": values.descendants,
    "allTrue": lambda items: [all(item is True for item in items)],
    "anyTrue": lambda items: [any(item is True for item in items)],
    "toInteger": lambda items: [n for item in items[:1] if (n := values.to_integer(item)) is not None],
    "toString": lambda items: [t for item in items[:1] if (t := values.to_string(item)) is not None],
    "length": lambda items: [len(item) for item in items[:1] if type(item) is str],
    "lower": lambda items: [item.lower() for item in items[:1] if type(item) is str],
    "upper": lambda items: [item.upper() for item in items[:1] if type(item) is str],
    "trim": lambda items: [item.strip() for item in items[:1] if type(item) is str],
}
KEEPS = frozenset({"distinct", "first", "last", "tail", "single"})
LOSES = frozenset({"children", "descendants"})
MERGES: Mapping[str, Callable[[Items, Items], Items]] = {
    "combine": lambda left, right: left + right,
    "union": lambda left, right: distinct(left + right),
    "intersect": lambda left, right: distinct([item for item in left if item in right]),
    "exclude": lambda left, right: [item for item in left if item not in right],
}


def extensions(items: Items, urls: Items) -> Items:
    return [
        extension
        for item in items
        if type(item) is dict and type(item.get("extension")) is list
        for extension in item["extension"]
        if type(extension) is dict and extension.get("url") in urls
    ]


def item_at(items: Items, place: Items) -> Items:
    return items[place[0] : place[0] + 1] if place and type(place[0]) is int and place[0] >= 0 else []


def on_text(work: Callable[..., Items], items: Items, arguments: list[Items]) -> Items:
    """A function of one string and of single arguments; empty where one of them is."""
    if not items or type(items[0]) is not str or not all(arguments):
        return []
    try:
        return work(items[0], *(argument[0] for argument in arguments))
    except (TypeError, re.error):  # an argument of another type, or a pattern that is none
        return []


def _search(text: str, pattern: str) -> Items:
    return [re.search(pattern, text, re.DOTALL) is not None]


def _replace_matches(text: str, pattern: str, by: str) -> Items:
    return [re.sub(pattern, by, text)]


def _substring(text: str, start: int, length: int | None = None) -> Items:
    if not 0 <= start < len(text):
        return []
    return [text[start:] if length is None else text[start : start + length]]


_ONE = frozenset({1})
TEXT: Mapping[str, tuple[frozenset[int], Callable[..., Items]]] = {
    "startsWith": (_ONE, lambda text, other: [text.startswith(other)]),
    "endsWith": (_ONE, lambda text, other: [text.endswith(other)]),
    "contains": (_ONE, lambda text, other: [other in text]),
    "indexOf": (_ONE, lambda text, other: [text.find(other)]),
    "matches": (_ONE, _search),
    "replace": (frozenset({2}), lambda text, old, new: [text.replace(old, new)]),
    "replaceMatches": (frozenset({2}), _replace_matches),
    "substring": (frozenset({1, 2}), _substring),
}
JSON_TYPES: Mapping[str, frozenset[type]] = {
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "decimal": frozenset({int, Decimal}),
    "string": frozenset({str}),
    "code": frozenset({str}),
    "uri": frozenset({str}),
    "url": frozenset({str}),
    "canonical": frozenset({str}),
    "dateTime": frozenset({str}),
    "date": frozenset({str}),
}
