"""The body of a compiled map as Python source: fields into local variables, guards inline, one call per row that runs.

Closures alone spend most of their time on finding that nothing is to be done. The generated function does that with
local variables and calls only the steps whose source is there. It holds no data, only the order and the guards of
the rows; all objects come in as globals under generated names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mappings.engine.conditions import Condition, Raw, first_leaf

__all__ = ["FELL", "NONE", "WROTE", "Block", "Call", "First", "Op", "Switch", "Together", "asker", "generate"]

WROTE, NONE, FELL = 1, 0, -1
Block: TypeAlias = Callable[[Any], int]
"""A generated function of a place: FELL if a value was invalid, else WROTE if one was written, else NONE."""


@dataclass(frozen=True, slots=True)
class Call:
    """A row: `step(at)`, or `step(at, text)` with the field at `index`, which must be there (-1: none)."""

    step: Callable[..., int]
    index: int = -1
    text: bool = False
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class First:
    """The first that writes."""

    ops: tuple[Op, ...]
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """Cases by the first leaf of a text."""

    raw: Raw
    cases: tuple[tuple[tuple[str, ...], tuple[Op, ...]], ...]
    otherwise: tuple[Op, ...]
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Together:
    """Ops that fall together: `guard(at, body, fallback)` runs them and takes them back."""

    ops: tuple[Op, ...]
    fallback: tuple[Op, ...]
    guard: Callable[[Any, Block, Block], int]
    when: Condition | None = None


Op: TypeAlias = Call | First | Switch | Together


class _Writer:
    """One generated function."""

    def __init__(self, fields: str) -> None:
        self.fields = fields
        self.used: set[int] = set()
        self.names: dict[int, str] = {}
        self.space: dict[str, Any] = {}
        self.lines: list[str] = []

    def field(self, index: int) -> str:
        self.used.add(index)
        return f"f{index}"

    def constant(self, value: Any) -> str:
        name = self.names.get(id(value))
        if name is None:
            name = self.names[id(value)] = f"k{len(self.names)}"
            self.space[name] = value
        return name

    def guard(self, op: Op) -> str:
        """The condition under which an op runs, '' for always."""
        parts = []
        if isinstance(op, Call) and op.index >= 0:
            parts.append(self.field(op.index))
        if op.when is not None:
            parts.append(op.when.text(self))
        return " and ".join(parts)

    def expression(self, op: Op) -> str:
        """The call that runs an op."""
        if isinstance(op, Call):
            call = self.constant(op.step)
            return f"{call}(at, {self.field(op.index)})" if op.text else f"{call}(at)"
        if isinstance(op, First):
            return f"{self.constant(_first(op.ops, self.fields))}(at)"
        if isinstance(op, Together):
            body, fallback = generate(op.ops, self.fields), generate(op.fallback, self.fields)
            return f"{self.constant(op.guard)}(at, {self.constant(body)}, {self.constant(fallback)})"
        blocks = {}
        for codes, ops in op.cases:
            block = generate(ops, self.fields)
            blocks.update(dict.fromkeys(codes, block))
        otherwise = generate(op.otherwise, self.fields)
        key = f"{self.constant(first_leaf)}({op.raw.text(self)}, codec)"
        return f"{self.constant(blocks)}.get({key}, {self.constant(otherwise)})(at)"

    def build(self) -> Block:
        lines = ["def block(at):", f" fields = {self.fields}", " n = len(fields)", " codec = at.codec"]
        lines += [f" f{index} = fields[{index}] if n > {index} else ''" for index in sorted(self.used)]
        lines += self.lines
        exec(compile("\n".join(lines), "<map>", "exec"), self.space)  # our own text, made of numbers and names only
        return self.space["block"]  # type: ignore[no-any-return]


def generate(ops: Sequence[Op], fields: str) -> Block:
    """All ops, one after another. `fields`: the expression of the place's list of fields or parts."""
    writer = _Writer(fields)
    lines = writer.lines
    lines += [" low = 0", " high = 0"]
    for op in ops:
        guard, expression = writer.guard(op), writer.expression(op)
        indent = " "
        if guard:
            lines.append(f" if {guard}:")
            indent = "  "
        lines += [
            f"{indent}r = {expression}",
            f"{indent}if r < 0: low = -1",
            f"{indent}elif r: high = 1",
        ]
    lines.append(" return low or high")
    return writer.build()


def _first(ops: Sequence[Op], fields: str) -> Block:
    writer = _Writer(fields)
    lines = writer.lines
    lines.append(" low = 0")
    for op in ops:
        guard, expression = writer.guard(op), writer.expression(op)
        indent = " "
        if guard:
            lines.append(f" if {guard}:")
            indent = "  "
        lines += [f"{indent}r = {expression}", f"{indent}if r > 0: return 1", f"{indent}if r: low = -1"]
    lines.append(" return low")
    return writer.build()


def asker(condition: Condition, fields: str) -> Callable[[Any], Any]:
    """A condition alone, with its fields in local variables."""
    writer = _Writer(fields)
    writer.lines.append(f" return {condition.text(writer)}")
    return writer.build()
