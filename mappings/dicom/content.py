"""The content tree of a structured report → Observations, conclusion, text (PS3.3 C.17.3, PS3.16; maps/content.yaml).

Recursive dispatch: by the concept of an item, else by its value type. A value becomes an Observation with the heading
it stands under as category; what modifies or explains it becomes a component; containers that are results of their own
(measurement groups) have members. A finding that is said to be absent keeps its value: nothing is made of it but an
Observation that says so.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from adapters.dicom import tag_of, tag_text
from adapters.fhir import JsonValue
from mappings.dicom.contentvalues import VALUE_TYPES, read_value
from mappings.dicom.leaves import coding, uid_urn
from mappings.dicom.run import INVALID, Made, Node, Run, items
from mappings.dicom.times import date_time
from mappings.values import Element

__all__ = ["Content", "make_content"]

_CONTENT, _VALUE_TYPE, _RELATION = tag_of("ContentSequence"), tag_of("ValueType"), tag_of("RelationshipType")
_CONCEPT, _CODE_VALUE, _SCHEME = (
    tag_of("ConceptNameCodeSequence"),
    tag_of("CodeValue"),
    tag_of("CodingSchemeDesignator"),
)
_OBSERVED, _OBSERVATION_UID = tag_of("ObservationDateTime"), tag_of("ObservationUID")
_REFERENCED, _REFERENCED_UID = tag_of("ReferencedSOPSequence"), tag_of("ReferencedSOPInstanceUID")
_OFFSET = tag_of("TimezoneOffsetFromUTC")
_OBS_STATUS = {"partial": "preliminary"}


@dataclass(frozen=True, slots=True)
class Content:
    """`content.yaml`: concepts as `scheme:code`; `units`: spellings of units that are not UCUM's."""

    conclusions: frozenset[str]
    groups: frozenset[str]
    context: frozenset[str]
    units: Mapping[str, str]


@dataclass(slots=True)
class _Report:
    """What the tree gives."""

    run: Run
    rules: Content
    sop: str
    status: str
    effective: str | None
    results: list[Made] = field(default_factory=list)
    conclusions: list[str] = field(default_factory=list)
    codes: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def make_content(run: Run, report: Made, rules: Content) -> None:
    """Walk the tree and add to the report what it gives."""
    said = {element.path: element.value for element in report.elements}
    effective = said.get("effective[x]")
    when = effective.get("effectiveDateTime") if isinstance(effective, dict) else None
    status = str(said.get("status", "unknown"))
    found = _Report(run, rules, report.id, _OBS_STATUS.get(status, status), when if isinstance(when, str) else None)
    for item in items(run.root, _CONTENT):
        _item(found, item, None, found.results, 0)
    if found.results:
        report.elements.append(Element("result", "content", [made.reference for made in found.results]))
    if found.conclusions:
        report.elements.append(Element("conclusion", "", "\n".join(found.conclusions)))
    if found.codes:
        report.elements.append(Element("conclusionCode", "content", list(found.codes)))
    if found.lines:
        data = base64.b64encode("\n".join(found.lines).encode()).decode()
        form = {"contentType": "text/plain; charset=utf-8", "data": data, "title": "content, rendered as text"}
        report.elements.append(Element("presentedForm", "content", [cast("JsonValue", form)]))


def _item(report: _Report, node: Node, heading: dict[str, Any] | None, into: list[Made], depth: int) -> None:
    run = report.run
    concept, key = _concept(run, node)
    kind = node.dataset.text(_VALUE_TYPE)
    name = str(concept.get("display", "")) if concept else ""
    if kind == "CONTAINER":
        _container(report, node, concept, key, heading, into, depth)
        return
    before = run.begin()
    value, shown = read_value(report.run, node, kind, report.rules.units)
    if value is None and kind not in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        run.end(before, False, why=INVALID if kind in VALUE_TYPES else "no-rule")
        return
    if shown:
        report.lines.append(f"{'  ' * depth}{name + ': ' if name else ''}{shown}")
    if key in report.rules.context or node.dataset.text(_RELATION) == "HAS OBS CONTEXT":
        run.end(before, bool(shown), "kept")  # who observed stands in the rendered text
        _take(run, node, "kept" if shown else "")
        return
    if key in report.rules.conclusions and value is not None and _conclude(report, value):
        run.end(before, True)
        _take(run, node, "mapped")
        _children(report, node, heading, into, depth)
        return
    if concept is None or value is None:
        run.end(before, False, why="no-target")
        return
    run.end(before, True)
    _take(run, node, "mapped")
    into.append(_observation(report, node, concept, value, heading, depth))


def _container(
    report: _Report,
    node: Node,
    concept: dict[str, Any] | None,
    key: str,
    heading: dict[str, Any] | None,
    into: list[Made],
    depth: int,
) -> None:
    """A heading, or a result of its own with members."""
    name = str(concept.get("display", "")) if concept else ""
    if name:
        report.lines.append(f"{'  ' * depth}{name}")
    if key in report.rules.groups and concept is not None:
        members: list[Made] = []
        _children(report, node, heading, members, depth)
        if members:
            made = _observation(report, node, concept, {}, heading, depth, children=False)
            made.elements.append(Element("hasMember", "content", [member.reference for member in members]))
            into.append(made)
            _take(report.run, node, "mapped")
        return
    held = len(into)
    _children(report, node, concept or heading, into, depth)
    if len(into) > held or name:
        _take(report.run, node, "mapped" if len(into) > held else "kept")


