"""Message maps compiled: which segments make or fill which resources, in row order; and the run over a message."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from adapters.fhir import definitions
from adapters.hl7v2 import Segment
from mappings.engine.codec import NULL
from mappings.engine.codegen import asker
from mappings.engine.conditions import compile_when
from mappings.engine.emits import Link, compile_link
from mappings.engine.events import Events, compile_events
from mappings.engine.grammar import MessageMap, MessageRow
from mappings.engine.keys import Key, compile_key, nearest
from mappings.engine.layout import Layout
from mappings.engine.plans import PlaceScene, Plan
from mappings.engine.provenance import PROVENANCE, begin
from mappings.engine.runtime import NOWHERE, Resource, Run, Scope, Seat, scopes_of
from mappings.errors import MapError
from mappings.ids import id_of, named

if TYPE_CHECKING:
    from mappings.engine.workshop import Workshop

__all__ = ["MessagePlan", "Row", "compile_message", "run_rows"]

_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")


@dataclass(frozen=True, slots=True)
class Row:
    """A compiled row. `own`: its segment, '' for a group. `back`: (label, element) that points here."""

    id: str
    path: str
    own: str
    label: str
    make: str | None
    into: str | None
    by: tuple[Plan, ...]
    when: Callable[[Seat], Any] | None
    key: Key | None
    links: tuple[Link, ...]
    back: tuple[tuple[str, Link], ...]
    straight: bool  # all maps are of its own segment


@dataclass(frozen=True, slots=True)
class MessagePlan:
    """All rows of a structure; `wanted`: the paths that they name; `excused`: segment -> field -> reasons."""

    rows: tuple[Row, ...]
    wanted: dict[str, None]
    excused: dict[str, dict[int, list[tuple[int, int, str]]]]
    events: Events
    known: bool


def compile_message(message: MessageMap, shop: Workshop, known: bool = True) -> MessagePlan:
    """The plan of a message map. Raises MapError."""
    kinds: dict[str, str] = {PROVENANCE: "Provenance"}
    for row in message.rows:
        if row.make is not None and row.label is not None:
            if row.label in kinds and kinds[row.label] != row.make:
                raise row.error(f"the label {row.label} is a {kinds[row.label]} already")
            kinds[row.label] = row.make
    rows = tuple(_row(row, kinds, shop) for row in message.rows)
    if not known:
        # nothing is known of the groups of such a message: a segment is taken wherever it stands
        rows = tuple(row if "." in row.path else replace(row, path=f"*.{row.path}") for row in rows)
    events = Events(compile_events(shop, kinds))
    return MessagePlan(rows, dict.fromkeys(row.path for row in rows), _excused(message), events, known)


def _row(row: MessageRow, kinds: dict[str, str], shop: Workshop) -> Row:
    last = row.path.rsplit(".", 1)[-1]
    own = last if _SEGMENT.fullmatch(last) else ""
    kind = row.make or kinds.get(row.into or "")
    if kind is None:
        raise row.error(f"no row makes the label {row.into}")
    if kind not in definitions().resources:
        raise row.error(f"{kind} is no resource type of R4")
    scene = PlaceScene(shop, own, None, row.file)
    plans = tuple(shop.segment_plan(name, row) for name in row.by)
    for plan in plans:
        if plan.kind != kind:
            raise row.error(f"{plan.name} fills a {plan.kind}, not a {kind}")
    links: list[Link] = []
    back: list[tuple[str, Link]] = []
    for path, labels in row.link:
        if labels == ("self",):
            label, _, element = path.partition(".")
            if label not in kinds:
                raise row.error(f"no row makes the label {label}")
            back.append((label, compile_link(kinds[label], element, labels, (kind,), row, row.label or row.id)))
            continue
        unknown = [label for label in labels if label not in kinds and label not in shop.emit_labels]
        if unknown:
            raise row.error(f"no row makes the label {unknown[0]}")
        links.append(compile_link(kind, path, labels, [kinds.get(label, "") for label in labels], row))
    key = None
    if row.key is not None:
        key = compile_key(row.key, kind, scene, own, None, row.file, row.line)
    found = compile_when(row.when, scene, row.line)
    when = None if found is None else asker(found, "at.fields")
    straight = bool(plans) and all(plan.own == own for plan in plans)
    label = row.label or row.id
    return Row(row.id, row.path, own, label, row.make, row.into, plans, when, key, tuple(links), tuple(back), straight)


def _excused(message: MessageMap) -> dict[str, dict[int, list[tuple[int, int, str]]]]:
    from mappings.engine.sources import parse

    found: dict[str, dict[int, list[tuple[int, int, str]]]] = {}
    for text, (_, line) in message.excused.items():
        path = parse(text)
        if path is None:
            raise MapError(message.file, line, f"{text} is no segment and no field")
        fields = found.setdefault(path.owner, {})
        fields.setdefault(path.field, []).append((path.component, path.subcomponent, f"{message.file}:{line}"))
    return found


def run_rows(layout: Layout, runs: Sequence[Run]) -> None:
    """Every row at every place of its path, on messages of one layout side by side."""
    work = []
    for run in runs:
        segments = run.message.segments
        scopes = scopes_of(layout, segments)
        run.root = scopes[0]
        begin(run)
        work.append((run, scopes, segments))
    for row, site, position in layout.steps:
        for run, scopes, segments in work:
            _run_row(row, run, scopes[site], segments[position] if position >= 0 else None)


def _run_row(row: Row, run: Run, scope: Scope, segment: Segment | None) -> None:
    if row.straight and segment is not None:
        seat = Seat(run, _NOBODY, segment, scope)
        if row.when is not None and not row.when(seat):
            return
        position = segment.position
        further = row.by[1:]
        seats = [(plan, Seat(run, _NOBODY, segment, scope)) for plan in further] if further else ()
        first = row.by[0]
    else:
        found = _seats(row, run, scope, segment)
        if not found:
            return
        (first, seat), *seats = found
        position = seat.position if segment is None else segment.position
        if row.when is not None:
            asked = seat if segment is None or seat.segment is segment else Seat(run, _NOBODY, segment, scope)
            if not row.when(asked):
                return
    if row.make is not None:
        resource = _made(row, run, scope, first, seat, seats, position)
    else:
        there = nearest(seat, row.into or "")
        if there is None:
            return
        resource = there
    seat.resource = resource
    first.run(seat)
    for plan, each in seats:
        each.resource = resource
        plan.run(each)
    if row.links:
        run.links.append((row.links, resource, seat.number, scope, position, None))
    for label, link in row.back:
        run.backs.append((label, link, resource, seat.number, scope, position))


def _seats(row: Row, run: Run, scope: Scope, segment: Segment | None) -> list[tuple[Plan, Seat]]:
    """Each map on each segment that it runs on."""
    found: list[tuple[Plan, Seat]] = []
    for plan in row.by:
        if segment is not None and plan.own == segment.name:
            found.append((plan, Seat(run, _NOBODY, segment, scope)))
        else:
            for each in scope.find(str(plan.own)):
                found.append((plan, Seat(run, _NOBODY, each, scope)))
    return found


def _made(
    row: Row, run: Run, scope: Scope, first: Plan, seat: Seat, seats: Sequence[tuple[Plan, Seat]], position: int
) -> Resource:
    """The resource of a row: by its own key, else by the first of its maps that has a valued one."""
    name = row.key(seat, None) if row.key is not None else None
    if name is None and first.key is not None:
        name = first.key(seat, None)
    if name is None:
        for plan, each in seats:
            if plan.key is not None:
                name = plan.key(each, None)
                if name is not None:
                    break
        else:
            number = run.counts[row.id] = run.counts.get(row.id, 0) + 1
            name = named(("message", run.sha256, row.id, str(number)))
    kind = first.kind
    resource = run.resource(kind, id_of(run.namespace, kind, name), position, scope, row.label)
    scope.name(row.label, resource)
    return resource


_NOBODY = Resource("", "", -1, 0, NOWHERE, "")
"""Stands in a seat whose resource isn't known yet; nothing is written to it."""


def authority_of(fields: list[str], number: int, codec: Any) -> str:
    """The HD in a field of MSH as an authority: universal id, else namespace."""
    text = fields[number] if number < len(fields) else ""
    if text.isalnum():
        return text
    parts = [codec.plain(part) for part in text.split(codec.repetition)[0].split(codec.component)]
    if not parts or parts[0] == NULL:
        return ""
    return (parts[1] if len(parts) > 1 else "") or parts[0]
