"""What a map's rows come to: the operations that generated code runs, in the order of the map.

A row keeps its step, which does every case, and says beside it what it does in the plain case (`codegen`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mappings.engine.conditions import Condition, Raw
from mappings.engine.makers import Maker
from mappings.engine.targets import Literal, Target, apply, fill

if TYPE_CHECKING:
    from mappings.engine.shortcuts import Write

__all__ = [
    "FELL",
    "NONE",
    "VALUE",
    "WROTE",
    "Block",
    "Call",
    "Emit",
    "First",
    "Op",
    "Plain",
    "Switch",
    "Together",
    "first_value",
]

WROTE, NONE, FELL = 1, 0, -1
Block: TypeAlias = Callable[[Any], int]
"""A generated function of a place: FELL if a value was invalid, else WROTE if one was written, else NONE."""


VALUE: Any = object()
"""Stands for the row's value in `Plain.first`."""


@dataclass(frozen=True, slots=True)
class Plain:
    """What a row of a segment map does in the plain case, written out in the generated body.

    `spots`: its sources as (field, component from 0, -1 = the whole field). `first`: what the register holds when the
    value is the first there, None if only `place` can tell; `item`: (path, slot, repetition) under which the object
    that the row makes is known, None if it makes none; `set`: literals that go into the value itself.
    """

    spots: tuple[tuple[int, int], ...]
    made: Maker
    place: Callable[..., bool]
    rule: int
    register: tuple[str, str] = ("", "")
    first: Any = None
    item: tuple[str, str, int] | None = None
    rank: int = 0
    set: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Emit:
    """What a row that emits does if the field is one text: `kept(at, piece=...)` gives the resource or None; its
    reference goes into the register like a value of `Plain`. `place`: None if no reference is written."""

    field: int
    number: int  # under which `Run.emitted` has what this message has made of the text already
    kept: Callable[..., Any]
    place: Callable[..., bool] | None
    register: tuple[str, str]
    first: Any
    item: tuple[str, str, int] | None


def first_value(target: Target, found: tuple[Literal, ...]) -> Any:
    """How the first value of a row stands in its register; `found`: literals beside it."""
    made: Any = VALUE
    if target.rest:
        made = {}
        fill(made, target.rest, VALUE)
        apply(made, found)
    if target.repeats:
        return [made]
    return {target.choice: made} if target.choice else made


@dataclass(frozen=True, slots=True)
class Call:
    """A row: `step(at)`, run if the field at `index` is there (-1: always).

    With `plain` the generated code does the plain case itself and calls the step for the rest. `short`: what the row
    of a data type map does in the usual case.
    """

    step: Callable[..., int]
    index: int = -1
    when: Condition | None = None
    plain: Plain | Emit | None = None
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