def _children(report: _Report, node: Node, heading: dict[str, Any] | None, into: list[Made], depth: int) -> None:
    for item in items(node, _CONTENT):
        _item(report, item, heading, into, depth + 1)


def _observation(
    report: _Report,
    node: Node,
    concept: dict[str, Any],
    value: dict[str, Any],
    heading: dict[str, Any] | None,
    depth: int,
    children: bool = True,
) -> Made:
    run = report.run
    made, _ = run.resource("Observation", run.id("Observation", ("in", "sop", report.sop, node.prefix)))
    elements = [Element("status", "", report.status), Element("code", "", {"coding": [concept]})]
    if heading is not None:
        elements.append(Element("category", "heading", [{"coding": [heading]}]))
    if "Patient" in run.labels:
        elements.append(Element("subject", "", dict(run.labels["Patient"].reference)))
    when = _observed(run, node) or report.effective
    if when:
        elements.append(Element("effective[x]", "", {"effectiveDateTime": when}))
    for name, content in value.items():
        path = "value[x]" if name.startswith("value") else name
        elements.append(Element(path, "", {name: content} if path == "value[x]" else content))
    uid = _once(run, node, _OBSERVATION_UID, uid_urn)
    if uid:
        elements.append(Element("identifier", "uid", [{"system": "urn:dicom:uid", "value": uid}]))
    if children:
        elements += _explained(report, node, concept, depth)
    made.elements += elements
    return made


def _explained(report: _Report, node: Node, parent: dict[str, Any], depth: int) -> list[Element]:
    """Children of a value: components, references, and members of their own."""
    run = report.run
    components: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = []
    members: list[Made] = []
    for item in items(node, _CONTENT):
        kind = item.dataset.text(_VALUE_TYPE)
        if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
            sources += _references(run, item)
            continue
        concept, _ = _concept(run, item)
        # obs-7: a component never has the code of the Observation that it is in
        if kind in VALUE_TYPES and concept is not None and concept != parent and not items(item, _CONTENT):
            before = run.begin()
            value, shown = read_value(report.run, item, kind, report.rules.units)
            run.end(before, value is not None, why=INVALID)
            if value is not None:
                _take(run, item, "mapped")
                components.append({"code": {"coding": [concept]}, **value})
                report.lines.append(f"{'  ' * (depth + 1)}{concept.get('display', '')}: {shown}")
            continue
        _item(report, item, None, members, depth + 1)
    found = []
    if components:
        found.append(Element("component", "content", list(components)))
    if sources:
        found.append(Element("derivedFrom", "content", list(sources)))
    if members:
        found.append(Element("hasMember", "content", [made.reference for made in members]))
    return found


def _conclude(report: _Report, value: dict[str, Any]) -> bool:
    if isinstance(value.get("valueString"), str):
        report.conclusions.append(value["valueString"])
        return True
    if "valueCodeableConcept" in value:
        report.codes.append(value["valueCodeableConcept"])
        return True
    return False


def _references(run: Run, node: Node) -> list[dict[str, Any]]:
    found = []
    before = run.begin()
    for each in items(node, _REFERENCED):
        uid = uid_urn(run, run.text(each, _REFERENCED_UID))
        if uid:
            found.append({"identifier": {"system": "urn:dicom:uid", "value": uid}, "display": "referenced instance"})
    run.end(before, bool(found), why=INVALID)
    if found:
        _take(run, node, "mapped")
    return found


def _concept(run: Run, node: Node) -> tuple[dict[str, Any] | None, str]:
    """(Coding, `scheme:code`) of an item's concept name; its leaves are taken when the item is."""
    found = items(node, _CONCEPT)
    if not found:
        return None, ""
    before = run.begin()
    made = coding(run, found[0])
    run.trace.clear()
    run.trace = before
    return made, f"{found[0].dataset.text(_SCHEME)}:{found[0].dataset.text(_CODE_VALUE)}"


def _take(run: Run, node: Node, how: str) -> None:
    """The item's own bookkeeping (value type, relationship, concept) goes with it."""
    if not how:
        return
    for tag in (_VALUE_TYPE, _RELATION):
        run.taken.setdefault(f"{node.prefix}{tag_text(tag)}", how)
    for concept in items(node, _CONCEPT):
        for path, _, _ in concept.dataset.leaves(concept.prefix):
            run.taken.setdefault(path, how)


def _once(run: Run, node: Node, tag: int, leaf: Callable[[Run, str], Any]) -> Any:
    before = run.begin()
    text = run.text(node, tag)
    value = leaf(run, text) if text else None
    run.end(before, value is not None, why=INVALID)
    return value


def _observed(run: Run, node: Node) -> str | None:
    offset = run.root.dataset.text(_OFFSET)
    found = _once(run, node, _OBSERVED, lambda run, text: date_time(run, text, offset))
    return found if isinstance(found, str) else None
