"""Which conversion a row asks for: a leaf function, a table, another map, a reference; checked against its element."""

from __future__ import annotations

from typing import Any

from adapters.cda import Node
from adapters.fhir import Element
from mappings.errors import MapError
from mappings.trees.convert import Convert, leaf_convert, node_convert, table_convert
from mappings.trees.grammar import Row
from mappings.trees.paths import Source
from mappings.trees.periods import last_of
from mappings.trees.plan import Plan, excuse
from mappings.trees.run import ASIDE, INVALID, Resource, Trace, undo
from mappings.trees.shop import Shop

__all__ = ["compile_convert"]

_QUANTITIES = frozenset({"Quantity", "Age", "Duration", "Distance", "Count", "SimpleQuantity", "MoneyQuantity"})
_TEXTS = frozenset({"string", "markdown"})


def compile_convert(row: Row, rule: int, element: Element, source: Source, shop: Shop) -> Convert:
    """What a row makes of a place, of a type that its element has. Raises MapError."""
    if row.emit:
        return _emitting(row, element, shop)
    if row.statements:
        return _stating(row, element, shop)
    if len(element.types) != 1:
        raise MapError(row.file, row.line, f"{row.to} has several types: name one")
    if row.table:
        return _table(row, element, rule, source, shop)
    if row.as_ in shop.library.maps:
        inner = shop.plan(row.as_, row.file, row.line)
        _fits(row, element, inner.kinds)
        return _object(inner, rule)
    if row.as_ in shop.functions:
        function = shop.functions[row.as_]
        _fits(row, element, frozenset(function.produces))
        return node_convert(function, rule)
    name = row.as_ or element.types[0]
    leaf = shop.leaves.get(name)
    if leaf is None:
        raise MapError(row.file, row.line, f"there is no map or leaf function {name}")
    if leaf.arity != 1:
        raise MapError(row.file, row.line, f"the leaf function {name} reads more than one text")
    _fits(row, element, frozenset(leaf.produces))
    return leaf_convert(leaf, rule, element)


def _fits(row: Row, element: Element, produced: frozenset[str]) -> None:
    wanted = element.types[0]
    home = element.home
    if wanted in ("BackboneElement", "Element") and home is not None and home[1]:
        wanted = ".".join(home)
    ok = (
        wanted in produced
        or (wanted in _QUANTITIES and bool(produced & _QUANTITIES))
        or (wanted in _TEXTS and bool(produced & _TEXTS))
        or (wanted == "code" and "string" in produced and not row.as_)
    )
    if not ok:
        made = " or ".join(sorted(produced))
        raise MapError(row.file, row.line, f"{row.to} is a {wanted}, the row makes a {made}")


def _table(row: Row, element: Element, rule: int, source: Source, shop: Shop) -> Convert:
    table = shop.table(row.table, row.file, row.line)
    if not (source.last.startswith("@") or source.last == "text()"):
        raise MapError(row.file, row.line, "a table translates an attribute or a text")
    allowed = element.binding.allowed if element.binding is not None else None
    if allowed is not None and not allowed.rules and element.types[0] == "code":
        for code, targets in table.rows.items():
            for target in targets:
                if target.code not in allowed.codes:
                    text = f"{code} gives {target.code}, which {row.to} can't be: the binding is required"
                    raise MapError(table.file, target.line, text)
        if table.miss not in {"none", "error", "text"} | allowed.codes:
            raise MapError(table.file, table.miss_line, f"a miss gives what {row.to} can't be")
    return table_convert(table, rule, element)


def _object(plan: Plan, rule: int) -> Convert:
    """A value by another map."""

    def convert(node: Node, attribute: str | None, resource: Resource, trace: Trace) -> Any:
        chosen = plan.choose(node)
        if chosen is None:
            return None
        body: dict[str, Any] = {}
        start = len(trace)
        wrote = False
        for row in chosen.rows:
            wrote = row(node, resource, body, trace) or wrote
        if not wrote:
            undo(trace, start)
            return None
        for names in chosen.required:
            if not any(name in body for name in names):
                undo(trace, start, ASIDE)
                text = f"a {chosen.type} is left out: its required element {names[0]} is missing"
                resource.run.issue("error", "required", node, text, resource.kind)
                return None
        wrong = last_of(chosen.type, body)
        if wrong:
            del body[wrong]
            high = node.child("high")  # where both ends come from
            fallen = set(high.leaves()) if high is not None else set()
            trace[start:] = [(rule, INVALID if leaf in fallen else state, leaf) for rule, state, leaf in trace[start:]]
            text = f"the {wrong} is before the beginning: it is left out"
            resource.run.issue("error", "business-rule", node, text, resource.kind)
        for source, reason in chosen.excused:
            excuse(resource.run, source, node, f"{chosen.map.file}: {reason}")
        return body

    return convert


def _emitting(row: Row, element: Element, shop: Shop) -> Convert:
    if "Reference" not in element.types:
        raise MapError(row.file, row.line, f"{row.to} is no reference")
    plan = shop.plan(row.emit, row.file, row.line)
    allowed = frozenset(element.targets) or None
    if allowed is not None and not plan.kinds & allowed and "Resource" not in allowed:
        made = " or ".join(sorted(plan.kinds))
        raise MapError(row.file, row.line, f"{row.to} can't refer to a {made}")
    if allowed is not None and "Resource" in allowed:
        allowed = None

    def emit(node: Node, attribute: str | None, resource: Resource, trace: Trace) -> Any:
        made = shop.emit(plan, node, resource.run, allowed)
        return None if made is None or made is resource else resource.run.reference(made, resource)

    return emit


def _stating(row: Row, element: Element, shop: Shop) -> Convert:
    if "Reference" not in element.types or not element.repeats:
        raise MapError(row.file, row.line, f"{row.to} is no list of references")
    allowed = frozenset(element.targets)

    def statements(node: Node, attribute: str | None, resource: Resource, trace: Trace) -> Any:
        made = [
            each
            for each in shop.dispatch(node, resource.run)
            if not allowed or "Resource" in allowed or each.kind in allowed
        ]
        return [resource.run.reference(each, resource) for each in made] or None

    return statements
