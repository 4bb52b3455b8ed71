"""The event table compiled: what a trigger event does to which resource (mappings.md, "Events are a table, too")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from adapters.fhir import definitions
from adapters.hl7v2 import Issue
from mappings.engine.conditions import Condition, compile_when
from mappings.engine.grammar import EventRow
from mappings.engine.plans import PlaceScene
from mappings.engine.runtime import Resource, Run, Seat
from mappings.engine.targets import literal, resolve

if TYPE_CHECKING:
    from mappings.engine.workshop import Workshop

__all__ = ["Event", "Events", "compile_events", "run_events"]

_SLOT = "event"
_EXPECTED = frozenset({"Encounter", "Patient"})  # what a trigger event is about


@dataclass(frozen=True, slots=True)
class Event:
    """A compiled row. `kind` or `label`: what it is done to."""

    id: str
    events: frozenset[str]
    label: str
    kind: str
    when: Condition | None
    sets: tuple[tuple[tuple[str, str], Any], ...]
    removes: tuple[str, ...]
    merge: tuple[str, str] | None
    expected: bool  # the message should hold such a resource


def compile_events(shop: Workshop, kinds: Mapping[str, str]) -> tuple[Event, ...]:
    """The rows that concern the labels and types of a message map. Raises MapError."""
    found = []
    for row in shop.library.events:
        if row.merge is not None:
            if all(label in kinds for label in row.merge):
                found.append(Event(row.id, frozenset(row.events), "", "Patient", None, (), (), row.merge, False))
            continue
        kind = kinds.get(row.on or "", row.on or "")
        if kind in definitions().resources and (row.on in kinds or kind in kinds.values()):
            found.append(_event(row, kind, row.on if row.on in kinds else "", shop))
    return tuple(found)


def _event(row: EventRow, kind: str, label: str | None, shop: Workshop) -> Event:
    sets = []
    for path, raw in (row.set_ or {}).items():
        target = resolve(kind, path, row.error)
        if target.rest and target.repeats:
            raise row.error(f"{path}: an event sets whole elements: write {target.path}")
        element = replace(target.element, max=1) if target.repeats else target.element
        value = literal(element, raw, row.file, row.line)
        key = (target.path, _SLOT if target.repeats else "")
        sets.append((key, [value] if target.repeats else {target.choice: value} if target.choice else value))
    for path in row.remove:
        if not path.endswith("[x]"):
            resolve(kind, path, row.error)
    when = compile_when(row.when, PlaceScene(shop, "", None, row.file), row.line)
    expected = when is None and "*" not in row.events and kind in _EXPECTED
    return Event(row.id, frozenset(row.events), label or "", kind, when, tuple(sets), row.remove, None, expected)


class Events:
    """The rows of a message map by trigger event."""

    __slots__ = ("_any", "_named")

    def __init__(self, events: Sequence[Event]) -> None:
        named = {name for event in events for name in event.events} - {"*"}
        self._named = {name: tuple(each for each in events if each.events & {name, "*"}) for name in named}
        self._any = tuple(each for each in events if "*" in each.events)

    def of(self, event: str) -> tuple[Event, ...]:
        """The rows that a trigger event asks for."""
        return self._named.get(event, self._any)


def run_events(events: Events, run: Run) -> None:
    """Do what the message's trigger event says."""
    for event in events.of(run.event):
        if event.merge is not None:
            _merge(event.merge, run)
            continue
        hit = False
        for resource in run.root.labels.get(event.label, ()) if event.label else run.resources:
            if resource.kind != event.kind or not resource.wrote:
                continue
            seat = Seat(run, resource, run.message.segments[resource.position], resource.scope)
            hit = True
            if event.when is None or event.when(seat):
                _apply(event, resource)
        if not hit and event.expected:
            text = f"the event {run.event} concerns a resource that the message does not hold"
            run.issues.append(Issue("information", "informational", None, event.kind, text))


def _apply(event: Event, resource: Resource) -> None:
    for path in event.removes:
        inside = f"{path}."
        known = [key for key in resource.registers if key[0] == path or key[0].startswith(inside)]
        for key in known or [(path, "")]:
            resource.registers[key] = None
            resource.ranks[key] = 1
    for key, value in event.sets:
        resource.registers[key] = value
        resource.ranks[key] = 1


def _merge(labels: tuple[str, str], run: Run) -> None:
    """A40: the retired patient is inactive, both are linked (R4 patient.html#merge)."""
    retired_label, surviving_label = labels
    for retired in [each for each in run.root.labels.get(retired_label, ()) if each.wrote]:
        surviving = None
        for each in retired.scope.nearest(surviving_label):
            if each.wrote and (surviving is None or each.position <= retired.position):
                surviving = each
        if surviving is None or surviving is retired:
            place = run.message.segments[retired.position]
            text = "the retired and the surviving patient are the same, or one is missing: nothing is merged"
            run.issues.append(Issue("warning", "business-rule", f"{place.name}[{place.number}]", "Patient.link", text))
            continue
        retired.registers["active", ""] = False
        retired.ranks["active", ""] = 1
        by, of = run.reference(surviving, retired), run.reference(retired, surviving)
        retired.registers["link", f"replaced-by:{surviving.id}"] = [{"other": by, "type": "replaced-by"}]
        surviving.registers["link", f"replaces:{retired.id}"] = [{"other": of, "type": "replaces"}]
        retired.ranks["link", f"replaced-by:{surviving.id}"] = 1
        surviving.ranks["link", f"replaces:{retired.id}"] = 1
        run.merges.append((retired.id, surviving.id))
