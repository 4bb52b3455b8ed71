"""Residue is arithmetic (mappings.md): the leaves of a message less what was written and what is excused.

Every non-empty leaf is counted exactly once: mapped, kept, excused or residue, in this order of precedence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from adapters.hl7v2 import Issue, path
from mappings.engine.makers import full_mask
from mappings.engine.runtime import Resource, Run, Trace
from mappings.engine.templates import TEMPLATE, expand

if TYPE_CHECKING:
    from adapters.hl7v2 import Segment
    from mappings.engine.workshop import Rule

__all__ = ["Account", "account", "source_path"]

Cell: TypeAlias = "list[int]"
"""Masks over the leaves of one repetition: kept, excused, invalid, set aside."""
Spot: TypeAlias = "tuple[int, int, int]"
"""Segment position, field, 0-based repetition."""

_KINDS: Mapping[str, tuple[str, str]] = {
    "invalid": ("error", "value"),
    "partly": ("warning", "incomplete"),
    "lost": ("error", "code-invalid"),
    "removed": ("information", "informational"),
}


class Account:
    """The outcome: counts, residue, excused, issues."""

    __slots__ = ("excused", "issues", "leaves", "residue")

    def __init__(self) -> None:
        self.leaves = (0, 0, 0, 0)
        self.residue: list[tuple[str, str]] = []
        self.excused: list[tuple[str, str]] = []
        self.issues: list[Issue] = []


def account(
    run: Run,
    rules: list[Rule],
    excused: Mapping[str, Any],
    covers: Callable[[str, int, int], bool],
    engine: tuple[Spot, ...],
) -> Account:
    """Balance the message. `covers`: whether a rule names (segment, field, component); `engine`: its own writes."""
    cells: dict[Spot, Cell] = {}
    written: list[dict[Any, int]] = [{} for _ in run.message.segments]  # by position: field, or (field, repetition)
    notes: list[tuple[Spot, int, str, str, Resource, int]] = []
    for resource in run.resources:
        if resource.trace:
            _collect(resource, written, cells, notes)
    for position, field, _ in engine:
        written[position][field] = written[position].get(field, 0) | 1
    found = Account()
    reasons: dict[tuple[Spot, int], str] = {}
    if notes:
        _tell(run, rules, written, cells, notes, found, reasons)
    excuses = _excuses(run, excused)
    mapped = kept = left_out = 0
    codec = run.codec
    repetition_mark, component_mark, subcomponent_mark = codec.repetition, codec.component, codec.subcomponent
    twice = component_mark * 2
    for segment in run.message.segments:
        position = segment.position
        done_here = written[position]
        excuse = excuses.get(position)
        number = -1
        for text in segment.fields:
            number += 1
            if not text or number == 0 or (number < 3 and segment.name == "MSH"):
                continue
            if repetition_mark in text:
                parts: Iterable[tuple[int, str]] = enumerate(text.split(repetition_mark))
            else:
                parts = ((0, text),)
            for repetition, part in parts:
                if not part:
                    continue
                if subcomponent_mark in part:
                    full = full_mask(part, 0, codec)
                elif component_mark in part:
                    if twice in part or part[0] == component_mark or part[-1] == component_mark:
                        full = full_mask(part, 0, codec)
                    else:
                        full = (2 << part.count(component_mark)) - 1
                else:
                    full = 1
                done = done_here.get((number, repetition) if repetition else number, 0)
                if done:
                    done &= full
                    mapped += done.bit_count()
                    if done == full:
                        continue
                rest = full & ~done
                cell = cells.get((position, number, repetition))
                if cell is None:
                    cell = _NO_CELL
                elif keeps := rest & cell[0]:
                    kept += keeps.bit_count()
                    rest &= ~keeps
                    if not rest:
                        continue
                left = _left_out(rest, cell, excuse, segment, number, repetition, part, run, reasons, found)
                left_out += left.bit_count()
                rest &= ~left
                if rest:
                    _residue(rest, cell, segment, number, repetition, part, run, covers, found)
    found.leaves = (mapped, kept, left_out, len(found.residue))
    return found


_NO_CELL: Cell = [0, 0, 0, 0]


def _collect(resource: Resource, written: list[dict[Any, int]], cells: dict[Spot, Cell], notes: list[Any]) -> None:
    """Add up a resource's writes. Most say only `mapped`; the rest goes to cells."""
    stands = not resource.aside
    if not stands:
        expand(resource)
    traces: Iterable[Trace] = resource.trace
    for rule, position, field, repetition, shift, marks in traces:
        if rule == TEMPLATE:
            template: Any = marks
            here = written[position]
            for name, mask in template.spots:
                here[name] = here.get(name, 0) | mask
            for trace in template.others:
                _one(trace, position, resource, written, cells, notes)
            continue
        mapped, kept, excused, invalid, said = marks
        if mapped and stands:
            here = written[position]
            name = (field, repetition) if repetition else field
            here[name] = here.get(name, 0) | mapped << shift
            if not (kept or excused or invalid or said):
                continue
        spot = (position, field, repetition)
        if said:
            notes.extend([(spot, shift + bit, kind, text, resource, rule) for kind, bit, text in said])
        cell = cells.get(spot)
        if cell is None:
            cell = cells[spot] = [0, 0, 0, 0]
        if stands:
            cell[0] |= kept << shift
        else:
            cell[3] |= (mapped | kept) << shift
        cell[1] |= excused << shift
        cell[2] |= invalid << shift


