"""Lineage told: element <- source path <- rule, decoded from the traces of a run (mappings.md, "Lineage is static")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mappings.engine.residue import source_path
from mappings.engine.runtime import Resource, Run

if TYPE_CHECKING:
    from mappings.engine.workshop import Rule

__all__ = ["explain"]


def explain(run: Run, resources: list[Resource], rules: list[Rule]) -> list[str]:
    """One line per write, in Bundle order; parts of a data type name their own row and, in brackets, the row above."""
    lines = []
    for resource in resources:
        name = f"{resource.kind}/{resource.id}"
        for number, position, field, repetition, shift, marks in resource.trace:
            mapped, kept, _, _, notes = marks
            if number < 0 or not (mapped or kept):
                continue
            rule = rules[number]
            segment = run.message.segments[position]
            inner = [note for note in notes if note[0] == "rule"]
            if not inner:
                bit = ((mapped | kept) & -(mapped | kept)).bit_length() - 1 + shift
                where = source_path(segment, field, repetition, bit, run)
                lines.append(f"{name} {_slotted(rule)} <- {where} <- {rule.place}")
            for _, bit, text in inner:
                part = rules[int(text)]
                where = source_path(segment, field, repetition, bit + shift, run)
                lines.append(f"{name} {_slotted(rule)}.{part.target} <- {where} <- {part.place} ({rule.place})")
    return lines


def _slotted(rule: Rule) -> str:
    slot = rule.register[1]
    return f"{rule.target}[{slot}]" if slot else rule.target
