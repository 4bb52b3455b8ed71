"""From resources in the making to changes: links, defaults, events, what can't stand, order (commands.md, "Bundle")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.hl7v2 import Issue
from mappings.engine.events import Events, run_events
from mappings.engine.requirements import incomplete, lacking, requirements
from mappings.engine.runtime import Resource, Run, Trace
from mappings.engine.templates import expand
from mappings.leaves.base import Invalid
from mappings.leaves.time import as_utc
from mappings.values import Change

if TYPE_CHECKING:
    from mappings.engine.workshop import Rule

__all__ = ["changes_of", "settle_resources"]

_SHARED = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location", "Device"})
_PATIENT = "patient"


def settle_resources(run: Run, events: Events, rules: list[Rule]) -> list[Resource]:
    """Write what joins the resources; give those that stand, in Bundle order without Provenance."""
    references = run.references
    for links, resource, number, scope, position, own in run.links:
        if not resource.wrote:
            continue
        registers = resource.registers
        for link in links:
            # the usual case in place: one label, one resource, nothing there yet
            found = scope.nearest(link.label)
            key = link.key
            if len(found) == 1 and key is not None and key not in registers:
                target = found[0]
                if target is not resource and target.wrote:
                    registers[key] = reference = {"reference": f"{target.kind}/{target.id}"}
                    references.append((reference, target, resource))
                    continue
            link.write(run, resource, number, scope, position, own)
    for label, link, resource, number, scope, position in run.backs:
        if resource.wrote:
            found = scope.nearest(label)
            holder = _before(found, position) if len(found) != 1 else found[0]
            if holder is not None and holder is not resource and holder.wrote:
                link.write(run, holder, number, scope, position, resource)
    for resource in run.resources:
        if resource.wrote:
            for plan, seat in resource.deferred:
                plan.finish(seat)
            if resource.copy is None and requirements(resource).periods:
                _check_periods(run, resource, rules)
    run_events(events, run)
    made = [each for each in run.resources if each.wrote and each.kind != "Provenance"]
    _set_aside(run, made, rules)
    return sorted([each for each in made if not each.aside], key=_order)


def _before(found: list[Resource], position: int) -> Resource | None:
    chosen = None
    for resource in found:
        if chosen is None or resource.position <= position:
            chosen = resource
    return chosen


def _check_periods(run: Run, resource: Resource, rules: list[Rule]) -> None:
    """per-1: a period that ends before it begins keeps its beginning."""
    registers = resource.registers
    for key, beginning in requirements(resource).periods:
        end, start = registers[key], registers[beginning]
        if start is not None and end is not None and _before_in_time(end, start):
            del registers[key]
            resource.shape = None
            name = f"{resource.kind}.{key[0]}"
            segment = run.message.segments[resource.position]
            text = "the end is before the start: the end is left out"
            run.issues.append(Issue("error", "business-rule", f"{segment.name}[{segment.number}]", name, text))
            _fall(rules, resource, key)


def _fall(rules: list[Rule], resource: Resource, register: tuple[str, str]) -> None:
    """What was written to a register counts as invalid."""
    mine = {at for at, rule in enumerate(rules) if rule.kind == resource.kind and rule.register == register}
    expand(resource)
    for at, trace in enumerate(resource.trace):
        if trace[0] in mine:
            rule, position, field, repetition, shift, (mapped, kept, excused, invalid, _) = trace
            marks = (0, 0, excused, mapped | kept | invalid, ())
            resource.trace[at] = (rule, position, field, repetition, shift, marks)


def _before_in_time(one: str, other: str) -> bool:
    """Whether a date or dateTime is before another, as far as both say."""
    if "T" in one and "T" in other:
        try:
            return as_utc(one) < as_utc(other)
        except Invalid:
            return False
    length = min(len(one[:10]), len(other[:10]))
    return one[:length] < other[:length]


_FIRST = {"MessageHeader": -2 << 32, "Patient": -1 << 32}


def _order(resource: Resource) -> int:
    """Those of the same place stay as they were made."""
    kind = resource.kind
    return _FIRST[kind] + resource.position if kind in _FIRST else resource.position


def _set_aside(run: Run, made: list[Resource], rules: list[Rule]) -> None:
    """Set aside what lacks a required element; losing one may take another with it."""
    # what was kept was checked when it was made
    checked = [each for each in run.resources if each.wrote and (each.copy is None or not _untouched(each))]
    while True:
        again = False
        needs = [(each, requirements(each)) for each in checked]
        for resource, needed in needs:
            if needed.items and not resource.aside:
                for path, slot, item in incomplete(resource):
                    _drop(run, rules, resource, path, slot, item)
        for resource, needed in needs:
            if resource.aside or resource.kind == "Provenance":
                continue
            name = lacking(resource, needed if resource.shape is not None else requirements(resource))
            if name:
                again = True
                resource.aside = name
                segment = run.message.segments[resource.position]
                where = f"{segment.name}[{segment.number}]"
                text = f"the {resource.kind} is set aside: its required element {name} is missing"
                run.issues.append(Issue("error", "required", where, f"{resource.kind}.{name}", text))
        standing = {id(each) for each in made if not each.aside}
        if len(standing) == len(run.resources) - 1:
            return  # all stand, and Provenance: no reference is lost
        for reference, target, holder in run.references:
            if "reference" in reference and id(target) not in standing and not holder.aside:
                _loosen(reference, target)
                if not reference:
                    again = _prune(holder) or again
        if not again:
            return


def _untouched(resource: Resource) -> bool:
    return resource.copy is not None and len(resource.registers) == len(resource.copy.registers)


def _drop(run: Run, rules: list[Rule], resource: Resource, path: str, slot: str, item: Any) -> None:
    """Take an object out of a list that can't hold it; its sources are set aside."""
    key = (path, slot)
    left = [each for each in resource.registers[key] if each is not item]
    if left:
        resource.registers[key] = left
    else:
        del resource.registers[key]
        resource.shape = None
    segment = run.message.segments[resource.position]
    text = f"a part of {path} is left out: a required element of it is missing"
    where = f"{segment.name}[{segment.number}]"
    run.issues.append(Issue("error", "required", where, f"{resource.kind}.{path}", text))
    _unwrite(run, rules, resource, path, slot, item)


