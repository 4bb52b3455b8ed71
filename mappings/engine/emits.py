"""Inner resources (`emit`) and references by label (`link`): what joins the resources of a message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from adapters.fhir import definitions
from mappings.engine.datatypes import Value
from mappings.engine.fetching import Fetched, fetcher
from mappings.engine.grammar import Row
from mappings.engine.kept import kept
from mappings.engine.keys import compile_key
from mappings.engine.ops import NONE, WROTE, Emit, first_value
from mappings.engine.runtime import Resource, Run, Scope, Seat
from mappings.engine.sinks import sink
from mappings.engine.targets import Target, apply, literals, resolve
from mappings.ids import id_of, named

if TYPE_CHECKING:
    from mappings.engine.plans import Plan
    from mappings.engine.rows import RowCompiler

__all__ = ["Link", "check_reference", "compile_link", "emitting", "labelled", "make"]

Step = Callable[[Seat], int]


def check_reference(target: Target, kinds: Sequence[str], row: Any) -> None:
    """A reference stands where R4 has one, and points at what may stand there."""
    if target.type != "Reference":
        raise row.error(f"{target.to} is a {target.type}, no reference")
    allowed = target.element.targets
    for kind in kinds:
        if kind and allowed and kind not in allowed and "Resource" not in allowed:
            raise row.error(f"{target.to} can't refer to a {kind}")


class Link:
    """References from a resource to the nearest labelled ones, written when all resources are made."""

    __slots__ = ("key", "label", "labels", "many", "put")

    def __init__(self, target: Target, slot: str, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.label = labels[0] if len(labels) == 1 and labels[0] != "self" else ""  # '' = no such single one
        self.many = target.repeats and not target.rest
        self.put = sink(target, slot, shared=True, rank=0, found=())
        # a single reference that stands for itself
        self.key = None if target.repeats or target.choice or target.rest else (target.path, "")

    def write(self, run: Run, resource: Resource, seat_number: int, scope: Scope, position: int, own: Any) -> bool:
        """`own`: what the label `self` means."""
        wrote = False
        for label in self.labels:
            found = [own] if label == "self" else scope.nearest(label)
            if len(found) > 1 and not self.many:
                found = [_last(found, position)]
            for other in found:
                if other is not resource and other.wrote:
                    if self.key is not None and resource.registers.get(self.key) is None:
                        resource.registers[self.key] = run.reference(other, resource)
                        return True
                    wrote = self.put(resource, seat_number, -1, run.reference(other, resource)) or wrote
            if wrote and not self.many:
                break
        return wrote


def _last(found: list[Resource], position: int) -> Resource:
    """The last that begins at or before a position, else the first."""
    chosen = found[0]
    for resource in found:
        if resource.position <= position:
            chosen = resource
    return chosen


def compile_link(kind: str, path: str, labels: tuple[str, ...], kinds: Sequence[str], row: Any, slot: str = "") -> Link:
    """The link of an element of a type to labels; `kinds`: the types behind them."""
    target = resolve(kind, path, row.error)
    check_reference(target, kinds, row)
    return Link(target, slot or labels[0], labels)


def labelled(row: Row, compiler: RowCompiler) -> Step:
    """`{to: diagnosis.condition, link: condition, slot: DG1}`: written when all resources are made."""
    if row.to is None or not isinstance(row.link, (str, list)):
        raise row.error("a row with `link` has `to` and a label")
    labels = (str(row.link),) if isinstance(row.link, str) else tuple(str(label) for label in row.link)
    link = compile_link(compiler.map.target, row.to, labels, (), row, compiler.slot(row))
    compiler.slots.setdefault(row.to, set()).add(compiler.slot(row))

    def later(seat: Seat) -> int:
        return WROTE if link.write(seat.run, seat.resource, seat.number, seat.scope, seat.position, None) else NONE

    from mappings.engine.conditions import compile_when

    when = compile_when(row.when, compiler.scene, row.line)
    compiler.finals.append(later if when is None else lambda seat: later(seat) if when(seat) else NONE)
    return lambda seat: NONE


def emitting(row: Row, compiler: RowCompiler) -> tuple[Step, Emit | None]:
    """`{to: generalPractitioner, emit: Practitioner, from: PD1-4, as: XCN}`: the step, and what the generated code
    does by itself."""
    kind = str(row.emit)
    if kind not in definitions().resources:
        raise row.error(f"{kind} is no resource type of R4")
    if len(row.source) != 1:
        raise row.error("emit has one source")
    shop = compiler.shop
    plan = shop.emitted(row, compiler)
    place, several = None, False
    if row.to is not None:
        place, target = compiler.place(row)
        if isinstance(row.set_, dict) and not target.rest and target.item is not None:
            place = _dressed(place, literals(target.item, row.set_, row.file, row.line))
        check_reference(target, (kind,), row)
        several = target.repeats or any(repeats for _, repeats in target.rest)
    links = tuple(
        compile_link(kind, path, (labels,) if isinstance(labels, str) else tuple(labels), (), row, f"{row.id}:{labels}")
        for path, labels in (row.link or {}).items()
    )
    key = plan.key
    if row.key is not None:
        key = compile_key(row.key, kind, plan.scene, plan.own, plan.datatype, row.file, row.line)
    compiler.inner.append(plan)
    label = row.label
    if label is not None or links:
        compiler.scene.local = False
    if label is not None:
        shop.emit_labels.add(label)
    if plan.own is not None:
        return _segment_emit(plan, key, place, links, label), None
    source = compiler.path(row.source[0], row)
    compiler.covers.append((source, plan.name))
    fetch = fetcher(source, compiler.own)

    # rows that emit the same text by the same plan and key share what is kept
    number = plan.number if row.key is None else shop.number()

    def emit(seat: Seat) -> int:
        status = NONE
        for piece in fetch(seat):
            if piece[3] == '""':
                continue
            resource = kept(seat, plan, key, number, piece)
            if resource is None:
                resource = _inner(_child(seat, piece), seat, plan, key, label)
                if resource is None:
                    continue
            _join(seat, resource, place, piece[2], links, label)
            status = WROTE
            if not several and place is not None:
                break
        return status

    short = None
    if source.owner == compiler.own and not source.component and not source.repetition and not links and not label:
        taken = partial(kept, plan=plan, key=key, number=number)
        short = Emit(source.field, number, taken, place, *_first(row, compiler))
    return emit, short


def _first(row: Row, compiler: RowCompiler) -> tuple[tuple[str, str], Any, tuple[str, str, int] | None]:
    """The register of an emit row, what it holds first, and the object that it makes in a list (`codegen.Plain`)."""
    if row.to is None:
        return ("", ""), None, None
    target = resolve(compiler.map.target, row.to, row.error)
    slot = compiler.slot(row)
    found: Any = ()
    if isinstance(row.set_, dict):
        if not (target.rest and target.repeats):
            return ("", ""), None, None
        home = definitions().steps(compiler.map.target, target.path)[-1].home
        assert home is not None
        found = literals(home, row.set_, row.file, row.line)
        if any(steps[: len(target.rest)] == target.rest for steps, _ in found):
            return ("", ""), None, None
    item = (target.path, slot, -1 if target.rest and row.slot is not None else 0) if target.repeats else None
    return (target.path, slot if target.repeats else ""), first_value(target, found), item


def _dressed(place: Any, found: Any) -> Any:
    """Literals go into the reference itself, which is looked at again at the end."""

    def dressed(resource: Resource, seat: int, repetition: int, value: Any) -> bool:
        apply(value, found)
        return bool(place(resource, seat, repetition, value))

    return dressed


def _segment_emit(plan: Plan, key: Any, place: Any, links: tuple[Link, ...], label: str | None) -> Step:
    def emit(seat: Seat) -> int:
        segment = seat.segment
        if segment.name != plan.own:
            found = seat.scope.find(str(plan.own))
            if not found:
                return NONE
            segment = found[0]
        resource = _inner(Seat(seat.run, seat.resource, segment, seat.scope), seat, plan, key, label)
        if resource is None:
            return NONE
        _join(seat, resource, place, -1, links, label)
        return WROTE

    return emit


def make(seat: Seat, plan: Plan, key: Any, parent: Resource | None, label: str) -> Resource:
    """The resource of a seat's key; the seat is set on it."""
    run = seat.run
    name = key(seat, parent) if key is not None else None
    if name is None:
        run.scoped = True
        place = f"{seat.segment.name}[{seat.segment.number}]-{seat.field}[{seat.repetition}].{seat.shift}"
        name = named(("message", run.sha256, place, plan.name))
    id_ = id_of(run.namespace, plan.kind, name)
    seat.resource = run.resource(plan.kind, id_, seat.position, seat.scope, label)
    return seat.resource


