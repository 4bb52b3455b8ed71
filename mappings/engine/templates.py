"""Templates: what the coded fields of a segment say is worked out once per combination, not in every message.

The rows of a segment map that read only coded fields of their own segment (and the trigger event), and write to
registers that no other row of the map writes to, are run once; their registers and marks are kept under the texts of
these fields. Texts, names, addresses, identifiers, numbers and times are never kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from adapters.hl7v2 import dictionary
from mappings.engine.codegen import generate
from mappings.engine.ops import Block, Call, First, Op, Switch
from mappings.engine.runtime import Register, Resource, Seat, Trace

if TYPE_CHECKING:
    from mappings.engine.plans import Plan

__all__ = ["TEMPLATE", "Template", "Templates", "expand", "split"]

TEMPLATE = -2
"""Stands for the rule in a trace whose marks are a template."""

_VERSION = "2.5.1"
_CODED = frozenset({"ID", "IS", "CE", "CWE", "CNE", "CF", "HD", "MSG", "PT", "VID"})
_ALSO = frozenset({("OBX", 7)})  # reference ranges: text, but the same for every result of a test
_LEAST = 3  # rows that make a template worth its look-up
_STORE = 2048
_TEXT = 512
_TRIAL, _USED, _PAUSE = 256, 16, 8192
"""Of so many new templates so many must have been used again; else so many unknown combinations aren't kept: here
the sender writes what is no code (a name in a coded field)."""


class Template:
    """What the coded rows wrote. `mapped`, `kept`: masks by place (field, or field and repetition); `others`: traces
    that say more; `traces`: all of them, relative to the segment."""

    __slots__ = ("kept", "mapped", "others", "ranks", "registers", "traces", "used", "wrote")

    def __init__(self, registers: dict[Register, Any], ranks: dict[Register, int], traces: Sequence[Trace]) -> None:
        self.registers = registers
        self.ranks = ranks
        self.traces = tuple(traces)
        self.wrote = any(marks[0] or marks[1] for *_, marks in traces)
        self.used = False
        self.mapped: dict[Any, int] = {}
        self.kept: dict[Any, int] = {}
        others: list[Trace] = []
        for trace in traces:
            _, _, field, repetition, shift, (mapped, kept, excused, invalid, said) = trace
            if excused or invalid or said:
                others.append(trace)
                continue
            place = (field, repetition) if repetition else field
            for masks, mask in ((self.mapped, mapped), (self.kept, kept)):
                if mask:
                    masks[place] = masks.get(place, 0) | mask << shift
        self.others = tuple(others)


class Templates:
    """The coded rows of one plan. `fields`: what they read."""

    __slots__ = ("block", "fields", "number", "padding", "pause", "texts", "trial", "writes")

    def __init__(self, block: Block, fields: tuple[int, ...], number: int, writes: frozenset[Register]) -> None:
        self.writes = writes
        self.block = block
        self.fields = fields
        self.texts = itemgetter(*fields)
        self.padding = [""] * (fields[-1] + 1)
        self.number = number
        self.trial: list[Template] = []
        self.pause = 0

    def run(self, seat: Seat) -> None:
        """Put the template of this segment into the resource; make it first if it isn't known."""
        resource = seat.resource
        codec = seat.codec
        fields = seat.fields
        if len(fields) < len(self.padding):
            fields = fields + self.padding
        name = (seat.run.event, self.texts(fields))
        memo: dict[Any, Any] = codec.memo[self.number]
        template = memo.get(name)
        if template is None:
            self._long(seat, memo, name)
            return
        registers = resource.registers
        if resource.undo is not None or (registers and not registers.keys().isdisjoint(template.registers)):
            self.block(seat)
            return
        template.used = True
        registers.update(template.registers)
        if template.ranks:
            resource.ranks.update(template.ranks)
        if template.traces:
            resource.trace.append((TEMPLATE, seat.position, 0, 0, 0, template))
            resource.wrote = resource.wrote or template.wrote

    def _long(self, seat: Seat, memo: dict[Any, Any], name: tuple[str, Any]) -> None:
        resource = seat.resource
        registers = resource.registers
        if self.pause:
            self.pause -= 1
            self.block(seat)
            return
        if seat.codec.trace or resource.undo is not None or not self.writes.isdisjoint(registers):
            # what stands there already (another map of the same resource) hides what these rows say by themselves
            self.block(seat)
            return
        before = dict(registers)
        ranks = dict(resource.ranks)
        start = len(resource.trace)
        self.block(seat)
        if any(registers[key] is not before[key] for key in before):
            return
        new = {key: value for key, value in registers.items() if key not in before}
        if sum(len(seat.fields[field]) for field in self.fields if field < len(seat.fields)) > _TEXT:
            return
        if len(memo) >= _STORE:
            memo.clear()
        ranked = {key: rank for key, rank in resource.ranks.items() if key not in ranks}
        memo[name] = template = Template(new, ranked, resource.trace[start:])
        self.trial.append(template)
        if len(self.trial) == _TRIAL:
            if sum(each.used for each in self.trial) < _USED:
                self.pause = _PAUSE
            self.trial.clear()


