"""The step `check`: what maps made, held against R4, where a channel asks for it.

A bad field costs that field: it falls, with what can't be without it, and the message says so: an issue, and residue
for the source leaves that lineage names. Only a resource that still isn't valid is set aside; references to it become
the identifier and display of what is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from adapters.issue import Issue
from mappings import Change, Element, Mapped, resource
from pipelines.errors import CheckFailed
from pipelines.validation import Validator

__all__ = ["checked"]

_NAME = re.compile(r"[.\[]")
ABSENT = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "error"}


Lineage = Callable[[], Sequence[str]]
"""`Type/id element <- source <- rule` for each element written; asked for only when something falls."""


def checked(mapped: Mapped, level: str, validate: Validator, lineage: Lineage = tuple) -> Mapped:
    """The same without what can't stand; itself if all of it can. Raises CheckFailed if nothing stands."""
    fallen: dict[str, set[str] | None] = {}  # Type/id → members that fell, None = the whole resource
    issues: list[Issue] = []
    changes: list[Change] = []
    aside: dict[str, dict[str, Any]] = {}
    for change in mapped.changes:
        made: dict[str, Any] = resource(change)
        repaired = validate.repair(made, validate(made, level), level)
        if repaired.resource is None:
            finding = repaired.findings[0]
            text = f"the resource is set aside: {finding.text}"
            issues.append(Issue("error", finding.code, None, finding.expression, text))
            aside[f"{change.type}/{change.id}"] = _meant(made)
            fallen[f"{change.type}/{change.id}"] = None
            continue
        if repaired.removed:
            fallen[f"{change.type}/{change.id}"] = _touched(made, repaired.resource)
            change = change.anew(_left(change, made, repaired.resource))
            issues += [
                Issue("error", "invalid", None, each.expression, f"taken out: {each.cause}")
                for each in repaired.removed
            ]
        changes.append(change)
    if not issues:
        return mapped
    if not mapped.parts and all(change.type == "Provenance" for change in changes):
        raise CheckFailed(mapped.changes[0].type, next(issue.expression or "" for issue in issues))
    if aside:
        changes = [_without(change, aside) for change in changes]
    mapped = replace(mapped, changes=tuple(changes), issues=(*mapped.issues, *issues), status="partial")
    return _accounted(mapped, fallen, lineage())


def _accounted(mapped: Mapped, fallen: Mapping[str, set[str] | None], lines: Sequence[str]) -> Mapped:
    """The account of leaves after something fell: what only fallen elements were made of is residue."""
    stands: set[str] = set()
    falls: dict[str, str] = {}
    for line in lines:
        target, _, rest = line.partition(" <- ")
        source = rest.partition(" <- ")[0]
        key, _, element = target.partition(" ")
        members = fallen.get(key, set())
        if members is None:
            falls.setdefault(source, "set-aside")
        elif _NAME.split(element, maxsplit=1)[0] in members:
            falls.setdefault(source, "invalid")
        else:
            stands.add(source)
    known = {path for path, _ in (*mapped.residue, *mapped.excused)}
    new = [(path, reason) for path, reason in falls.items() if path not in stands and path not in known]
    carried, kept, excused, residue = mapped.leaves
    leaves = (carried - len(new), kept, excused, residue + len(new))
    return replace(mapped, residue=(*mapped.residue, *new), leaves=leaves) if leaves[0] >= 0 else mapped


def _left(change: Change, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Element, ...]:
    """The registers of a repaired resource: those of elements that are as they were, and one for each that is not."""
    touched = _touched(before, after)
    found = [element for element in change.elements if not _speaks_of(element, touched)]
    for name in sorted(touched & after.keys()):
        mine = [element for element in change.elements if _speaks_of(element, {name}) and element.value is not None]
        slot = next((element.slot for element in mine if element.slot), "") if isinstance(after[name], list) else ""
        rank = min((element.rank for element in mine), default=0)
        path = next((element.path for element in mine if element.path.endswith("[x]")), name)
        value = {name: after[name]} if path != name else after[name]
        found.append(Element(path, slot, value, rank))
    return tuple(found)


def _touched(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _speaks_of(element: Element, names: set[str]) -> bool:
    """Whether a register holds one of these members of the resource; a choice holds those that its value names."""
    top = element.path.partition(".")[0]
    if top.endswith("[x]"):
        return isinstance(element.value, dict) and not names.isdisjoint(element.value)
    return top in names


def _meant(made: Mapping[str, Any]) -> dict[str, Any]:
    """What a reference to a resource can say without it."""
    identifiers = made.get("identifier")
    first = identifiers[0] if isinstance(identifiers, list) and identifiers else identifiers
    return {"identifier": first} if isinstance(first, dict) and first.get("value") else {}


def _without(change: Change, aside: Mapping[str, Mapping[str, Any]]) -> Change:
    elements = tuple(
        element._replace(value=_unlinked(element.value, aside, (change.type, element.path) == ("Provenance", "target")))
        for element in change.elements
    )
    return change if elements == change.elements else change.anew(elements)


def _unlinked(value: Any, aside: Mapping[str, Mapping[str, Any]], drop: bool) -> Any:
    if isinstance(value, list):
        kept = [item for item in value if not (drop and isinstance(item, dict) and item.get("reference") in aside)]
        return [_unlinked(item, aside, False) for item in kept]
    if not isinstance(value, dict):
        return value
    meant = aside.get(cast("str", value.get("reference")))
    if meant is None:
        return {name: _unlinked(inner, aside, False) for name, inner in value.items()}
    rest = {**meant, **{name: inner for name, inner in value.items() if name != "reference"}}
    return rest if rest.keys() & {"identifier", "display"} else {**rest, "extension": [ABSENT]}
