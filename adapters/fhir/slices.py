"""Slicing (profiling.html#slicing): which items of an element belong to which slice, and how many of each there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from adapters.fhir.coded import checkable, in_set
from adapters.fhir.definitions import Definitions, Home
from adapters.fhir.demands import Node
from adapters.fhir.fhirpath import NotCompilable, compile_path
from adapters.fhir.findings import Path, Run
from adapters.fhir.references import ReferenceFault, pointed_type

Check: TypeAlias = Callable[[Any, Path, Run], None]
Fits: TypeAlias = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: whether an item is of it, how often it may occur, what its items must be."""

    name: str
    fits: Fits
    least: int
    most: int | None
    checks: list[Check]


@dataclass(frozen=True, slots=True)
class Slicing:
    """The slices of one element."""

    slices: tuple[Slice, ...]
    closed: bool

    def check(self, items: list[tuple[Any, Path]], path: Path, run: Run, profile: str) -> None:
        free = list(range(len(items)))
        for each in self.slices:
            mine = [place for place in free if each.fits(items[place][0])]
            free = [place for place in free if place not in mine]
            if len(mine) < each.least:
                run.error("required", path, f"{profile}: the slice {each.name} is needed")
            if each.most is not None and len(mine) > each.most:
                run.error("structure", path, f"{profile}: the slice {each.name} may occur {each.most} times")
            for place in mine:
                for check in each.checks:
                    check(*items[place], run)
        if self.closed:
            for place in free:
                run.error("structure", items[place][1], f"{profile}: of none of the slices allowed here")


def slicing_of(
    slicing: Mapping[str, Any],
    node: Node,
    compiled: Mapping[str, list[Check]],
    homes: frozenset[Home],
    table: Definitions,
) -> Slicing | None:
    """The slicing of an element; None if a discriminator of it can't be told here."""
    slices = []
    for name, inner in node.slices.items():
        if "/" in name:
            continue  # a slice of a slice: its parent is checked, it is not
        tests: list[Fits] = []
        for kind, path in slicing["by"]:
            test = _discriminator(kind, path, inner, node, homes, table)
            if test is None:
                return None
            tests.append(test)
        if not tests:
            return None  # told apart by words only
        slices.append(Slice(name, _all(tests), inner.min, inner.max, compiled[name]))
    return Slicing(tuple(slices), slicing["rules"] == "closed")


def _all(tests: list[Fits]) -> Fits:
    if len(tests) == 1:
        return tests[0]
    return lambda item: all(test(item) for test in tests)


def _discriminator(
    kind: str, path: str, inner: Node, node: Node, homes: frozenset[Home], table: Definitions
) -> Fits | None:
    if kind == "type" or (kind == "profile" and path.removeprefix("$this.") == "resolve()"):
        return _by_type(path, inner, table)
    if len(homes) > 1 and path != "$this":
        return None
    try:
        select = compile_path(path, next(iter(homes), ("Element", "")), table)
    except NotCompilable:
        return None
    steps = [] if path == "$this" else path.removeprefix("$this.").split(".")
    if kind == "exists":
        ends = _ends(inner, steps)
        if not ends:
            return None
        wanted = ends[0].max != 0
        return lambda item: bool(select(item)) is wanted
    if kind not in {"value", "pattern"}:
        return None
    tests = _expected(inner, steps, table) or _expected(node, steps, table)
    if not tests:
        return None
    return lambda item: any(test(found) for found in select(item) for test in tests)


def _by_type(path: str, inner: Node, table: Definitions) -> Fits | None:
    steps = [step for step in path.split(".") if step not in {"$this", "resolve()"}]
    ends = _ends(inner, steps)
    types = {name for end in ends for name in end.types or ()}
    if "Reference" in types and path.endswith("resolve()"):
        types = {_base(url, table) for end in ends for url in (end.types or {}).get("Reference", ())}
    if not types or "" in types:
        return None
    if len(steps) > 1:
        return None
    names = frozenset(types)

    def fits(item: Any) -> bool:
        value = item.get(steps[0]) if steps and type(item) is dict else item
        if type(value) is not dict:
            return False
        if "resourceType" in value:
            return value["resourceType"] in names
        text = value.get("reference")
        try:
            return type(text) is str and pointed_type(text) in names
        except ReferenceFault:
            return False

    return fits


def _base(url: str, table: Definitions) -> str:
    short = url.rpartition("/")[2]
    if url.startswith("http://hl7.org/fhir/StructureDefinition/") and short in table.types:
        return short
    profile = table.profile(url)
    return profile.type if profile is not None else ""


def _ends(node: Node, steps: list[str]) -> list[Node]:
    """The nodes at a path below a node, through the slices of what lies between."""
    level = [node]
    for step in steps:
        level = [child for each in level if (child := each.children.get(step)) is not None]
        level = [found for child in level for found in (child, *child.slices.values())]
    return level


def _expected(node: Node, steps: list[str], table: Definitions) -> list[Fits]:
    """What a discriminator's value must be: fixed, pattern or required binding at the path or above it."""
    found: list[Fits] = []
    for depth in range(len(steps) + 1):
        for end in _ends(node, steps[:depth]):
            for demand in (end.fixed, end.pattern):
                found += [_equals(value) for value in _walk(demand, steps[depth:])]
            if depth == len(steps) and end.binding and (allowed := checkable(table.codes(end.binding))) is not None:
                found.append(_of(allowed))
            if depth < len(steps) and steps[depth:] == ["url"] and end.profiles:
                found += [_equals(url.partition("|")[0]) for url in end.profiles]
    return found


def _equals(wanted: Any) -> Fits:
    return lambda value: fits_pattern(value, wanted)


def _of(allowed: Any) -> Fits:
    def fits(value: Any) -> bool:
        if type(value) is str:
            return value in allowed.codes
        codings = value.get("coding") if type(value) is dict else None
        return any(in_set(each, allowed) for each in codings) if type(codings) is list else in_set(value, allowed)

    return fits


def _walk(value: Any, steps: list[str]) -> list[Any]:
    """The values at a path in a fixed value or pattern."""
    level = [value]
    for step in steps:
        level = [each[step] for each in level if type(each) is dict and step in each]
        level = [item for each in level for item in (each if type(each) is list else [each])]
    return [each for each in level if type(each) in {str, dict, list, bool, int}]


def same(value: Any, wanted: Any) -> bool:
    """Equal as JSON: 1 is not true."""
    return bool(value == wanted) and (type(value) is bool) == (type(wanted) is bool)


def fits_pattern(value: Any, pattern: Any) -> bool:
    """elementdefinition.html#pattern: everything in the pattern is in the value; array items in any order."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and fits_pattern(value[name], inner) for name, inner in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(fits_pattern(item, inner) for item in value) for inner in pattern)
    return same(value, pattern)