def _unwrite(run: Run, rules: list[Rule], resource: Resource, path: str, slot: str, item: Any) -> None:
    """Move the traces of an object's rows to a resource that doesn't stand, so that they count as set aside."""
    places = [(number, repetition) for (p, s, number, repetition), each in resource.items.items() if each is item]
    mine = {at for at, rule in enumerate(rules) if rule.kind == resource.kind and rule.register == (path, slot)}
    repetitions = {repetition for _, repetition in places}
    expand(resource)
    gone = Resource(resource.kind, resource.id, len(run.resources), resource.position, resource.scope, "")
    gone.aside = path
    kept: list[Trace] = []
    for trace in resource.trace:
        hit = trace[0] in mine and (not repetitions or -1 in repetitions or trace[3] in repetitions)
        (gone.trace if hit else kept).append(trace)
    resource.trace = kept
    run.resources.append(gone)


def _loosen(reference: dict[str, Any], target: Resource) -> None:
    """A reference to what isn't made keeps what names it: identifier and display."""
    reference.clear()
    identifiers = [value for (path, _), value in sorted(target.registers.items()) if path == "identifier" and value]
    if identifiers:
        first = identifiers[0]
        reference["identifier"] = first[0] if isinstance(first, list) else first
    display = _display(target)
    if display:
        reference["display"] = display
    if reference:
        reference["type"] = target.kind


def _display(target: Resource) -> str:
    """The name of a resource as text."""
    for (path, _), value in target.registers.items():
        if path == "name" and value:
            name = value[0] if isinstance(value, list) else value
            if isinstance(name, str):
                return name
            words = [*name.get("prefix", ()), *name.get("given", ()), name.get("family", "")]
            return str(name.get("text") or " ".join(word for word in words if word))
        if path == "code" and isinstance(value, dict):
            return str(value.get("text") or value.get("coding", [{}])[0].get("display", ""))
    return ""


def _prune(resource: Resource) -> bool:
    """Take out the empty objects that lost references leave; True if a register went."""
    gone = False
    for key, value in list(resource.registers.items()):
        if value is None:
            continue
        left = _pruned(value)
        if left is None:
            del resource.registers[key]
            resource.shape = None
            gone = True
        elif left is not value:
            resource.registers[key] = left
            gone = True
    return gone


def _pruned(value: Any) -> Any:
    """The value without empty objects and lists; None if nothing is left."""
    if isinstance(value, dict):
        found = {name: _pruned(item) for name, item in value.items()}
        if all(found[name] is item for name, item in value.items()) and value:
            return value
        return {name: item for name, item in found.items() if item is not None} or None
    if isinstance(value, list):
        items = [_pruned(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)) and value:
            return value
        return [item for item in items if item is not None] or None
    return value


def changes_of(resources: list[Resource]) -> tuple[Change, ...]:
    """The changes in Bundle order, each with its patient."""
    patients = [each for each in resources if each.kind == "Patient"]
    found = []
    for resource in resources:
        copy = resource.copy
        ranks = resource.ranks
        if copy is not None and not ranks and resource.registers == copy.registers:
            found.append(copy.made())
            continue
        patient = _patient(resource, patients)
        found.append(Change.of(resource.kind, resource.id, patient, resource.registers, ranks, resource.shape))
    return tuple(found)


def _patient(resource: Resource, patients: list[Resource]) -> str | None:
    """The nearest patient that stands."""
    if resource.kind == "Patient":
        return resource.id
    if resource.kind in _SHARED or not patients:
        return None
    if len(patients) == 1:
        return patients[0].id
    near = [each for each in resource.scope.nearest(_PATIENT) if each in patients]
    return (_before(near, resource.position) or patients[0]).id