def expand(resource: Resource) -> None:
    """Each template in the traces replaced by the traces that it stands for."""
    found: list[Trace] = []
    for trace in resource.trace:
        if trace[0] != TEMPLATE:
            found.append(trace)
            continue
        template: Any = trace[5]
        found.extend([(rule, trace[1], *rest) for rule, _, *rest in template.traces])
    resource.trace = found


def split(
    ops: tuple[Op, ...], plan: Plan, kept_open: frozenset[str], number: int
) -> tuple[Templates | None, tuple[Op, ...]]:
    """The coded rows as templates, and the rest. `kept_open`: paths whose objects are filled at the end."""
    if plan.own is None:
        return None, ops
    coded = [_coded(op, plan.own) for op in ops]
    while True:
        # a register that an uncoded row writes to is decided by the order of all its rows
        taken = {key for op, fit in zip(ops, coded, strict=True) if not fit for key in _writes(op) or ()}
        known = all(_writes(op) is not None for op, fit in zip(ops, coded, strict=True) if not fit)
        again = [
            fit and known and not any(key in taken or key[0] in kept_open for key in _writes(op) or ())
            for op, fit in zip(ops, coded, strict=True)
        ]
        if again == coded:
            break
        coded = again
    chosen = tuple(op for op, fit in zip(ops, coded, strict=True) if fit)
    fields = sorted({field for op in chosen for field in _reads(op) or ()})
    if len(chosen) < _LEAST or not fields:
        return None, ops
    writes: frozenset[Register] = frozenset().union(*(_writes(op) or () for op in chosen))
    templates = Templates(generate(chosen, "at.fields", status=False), tuple(fields), number, writes)
    return templates, tuple(op for op, fit in zip(ops, coded, strict=True) if not fit)


def _coded(op: Op, segment: str) -> bool:
    reads = _reads(op)
    if reads is None or _writes(op) is None:
        return False
    return all(
        (segment, field) in _ALSO or dictionary.field_type(_VERSION, segment, field) in _CODED for field in reads
    )


def _inner(op: Op) -> tuple[Op, ...]:
    if isinstance(op, First):
        return op.ops
    if isinstance(op, Switch):
        return (*op.otherwise, *(each for _, ops in op.cases for each in ops))
    return () if isinstance(op, Call) else (*op.ops, *op.fallback)


def _reads(op: Op) -> frozenset[int] | None:
    """The fields of its own segment that an op reads; None if it reads anything else."""
    parts: list[frozenset[int] | None] = [frozenset() if op.when is None else op.when.reads]
    if isinstance(op, Call):
        parts.append(op.reads)
    if isinstance(op, Switch):
        parts.append(frozenset({op.raw.field}) if op.raw.field >= 0 else None)
    parts.extend(map(_reads, _inner(op)))
    found: frozenset[int] = frozenset()
    for part in parts:
        if part is None:
            return None
        found |= part
    return found


def _writes(op: Op) -> frozenset[Register] | None:
    """The registers that an op may write to; None if that isn't known."""
    parts = [op.writes] if isinstance(op, Call) else [_writes(each) for each in _inner(op)]
    found: frozenset[Register] = frozenset()
    for part in parts:
        if part is None:
            return None
        found |= part
    return found