def _child(seat: Seat, piece: Fetched) -> Seat:
    """A seat on a piece of text."""
    run = seat.run
    position, field, repetition, text, level, shift = piece
    child = Seat(run, seat.resource, run.message.segments[position], seat.scope)
    child.piece = Value(text, level, run.codec)
    child.field, child.repetition, child.shift = field, repetition, shift
    return child


def _inner(child: Seat, seat: Seat, plan: Plan, key: Any, label: str | None) -> Resource | None:
    """The inner resource; None if nothing was written in it."""
    parent = seat.resource
    chosen = plan.chosen(child)
    if chosen is None:
        return None
    resource = make(child, chosen, key or chosen.key, parent, label or "")
    if resource is parent:
        return None
    chosen.run(child)
    return resource if resource.wrote else None


def _join(
    seat: Seat, resource: Resource, place: Any, repetition: int, links: tuple[Link, ...], label: str | None
) -> None:
    """Put the reference to an inner resource in place."""
    run, parent = seat.run, seat.resource
    if label:
        seat.scope.name(label, resource)
    parent.wrote = True  # what it emits speaks for it, too
    if place is not None:
        place(parent, seat.number, repetition, run.reference(resource, parent))
    for link in links:
        run.links.append(((link,), resource, run.seats, seat.scope, seat.position, parent))
        run.seats += 1  # a link has a place of its own
