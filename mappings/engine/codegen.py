"""The body of a compiled map as Python source: fields into local variables, guards inline, one call per row that runs.

Closures alone spend most of their time on finding that nothing is to be done. The generated function does that with
local variables and calls only the steps whose source is there. It holds no data, only the order and the guards of
the rows; all objects come in as globals under generated names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from mappings.engine.codec import NOTHING
from mappings.engine.conditions import Condition, Raw, first_leaf

if TYPE_CHECKING:
    from mappings.engine.shortcuts import Write

__all__ = [
    "FELL",
    "NONE",
    "WROTE",
    "Block",
    "Call",
    "First",
    "Op",
    "Plain",
    "Switch",
    "Together",
    "asker",
    "generate",
]

WROTE, NONE, FELL = 1, 0, -1
Block: TypeAlias = Callable[[Any], int]
"""A generated function of a place: FELL if a value was invalid, else WROTE if one was written, else NONE."""


_NUMBERS = count(1)  # generated functions are told apart in profiles and tracebacks


@dataclass(frozen=True, slots=True)
class Plain:
    """What a row of a whole field does in the plain case, written out in the generated body.

    `shape`: how the value stands in its register if it is the first there: 'scalar', 'list', a choice element's name
    (`valueString`), or '' if only `place` can tell.
    """

    convert: Callable[..., tuple[Any, Any]]
    memo: int
    place: Callable[..., bool]
    rule: int
    register: tuple[str, str]
    shape: str


@dataclass(frozen=True, slots=True)
class Call:
    """A row: `step(at)`, run if the field at `index` is there (-1: always).

    With `plain` the generated code does the plain case itself and calls the step for the rest. `short`: what the row
    of a data type map does in the usual case.
    """

    step: Callable[..., int]
    index: int = -1
    when: Condition | None = None
    plain: Plain | None = None
    short: Write | None = None
    reads: frozenset[int] | None = None  # own fields of the segment; None if anything else matters
    writes: frozenset[tuple[str, str]] | None = None  # registers; None if not known


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

    simple = False

    def __init__(self, fields: str) -> None:
        self.fields = fields
        self.used: set[int] = set()
        self.names: dict[int, str] = {}
        self.space: dict[str, Any] = {}
        self.lines: list[str] = []
        self.writes = False

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
            return f"{self.constant(op.step)}(at)"
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

    def run(self, op: Op, indent: str) -> list[str]:
        """The lines that run an op and leave its status in r."""
        plain = op.plain if isinstance(op, Call) else None
        if plain is None:
            return [f"{indent}r = {self.expression(op)}"]
        assert isinstance(op, Call)
        self.writes = True
        text, step, nothing = self.field(op.index), self.constant(op.step), self.constant(NOTHING)
        convert = f"{self.constant(plain.convert)}({text}, 0, codec)"
        if plain.memo:
            convert = f"codec.memo[{plain.memo}].get({text}) or {convert}"
        place = f"{self.constant(plain.place)}(resource, at.number, 0, v)"
        lines = [
            f"if codec.repetition in {text} or {text} == '\"\"':",
            f" r = {step}(at)",
            "else:",
            f" v, m = {convert}",
            " if v is None or m[4]:",
            f"  r = 0 if v is None and m is {nothing} else {step}(at)",
        ]
        if plain.shape:
            key = self.constant(plain.register)
            value = {"scalar": "v", "list": "[v]"}.get(plain.shape, f"{{{plain.shape!r}: v}}")
            lines += [
                f" elif free and {key} not in registers:",
                f"  registers[{key}] = {value}",
                *self.own(plain),
                f"  trace(({plain.rule}, at.position, {op.index}, 0, 0, m))",
                "  resource.wrote = True",
                "  r = 1",
            ]
        lines += [
            f" elif {place}:",
            f"  trace(({plain.rule}, at.position, {op.index}, 0, 0, m))",
            "  resource.wrote = True",
            "  r = 1",
            " else:",
            "  r = 0",
        ]
        return [indent + line for line in lines]

    def own(self, plain: Plain) -> list[str]:
        """The line that says which segment made an object of a list: later rows of it may join that one only."""
        if plain.shape != "list":
            return []
        path, slot = plain.register
        return [f"  resource.items[({path!r}, {slot!r}, at.number, 0)] = v"]

    def build(self) -> Block:
        lines = ["def block(at):", f" fields = {self.fields}", " n = len(fields)", " codec = at.codec"]
        if self.writes:
            lines += [
                " resource = at.resource",
                " registers = resource.registers",
                " trace = resource.trace.append",
                " free = resource.undo is None",
            ]
        lines += [f" f{index} = fields[{index}] if n > {index} else ''" for index in sorted(self.used)]
        lines += self.lines
        exec(
            compile("\n".join(lines), f"<map {next(_NUMBERS)}>", "exec"), self.space
        )  # our own text, made of numbers and names only
        return self.space["block"]  # type: ignore[no-any-return]


def generate(ops: Sequence[Op], fields: str) -> Block:
    """All ops, one after another. `fields`: the expression of the place's list of fields or parts."""
    writer = _Writer(fields)
    lines = writer.lines
    lines += [" low = 0", " high = 0"]
    for op in ops:
        guard = writer.guard(op)
        indent = " "
        if guard:
            lines.append(f" if {guard}:")
            indent = "  "
        lines += [
            *writer.run(op, indent),
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
        guard = writer.guard(op)
        indent = " "
        if guard:
            lines.append(f" if {guard}:")
            indent = "  "
        lines += [*writer.run(op, indent), f"{indent}if r > 0: return 1", f"{indent}if r: low = -1"]
    lines.append(" return low")
    return writer.build()


def asker(condition: Condition, fields: str) -> Callable[[Any], Any]:
    """A condition alone, with its fields in local variables."""
    writer = _Writer(fields)
    writer.lines.append(f" return {condition.text(writer)}")
    return writer.build()
