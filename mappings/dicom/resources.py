"""Resources beside the study: what makes their ids (architecture, "Identity of resources"), and how they are filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mappings.dicom.rows import Plan
from mappings.dicom.run import Made, Node, Run, Source
from mappings.dicom.sources import Condition, parse_source
from mappings.engine.yamlfile import line_of
from mappings.errors import MapError
from mappings.values import Element

__all__ = ["KeyPart", "ResourceMap", "emit_resource", "key_part"]


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One alternative of a key: sources of its value and of the authorities, first valued."""

    tag: str
    value: Source
    authorities: tuple[Source, ...]
    usual: bool  # the channel's default authority stands in
    scoped: bool  # within the study


@dataclass(frozen=True, slots=True)
class ResourceMap:
    """`resources/X.yaml`: what makes the resource's id, and its rows."""

    label: str
    type: str
    keys: tuple[KeyPart, ...]
    plan: Plan
    needs: tuple[Source, ...]  # without any of these there is no such resource
    when: Condition | None


def key_part(raw: Any, file: str) -> KeyPart:
    """One entry of `key`. Raises MapError."""
    line = line_of(raw)
    if not isinstance(raw, dict) or "from" not in raw:
        raise MapError(file, line, "a key says `from`")
    authorities = raw.get("authority", [])
    return KeyPart(
        tag=str(raw.get("tag", "")),
        value=parse_source(str(raw["from"]), file, line),
        authorities=tuple(
            parse_source(str(each), file, line)
            for each in ([authorities] if isinstance(authorities, str) else authorities)
        ),
        usual=str(raw.get("usual", "")) == "true",
        scoped=str(raw.get("within", "")) == "study",
    )


def emit_resource(made_by: ResourceMap, run: Run, node: Node, role: str, text: str) -> dict[str, Any] | None:
    """Make a resource at a place, or find it made; its reference, with a display."""
    if made_by.when is not None and not made_by.when(run, node):
        return None
    if made_by.needs and not any(_first(run, node, source) for source in made_by.needs):
        return None
    before = run.begin()
    parts = _key_parts(made_by.keys, run, node)
    run.end(before, False, why="no-target")
    if parts is None:
        parts = ("in", *run.scope, made_by.label, role, text)
    made, new = run.resource(made_by.type, run.id(made_by.type, parts))
    _fill(made, made_by.plan, run, node)
    if not made.elements:
        del run.made[made.type, made.id]
        return None
    if new and made_by.type == "Patient":
        run.patient = made.id
    return made.reference


def _fill(made: Made, plan: Plan, run: Run, node: Node) -> None:
    known = {(element.path, element.slot) for element in made.elements}
    for row in plan.rows:
        mark = len(run.trace)
        found = row.fire(run, node)
        if found is None:
            continue
        one, values = found
        run.wrote(f"{made.type}/{made.id}", one.path, mark, one.rule)
        if (one.path, one.slot) in known:
            continue
        known.add((one.path, one.slot))
        made.elements.append(Element(one.path, one.slot, one.place(values)))


def _key_parts(keys: Sequence[KeyPart], run: Run, node: Node) -> tuple[str, ...] | None:
    for key in keys:
        value = _first(run, node, key.value)
        if not value:
            continue
        if key.scoped:
            return ("in", *run.scope, key.tag, value)
        authority = next((found for source in key.authorities if (found := _first(run, node, source))), "")
        if not authority and key.usual:
            authority = run.settings.default_authority or ""
        if authority or not key.authorities:
            return ("key", key.tag, authority or "*", value)
    return None


def _first(run: Run, node: Node, source: Source) -> str:
    if source.kind == "value":
        return node.value
    for place in source.places(node):
        for text in place.dataset.values(source.tags[-1]):
            if text:
                return text
    return ""
