"""From resources in the making to changes: what can't stand, references to it, order (commands.md, "Bundle")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.fhir import definitions
from mappings.trees.plan import Rule
from mappings.trees.run import ASIDE, EXCUSED, Resource, Run
from mappings.trees.writing import names_of
from mappings.values import Change, Element

__all__ = ["changes_of", "settle_resources"]

_FIRST = {"Composition": 0, "Patient": 1}
_SHARED = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location", "Device"})
Home = tuple[str, str]


def settle_resources(run: Run, rules: list[Rule]) -> list[Resource]:
    """The resources that stand, in Bundle order without Provenance."""
    made = [each for each in run.resources if each.wrote]
    for resource in made:
        lacking = _complete(run, resource, rules)
        if lacking:
            resource.aside = lacking
            text = f"the {resource.kind} is set aside: its required element {lacking} is missing"
            run.issue("error", "required", resource.node, text, f"{resource.kind}.{lacking}")
    standing = {id(each) for each in made if not each.aside}
    for reference, target, _ in run.references:
        if "reference" in reference and id(target) not in standing:
            _loosen(reference, target)
    return sorted([each for each in made if not each.aside], key=_order)


def _order(resource: Resource) -> tuple[int, int]:
    return _FIRST.get(resource.kind, 2), resource.source


def _complete(run: Run, resource: Resource, rules: list[Rule]) -> str:
    """Take out inner objects that lack a required element; the name of one that the resource itself lacks."""
    for holder, name, item, path, lack in list(_incomplete(resource.body, (resource.kind, ""), "")):
        values = holder.get(name)
        if isinstance(values, list):
            values[:] = [each for each in values if each is not item]
        if not values or values is item:
            holder.pop(name, None)
        text = f"a part of {path} is left out: its required element {lack} is missing"
        run.issue("error", "required", resource.node, text, f"{resource.kind}.{path}")
        start = f"{resource.kind}.{path}"
        resource.trace[:] = [
            (rule, ASIDE if state <= EXCUSED and rules[rule].target.startswith(start) else state, leaf)
            for rule, state, leaf in resource.trace
        ]
    if resource.needs and not any(name in resource.body for name in resource.needs):
        return " or ".join(resource.needs)
    return _lacking(resource.body, (resource.kind, ""))


def _lacking(body: dict[str, Any], home: Home) -> str:
    for label, names in _required(home):
        if not any(name in body for name in names):
            return label
    return ""


_known: dict[Home, list[tuple[str, tuple[str, ...]]]] = {}


def _required(home: Home) -> list[tuple[str, tuple[str, ...]]]:
    found = _known.get(home)
    if found is None:
        found = _known[home] = []
        seen: set[str] = set()
        for element in definitions().children(home).values():
            label = element.choice or element.name
            if element.min and label not in seen:
                seen.add(label)
                found.append((label, names_of(home, element)))
    return found


def _incomplete(body: dict[str, Any], home: Home, path: str) -> Iterator[tuple[dict[str, Any], str, Any, str, str]]:
    """Backbone elements that lack something, innermost first: holder, name, item, path, what it lacks."""
    children = definitions().children(home)
    for name, value in list(body.items()):
        element = children.get(name)
        if element is None or element.home is None or not element.home[1]:
            continue
        below = f"{path}.{name}" if path else name
        for item in value if isinstance(value, list) else [value]:
            yield from _incomplete(item, element.home, below)
            lack = _lacking(item, element.home)
            if lack or not item:
                yield body, name, item, below, lack


def _loosen(reference: dict[str, Any], target: Resource) -> None:
    """A reference to what isn't made keeps what names it: identifier and display."""
    reference.clear()
    identifier = target.body.get("identifier")
    if identifier:
        reference["identifier"] = identifier[0] if isinstance(identifier, list) else identifier
    display = _display(target.body)
    if display:
        reference["display"] = display
    reference["type"] = target.kind


def _display(body: dict[str, Any]) -> str:
    name = body.get("name")
    if isinstance(name, str):
        return name
    if isinstance(name, list) and name and isinstance(name[0], dict):
        first = name[0]
        words = [*first.get("prefix", ()), *first.get("given", ()), first.get("family", "")]
        return str(first.get("text") or " ".join(word for word in words if word))
    code = body.get("code")
    if isinstance(code, dict):
        return str(code.get("text") or code.get("coding", [{}])[0].get("display", ""))
    return ""


def changes_of(resources: list[Resource], patient: Resource | None) -> tuple[Change, ...]:
    """The changes in this order, as registers."""
    about = patient.id if patient is not None and not patient.aside and patient.wrote else None
    return tuple(
        [
            Change(each.kind, each.id, None if each.kind in _SHARED else about, tuple(_elements(each)))
            for each in resources
        ]
    )


def _elements(resource: Resource) -> Iterator[Element]:
    children = definitions().children((resource.kind, ""))
    for name, value in resource.body.items():
        element = children.get(name)
        if element is None:  # `_birthDate`
            yield Element(name, "", value)
        elif element.choice:
            yield Element(element.choice, "", {name: value})
        elif element.repeats:
            yield Element(name, "document", value)
        elif isinstance(value, dict) and element.home is not None and element.home[1]:
            yield from _inner(name, value, element.home)
        else:
            yield Element(name, "", value)


def _inner(path: str, value: dict[str, Any], home: Home) -> Iterator[Element]:
    """A backbone element that occurs once is no register of its own: its elements are."""
    children = definitions().children(home)
    for name, inner in value.items():
        element = children.get(name)
        if element is not None and element.choice:
            yield Element(f"{path}.{element.choice}", "", {name: inner})
        elif element is not None and element.repeats:
            yield Element(f"{path}.{name}", "document", inner)
        else:
            yield Element(f"{path}.{name}", "", inner)
