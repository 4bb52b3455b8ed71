"""Residue is arithmetic (mappings.md): the leaves of a message less what was written and what is excused.

Every non-empty leaf is counted exactly once: mapped, kept, excused or residue, in this order of precedence.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from adapters.hl7v2 import Issue, path
from mappings.engine.makers import full_mask
from mappings.engine.runtime import Resource, Run, Trace
from mappings.engine.templates import TEMPLATE, expand

if TYPE_CHECKING:
    from adapters.hl7v2 import Segment
    from mappings.engine.codec import Codec
    from mappings.engine.workshop import Rule

__all__ = ["Account", "account", "source_path"]

Cell: TypeAlias = "list[int]"
"""Masks over the leaves of one repetition: kept, excused, invalid, set aside."""
Spot: TypeAlias = "tuple[int, int, int]"
"""Segment position, field, 0-based repetition."""

Said: TypeAlias = "tuple[bool, tuple[str, str]]"
"""Of a leaf that no rule carried: whether it is excused, and its path with the rule or reason."""
_KNOWN = 8192

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
    known: dict[tuple[object, ...], Said],
) -> Account:
    """Balance the message. `covers`: whether a rule names (segment, field, component); `engine`: its own writes;
    `known`: what was said of leaves before under the same rules, filled here."""
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
    rest = _Rest(run, cells, _excuses(run, excused), covers, reasons, found, known)
    codec = run.codec
    repetition_mark, component_mark, subcomponent_mark = codec.repetition, codec.component, codec.subcomponent
    mapped = 0
    for segment in run.message.segments:
        done = written[segment.position]
        first = 3 if segment.name == "MSH" else 1
        for field, text in enumerate(segment.fields):
            if not text or field < first:
                continue
            if repetition_mark in text:
                for repetition, part in enumerate(text.split(repetition_mark)):
                    if part:
                        carried = done.get((field, repetition) if repetition else field, 0)
                        mapped += rest.repetition(part, carried, segment, field, repetition)
            elif component_mark in text or subcomponent_mark in text:
                carried = done.get(field, 0)
                count = carried.bit_count()
                if count and subcomponent_mark not in text:
                    # what is written has no bits of empty leaves: as many bits as leaves are all of them
                    leaves = text.split(component_mark)
                    if count == len(leaves) - leaves.count(""):
                        mapped += count
                        continue
                mapped += rest.repetition(text, carried, segment, field, 0)
            elif done.get(field, 0) & 1:
                mapped += 1
            elif cells and (segment.position, field, 0) in cells:
                rest.take(1, segment, field, 0, text)
            else:
                rest.leaf(segment, field)
    found.leaves = (mapped, rest.kept, len(found.excused), len(found.residue))
    return found


class _Rest:
    """What no rule carried over whole: kept beside, left out on purpose, or residue; each leaf told by its path."""

    __slots__ = ("cells", "covers", "excuses", "found", "kept", "known", "reasons", "run")

    def __init__(
        self,
        run: Run,
        cells: dict[Spot, Cell],
        excuses: dict[int, list[Mapping[int, Any]]],
        covers: Callable[[str, int, int], bool],
        reasons: dict[tuple[Spot, int], str],
        found: Account,
        known: dict[tuple[object, ...], Said],
    ) -> None:
        self.known = known
        self.run = run
        self.cells = cells
        self.excuses = excuses
        self.covers = covers
        self.reasons = reasons
        self.found = found
        self.kept = 0

    def repetition(self, text: str, carried: int, segment: Segment, field: int, repetition: int) -> int:
        """How many leaves of one repetition were carried over; the others are accounted for."""
        codec = self.run.codec
        if codec.subcomponent not in text:
            # what is written has no bits of empty leaves: as many bits as leaves are all of them
            leaves = text.split(codec.component)
            count = carried.bit_count()
            if count == len(leaves) - leaves.count(""):
                return count
        full = full_mask(text, 0, codec)
        carried &= full
        if carried != full:
            self.take(full & ~carried, segment, field, repetition, text)
        return carried.bit_count()

    def leaf(self, segment: Segment, field: int) -> None:
        """As `take`, of a field that is one leaf of which no rule says anything."""
        excuses = self.excuses.get(segment.position, ())
        # the excuses belong to the rules and live as long as they
        key = (segment.name, segment.number, field, *map(id, excuses))
        said = self.known.get(key)
        if said is None:
            if len(self.known) >= _KNOWN:
                self.known.clear()
            said = self.known[key] = self._leaf(segment, field, excuses)
        excused, leaf = said
        (self.found.excused if excused else self.found.residue).append(leaf)

    def _leaf(self, segment: Segment, field: int, excuses: Sequence[Mapping[int, Any]]) -> Said:
        name = segment.name
        where = path(name, segment.number, field, 1, 1, 1)
        for fields in excuses:
            for which in (field, 0):
                for component, subcomponent, rule in fields.get(which, ()):
                    if component < 2 and subcomponent < 2:
                        return True, (where, rule)
        return False, (where, "no-target" if self.covers(name, field, 1) else "no-rule")

    def take(self, rest: int, segment: Segment, field: int, repetition: int, text: str) -> None:
        """Account for the leaves of one repetition that were not carried over."""
        position, name = segment.position, segment.name
        cell = self.cells.get((position, field, repetition), _NO_CELL)
        keeps = rest & cell[0]
        if keeps:
            self.kept += keeps.bit_count()
            rest &= ~keeps
            if not rest:
                return
        rows: list[tuple[int, int, str]] = []
        for fields in self.excuses.get(position, ()):
            if field in fields:
                rows += fields[field]
            if 0 in fields:
                rows += fields[0]
        found = self.found
        for bit, (component, subcomponent) in enumerate(_places(text, self.run.codec) if rest > 1 else _FIRST):
            if not rest >> bit & 1:
                continue
            where = _path(name, segment.number, field, repetition + 1, component, subcomponent)
            for of_component, of_subcomponent, rule in rows:
                if of_component in (0, component) and of_subcomponent in (0, subcomponent):
                    found.excused.append((where, rule))
                    break
            else:
                if cell[1] >> bit & 1:
                    found.excused.append((where, self.reasons[(position, field, repetition), bit]))
                elif cell[3] >> bit & 1:
                    found.residue.append((where, "set-aside"))
                elif cell[2] >> bit & 1:
                    found.residue.append((where, "invalid"))
                else:
                    covered = self.covers(name, field, component)
                    found.residue.append((where, "no-target" if covered else "no-rule"))


_path = functools.lru_cache(maxsize=8192)(path)  # the same few leaves are left in message after message
_FIRST = ((1, 1),)
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
            if here:
                for name, mask in template.spots.items():
                    here[name] = here.get(name, 0) | mask
            else:
                here.update(template.spots)
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
    component, subcomponent = _places(parts[repetition], run.codec)[bit]
    return path(segment.name, segment.number, field, repetition + 1, component, subcomponent)


def _places(text: str, codec: Codec) -> list[tuple[int, int]]:
    """1-based component and subcomponent of each leaf."""
    parts = enumerate(text.split(codec.component), 1)
    if codec.subcomponent not in text:
        return [(component, 1) for component, _ in parts]
    return [(component, at + 1) for component, part in parts for at in range(part.count(codec.subcomponent) + 1)]


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
