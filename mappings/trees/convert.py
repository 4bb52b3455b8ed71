"""What a row makes of a place in the source: a leaf's value, a code's translation, an object by another map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from adapters.cda import Node
from adapters.fhir import Element, definitions
from mappings.engine.tables import Table, Target
from mappings.leaves.base import Invalid, Leaf, Partly
from mappings.trees.run import CONFLICT, INVALID, KEPT, MAPPED, Resource, Trace

__all__ = ["Convert", "NodeFunction", "leaf_convert", "node_convert", "table_convert"]

Convert: TypeAlias = "Callable[[Node, str | None, Resource, Trace], Any]"
"""Place, resource, trace → JSON, `Partly`, or None; it marks in the trace what it carries."""

_LONGEST = 1_000_000  # datatypes.html#string


@dataclass(frozen=True, slots=True)
class NodeFunction:
    """A function that reads a whole element. `function(node, resource, mark)`; mark(leaf, state) says what it carried.

    The last resort, for what no row can say: narrative and what refers into it.
    """

    function: Callable[[Node, Resource, Callable[..., None]], Any]
    produces: tuple[str, ...]


def _leaf_number(node: Node, attribute: str | None) -> list[int]:
    if attribute:
        return [node.attribute_leaf(attribute)]
    return [run[2] for run in node.runs if run[2] >= 0]


def leaf_convert(leaf: Leaf, rule: int, element: Element) -> Convert:
    """A leaf function on an attribute or on the text of an element."""
    function = leaf.function
    primitive = definitions().is_primitive(element.types[0])

    def convert(node: Node, attribute: str | None, resource: Resource, trace: Trace) -> Any:
        text = node.attrs.get(attribute, "") if attribute else node.text.strip()
        if not text:
            return None
        leaves = _leaf_number(node, attribute)
        if len(text) > _LONGEST and "base64Binary" not in leaf.produces:
            trace.extend([(rule, INVALID, at) for at in leaves])
            return None
        try:
            value = function(text, resource.run.context)
        except Invalid as error:
            trace.extend([(rule, INVALID, at) for at in leaves])
            where = f"{resource.kind}.{element.name}"
            resource.run.issue("error", "value", node, f"{_of(attribute)}{error}", where)
            return None
        if value is None:
            return None
        state = MAPPED
        if type(value) is Partly:
            state = KEPT
            resource.run.issue("warning", "value", node, f"{_of(attribute)}{value.reason}")
            if not primitive or element.repeats:
                value = value.value
            else:
                value = Partly(value.value, text)
        trace.extend([(rule, state, at) for at in leaves])
        return value

    return convert


def _of(attribute: str | None) -> str:
    return f"@{attribute} " if attribute else ""


def table_convert(table: Table, rule: int, element: Element) -> Convert:
    """A code by a table, as a code, Coding or CodeableConcept, whatever the element is."""
    kind = element.types[0]
    miss = table.miss

    def build(target: Target) -> Any:
        if kind not in ("Coding", "CodeableConcept"):
            return target.code
        coding = {"code": target.code}
        if target.system:
            coding["system"] = target.system
        if target.display:
            coding["display"] = target.display
        return coding if kind == "Coding" else {"coding": [coding]}

    def convert(node: Node, attribute: str | None, resource: Resource, trace: Trace) -> Any:
        text = node.attrs.get(attribute, "") if attribute else node.text.strip()
        if not text:
            return None
        found = table.find(text)
        state = MAPPED
        if found:
            value = build(found[0])
        elif found is None and miss == "keep":
            value = build(Target(text.strip(), table.source, "", 0))
        elif found is None and miss not in ("none", "error", "text"):
            value, state = build(Target(miss, "", "", 0)), CONFLICT  # the sender's code is not carried
        else:
            value, state = None, INVALID if miss == "error" and found is None else CONFLICT
            if state == INVALID:
                where = f"{resource.kind}.{element.name}"
                resource.run.issue("error", "code-invalid", node, f"{_of(attribute)}is not in {table.name}", where)
        trace.extend([(rule, state, at) for at in _leaf_number(node, attribute)])
        return value

    return convert


def node_convert(function: NodeFunction, rule: int) -> Convert:
    """A function of a whole element."""
    call = function.function

    def convert(node: Node, attribute: str | None, resource: Resource, trace: Trace) -> Any:
        def mark(leaf: int, state: int = MAPPED) -> None:
            if leaf >= 0:
                trace.append((rule, state, leaf))

        return call(node, resource, mark)

    return convert