def _one(
    trace: Trace, position: int, resource: Resource, written: list[dict[Any, int]], cells: dict[Spot, Cell], notes: Any
) -> None:
    """A trace of a template that says more than `mapped`; the resource stands."""
    rule, _, field, repetition, shift, (mapped, kept, excused, invalid, said) = trace
    name = (field, repetition) if repetition else field
    written[position][name] = written[position].get(name, 0) | mapped << shift
    spot = (position, field, repetition)
    notes.extend([(spot, shift + bit, kind, text, resource, rule) for kind, bit, text in said])
    cell = cells.setdefault(spot, [0, 0, 0, 0])
    cell[0] |= kept << shift
    cell[1] |= excused << shift
    cell[2] |= invalid << shift


def _tell(
    run: Run,
    rules: list[Rule],
    written: list[dict[Any, int]],
    cells: dict[Spot, Cell],
    notes: list[Any],
    found: Account,
    reasons: dict[Any, str],
) -> None:
    """Issues of what was noted; a note of a leaf that another rule carried says nothing."""
    known: set[tuple[Any, ...]] = set()
    for spot, bit, kind, text, resource, rule in notes:
        if kind == "excused":
            reasons.setdefault((spot, bit), text)
            continue
        if kind == "rule":
            continue
        position, field, repetition = spot
        done = written[position].get((field, repetition) if repetition else field, 0)
        carried = (done | cells[spot][0]) >> bit & 1
        if carried and kind in ("invalid", "lost"):
            continue
        severity, code = _KINDS[kind]
        segment = run.message.segments[spot[0]]
        where = source_path(segment, spot[1], spot[2], bit, run)
        to = rules[rule].target if rule >= 0 else ""
        expression = f"{resource.kind}.{to}" if to else resource.kind
        if (where, text) in known:
            continue
        known.add((where, text))
        found.issues.append(Issue(severity, code, where, expression, text))


def source_path(segment: Segment, field: int, repetition: int, bit: int, run: Run) -> str:
    if not bit:
        return path(segment.name, segment.number, field, repetition + 1, 1, 1)
    parts = segment.fields[field].split(run.codec.repetition)
    component, subcomponent = _place(parts[repetition], bit, run)
    return path(segment.name, segment.number, field, repetition + 1, component, subcomponent)


def _place(text: str, bit: int, run: Run) -> tuple[int, int]:
    """1-based component and subcomponent of a leaf's bit."""
    codec = run.codec
    if codec.subcomponent not in text:
        return bit + 1, 1
    at = 0
    for index, part in enumerate(text.split(codec.component)):
        count = part.count(codec.subcomponent) + 1
        if bit < at + count:
            return index + 1, bit - at + 1
        at += count
    return 1, 1


def _excuses(run: Run, excused: Mapping[str, Any]) -> dict[int, list[Mapping[int, Any]]]:
    """Position of a segment -> what is left out on purpose, by field; field 0 = the whole segment."""
    found: dict[int, list[Mapping[int, Any]]] = {}
    for fields, segment in run.excuses:
        found.setdefault(segment.position, []).append(fields)
    if excused:
        for segment in run.message.segments:
            whole = excused.get(segment.name)
            if whole:
                found.setdefault(segment.position, []).append(whole)
    return found


def _left_out(
    rest: int,
    cell: Cell,
    excuse: Any,
    segment: Segment,
    field: int,
    repetition: int,
    text: str,
    run: Run,
    reasons: dict[Any, str],
    found: Account,
) -> int:
    """The leaves that a map leaves out on purpose; each with its row."""
    left = 0
    spot = (segment.position, field, repetition)
    if excuse is not None:
        for fields in excuse:
            for component, subcomponent, where in (*fields.get(field, ()), *fields.get(0, ())):
                mask = rest & ~left & _mask(text, component, subcomponent, run)
                left |= mask
                while mask:
                    bit = (mask & -mask).bit_length() - 1
                    reasons[spot, bit] = where
                    mask &= mask - 1
    left |= rest & cell[1]
    mask = left
    while mask:
        bit = (mask & -mask).bit_length() - 1
        found.excused.append((source_path(segment, field, repetition, bit, run), reasons[spot, bit]))
        mask &= mask - 1
    return left


def _mask(text: str, component: int, subcomponent: int, run: Run) -> int:
    """The bits of a component or subcomponent, all without."""
    if not component:
        return -1
    codec = run.codec
    at = 0
    for index, part in enumerate(text.split(codec.component), 1):
        count = part.count(codec.subcomponent) + 1
        if index == component:
            if not subcomponent:
                return ((1 << count) - 1) << at
            return 1 << (at + subcomponent - 1) if subcomponent <= count else 0
        at += count
    return 0


def _residue(
    rest: int,
    cell: Cell,
    segment: Segment,
    field: int,
    repetition: int,
    text: str,
    run: Run,
    covers: Callable[[str, int, int], bool],
    found: Account,
) -> None:
    while rest:
        bit = (rest & -rest).bit_length() - 1
        component, subcomponent = _place(text, bit, run)
        if cell[3] >> bit & 1:
            reason = "set-aside"
        elif cell[2] >> bit & 1:
            reason = "invalid"
        else:
            reason = "no-target" if covers(segment.name, field, component) else "no-rule"
        where = path(segment.name, segment.number, field, repetition + 1, component, subcomponent)
        found.residue.append((where, reason))
        rest &= rest - 1
