"""Emitted resources kept by their text: the same doctor, ward or laboratory is taken apart once, not in every message.

Only for plans whose outcome depends on nothing but the text, the event, the authority and the settings (`Plan.pure`),
and only for types that hold no patient. The store is bounded and lives in the codec, in this process only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mappings.engine.codec import NOTHING, Marks
from mappings.engine.datatypes import Value
from mappings.engine.requirements import incomplete, lacking, requirements
from mappings.engine.runtime import NOWHERE, Resource, Run, Scope, Seat
from mappings.values import Change

if TYPE_CHECKING:
    from mappings.engine.fetching import Fetched
    from mappings.engine.keys import Key
    from mappings.engine.plans import Plan

__all__ = ["kept"]

_STORE = 4096
_TEXT = 512

Trace = tuple[int, int, Marks]
"""Rule, bit of the first leaf, marks: relative to the text; the traces of all its resources in one."""


class Copy:
    """A resource as its text makes it. `referring`: registers that hold references; `change`: what it comes to if
    the message says nothing else of it, with its bytes, made when first asked for."""

    __slots__ = ("change", "id", "kind", "name", "referring", "registers")

    def __init__(self, resource: Resource, holds: bool) -> None:
        self.kind = resource.kind
        self.id = resource.id
        self.name = (resource.kind, resource.id)
        self.registers = resource.registers
        self.referring = tuple(name for name, value in self.registers.items() if holds and _refers(value))
        self.change: Change | None = None

    def made(self) -> Change:
        """The change, the same object in every message."""
        if self.change is None:
            self.change = Change.of(self.kind, self.id, None, self.registers, {}).with_bytes()
        return self.change


def kept(seat: Seat, plan: Plan, key: Key | None, number: int, piece: Fetched) -> Resource | None:
    """The resource that a seat emits from a piece of text, made from the store; None if it must be made the long way.

    `number` stands for plan and key.
    """
    run = seat.run
    position, field, repetition, text, level, shift = piece
    short = (number, text, level)
    again = run.emitted.get(short)
    if again is not None:
        # this message has said it already: only where it says it again is new
        first, rule, bit, marks = again
        first.trace.append((rule, position, field, repetition, shift + bit, marks))
        return first
    codec = run.codec
    store = codec.emitted
    name = (*short, run.event, run.source_authority)
    made = store.get(name)
    if made is None:
        if not plan.pure or len(text) > _TEXT or codec.trace:
            return None
        made = _made(seat, plan, key, piece)
        if len(store) >= _STORE:
            store.clear()
        store[name] = made
    copies, trace = made
    resource = _taken(copies, run, seat.scope, position)
    if resource is None:
        return None
    rule, bit, marks = trace
    run.emitted[short] = resource, rule, bit, marks
    resource.trace.append((rule, position, field, repetition, shift + bit, marks))
    return resource


_NOTHING_MADE: tuple[tuple[Copy, ...], Trace] = ((), (-1, 0, NOTHING))


def _made(seat: Seat, plan: Plan, key: Key | None, piece: Fetched) -> tuple[tuple[Copy, ...], Trace]:
    """What the plan makes of the text alone; nothing if its ids depend on the message."""
    from mappings.engine.emits import make

    run = seat.run
    alone = Run(run.message, run.settings, run.codec, run.options, run.source_authority)
    alone.root = Scope(NOWHERE.site, None, [])
    child = Seat(alone, seat.resource, run.message.segments[piece[0]], alone.root)
    child.piece = Value(piece[3], piece[4], run.codec)
    chosen = plan.chosen(child)
    if chosen is None:
        return _NOTHING_MADE
    make(child, chosen, key or chosen.key, None, "")
    chosen.run(child)
    if alone.scoped or not alone.resources[0].wrote:
        return _NOTHING_MADE
    for each in alone.resources:
        # what may not stand, or not as it is, is looked at in every message
        ends = any(path.endswith(".end") for path, _ in each.registers)
        if ends or lacking(each, requirements(each)) or incomplete(each):
            return _NOTHING_MADE
    held = {id(holder) for _, _, holder in alone.references}
    standing = [each for each in alone.resources if each.wrote]
    copies = tuple(Copy(each, id(each) in held) for each in standing)
    return copies, _joined([trace for each in standing for trace in each.trace])


def _joined(traces: list[Any]) -> Trace:
    """Traces as one; explain doesn't come this way and sees each."""
    mapped = kept_ = excused = invalid = 0
    notes: list[tuple[str, int, str]] = []
    for _, _, _, _, shift, marks in traces:
        mapped |= marks[0] << shift
        kept_ |= marks[1] << shift
        excused |= marks[2] << shift
        invalid |= marks[3] << shift
        notes.extend([(kind, bit + shift, text) for kind, bit, text in marks[4]])
    rule = next((trace[0] for trace in traces if trace[0] >= 0), -1)
    return rule, 0, (mapped, kept_, excused, invalid, tuple(notes))


def _refers(value: Any) -> bool:
    if isinstance(value, dict):
        return "reference" in value or any(map(_refers, value.values()))
    return isinstance(value, list) and any(map(_refers, value))


def _taken(copies: tuple[Copy, ...], run: Run, scope: Scope, position: int) -> Resource | None:
    """The first of the copies' resources in this message; None if it has said something else of one of them."""
    by_key, resources = run.by_key, run.resources
    for copy in copies:
        found = by_key.get(copy.name)
        if found is not None and found.registers != copy.registers:
            return None
    first: Resource | None = None
    fresh: list[tuple[Resource, tuple[Any, ...]]] = []
    for copy in copies:
        found = by_key.get(copy.name)
        if found is None:
            found = by_key[copy.name] = Resource(copy.kind, copy.id, len(resources), position, scope, "")
            resources.append(found)
            found.registers = dict(copy.registers)
            found.copy = copy
            if copy.referring:
                fresh.append((found, copy.referring))
        found.wrote = True
        first = first or found
    for holder, names in fresh:
        for name in names:
            holder.registers[name] = _own(holder.registers[name], holder, run)
    return first


def _own(value: Any, holder: Resource, run: Run) -> Any:
    """A copy whose references are this message's own: they are looked at again at the end."""
    if isinstance(value, list):
        return [_own(item, holder, run) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name: _own(item, holder, run) for name, item in value.items()}
    if "reference" in made:
        kind, _, id_ = made["reference"].partition("/")
        run.references.append((made, run.by_key[kind, id_], holder))
    return made
