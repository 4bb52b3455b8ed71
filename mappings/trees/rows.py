"""Rows of tree maps, each compiled to one closure: a constant, a link, an absence, or values of the source."""

from __future__ import annotations

from typing import Any

from adapters.cda import Node
from adapters.fhir import Element, definitions
from mappings.errors import MapError
from mappings.leaves.base import Partly
from mappings.trees.absent import compile_absence, reason_of
from mappings.trees.converters import compile_convert
from mappings.trees.grammar import Row
from mappings.trees.paths import Source
from mappings.trees.plan import Plan, RunRow, copied, excuse
from mappings.trees.run import CONFLICT, EXCUSED, MAPPED, Resource, Trace, undo
from mappings.trees.shop import Shop
from mappings.trees.values import steps
from mappings.trees.writing import Put, compile_put, inner_home, names_of

__all__ = ["compile_absent", "compile_row"]

ORIGINAL = "http://hl7.org/fhir/StructureDefinition/originalText"


def compile_row(row: Row, plan: Plan, shop: Shop) -> RunRow:
    """One row with all its checks. Raises MapError."""
    if row.first:
        run = _first([compile_row(each, plan, shop) for each in row.first])
    elif row.value is not None:
        run = _constant(row, plan, shop)
    elif row.link:
        run = _link(row, plan, shop)
    else:
        run = _sourced(row, plan, shop)
    return _when(row, run, shop)


def _when(row: Row, run: RunRow, shop: Shop) -> RunRow:
    if not row.when:
        return run
    test = shop.predicate(row.when, row.file, row.line)
    return lambda node, resource, body, trace: test(node) and run(node, resource, body, trace)


def _constant(row: Row, plan: Plan, shop: Shop) -> RunRow:
    elements = shop.steps(plan, row.to, row.file, row.line)
    value = shop.literal(row.value, elements[-1], row.file, row.line)
    put = compile_put(plan.home, elements)
    also, reason = _also(row, shop), f"{row.file}: the row {row.id} says it"

    def constant(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
        if put(body, copied(value)):
            for source in also:
                excuse(resource.run, source, node, reason, deep=False)
        return False

    return constant


def _link(row: Row, plan: Plan, shop: Shop) -> RunRow:
    elements = shop.steps(plan, row.to, row.file, row.line)
    if "Reference" not in elements[-1].types:
        raise MapError(row.file, row.line, f"{row.to} is no reference")
    put, label = compile_put(plan.home, elements), row.link

    def link(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
        target = resource.run.labels.get(label)
        if target is not None and target is not resource:
            put(body, resource.run.reference(target, resource))
        return False

    return link


def compile_absent(row: Row, plan: Plan, shop: Shop) -> RunRow:
    """A row that says why there is nothing, once all others have run. Raises MapError."""
    elements = shop.steps(plan, row.to, row.file, row.line)
    put = compile_absence(plan.home, elements)
    names = names_of(plan.home, elements[0])
    code = row.absent

    def absent(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
        if not any(name in body for name in names):
            put(body, code)
        return False

    return _when(row, absent, shop)


def _sourced(row: Row, plan: Plan, shop: Shop) -> RunRow:
    source = shop.source(row.source, row.file, row.line, row.acts)
    rule = shop.rule(row, plan)
    also, reason = _also(row, shop), f"{row.file}: the row {row.id} says it"
    fetch = source.fetch
    if not row.to:
        return _unplaced(row, source, shop)
    elements = shop.steps(plan, row.to, row.file, row.line)
    last = elements[-1]
    convert = compile_convert(row, rule, last, source, shop)
    put = compile_put(plan.home, elements)
    absent = compile_absence(plan.home, elements) if row.absent else None
    extra = _set(row, last, shop)
    twin = _twin(elements, plan)

    def run(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
        wrote = False
        for place, attribute in fetch(node):
            start = len(trace)
            value = convert(place, attribute, resource, trace)
            if value is None:
                if absent is not None and attribute is None and "nullFlavor" in place.attrs and not wrote:
                    wrote = absent(body, reason_of(place))
                    trace.append((rule, MAPPED, place.attribute_leaf("nullFlavor")))
                continue
            original = None
            if isinstance(value, Partly):
                original = value.reason
                value = value.value
            if extra is not None and isinstance(value, dict):
                for name, constant in extra.items():
                    value.setdefault(name, copied(constant))
            if not put(body, value):
                undo(trace, start, CONFLICT)
                continue
            if original is not None and twin is not None:
                twin(body, {"extension": [{"url": ORIGINAL, "valueString": original}]})
            wrote = True
            if also and all(state <= EXCUSED for _, state, _ in trace[start:]):
                for other in also:
                    excuse(resource.run, other, node, reason, deep=False)
        return wrote

    return run


def _also(row: Row, shop: Shop) -> list[Source]:
    """What a row's value says, too: beside a translated code its system and name."""
    return [shop.anything(path, row.file, row.line) for path in row.also]


def _unplaced(row: Row, source: Source, shop: Shop) -> RunRow:
    """Resources that nothing here refers to."""
    fetch = source.fetch
    if row.statements:

        def statements(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
            for place, _ in fetch(node):
                shop.dispatch(place, resource.run)
            return False

        return statements
    plan = shop.plan(row.emit, row.file, row.line)

    def emit(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
        for place, _ in fetch(node):
            shop.emit(plan, place, resource.run, None)
        return False

    return emit


def _twin(elements: tuple[Element, ...], plan: Plan) -> Put | None:
    last = elements[-1]
    if last.repeats or last.name.startswith("_") or not definitions().is_primitive(last.types[0]):
        return None
    inner = inner_home(plan.home, elements)
    return compile_put(plan.home, (*elements[:-1], *steps(inner, f"_{last.name}")))


def _set(row: Row, element: Element, shop: Shop) -> dict[str, Any] | None:
    if row.set is None:
        return None
    made = shop.literal(row.set, element, row.file, row.line)
    return dict(made[0] if isinstance(made, list) else made)


def _first(rows: list[RunRow]) -> RunRow:
    def first(node: Node, resource: Resource, body: dict[str, Any], trace: Trace) -> bool:
        return any(row(node, resource, body, trace) for row in rows)

    return first
