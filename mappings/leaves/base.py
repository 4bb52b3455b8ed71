"""What a leaf function is: one text, or a fixed list of texts, becomes one FHIR value (mappings.md, "Three levels").

A leaf function never sees the message. It returns JSON in a valid lexical form, None if it has nothing to say,
`Partly` if it could carry only a part, or raises `Invalid`. Reasons never hold text from the message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, TypeAlias

from adapters.fhir import JsonValue

__all__ = ["Invalid", "Leaf", "LeafContext", "LeafFunction", "LeafResult", "Partly"]


class Invalid(Exception):
    """The text can't be this value; the element falls and the source is residue."""


@dataclass(frozen=True, slots=True)
class Partly:
    """A value that carries less than its text: the original text is kept in an extension beside it."""

    value: JsonValue
    reason: str


@dataclass(frozen=True, slots=True)
class LeafContext:
    """What is the same for every value of a message.

    `zone`: the channel's zone; `offset`: MSH-7's own offset as `+hh:mm`, both None if not known. `authority`:
    the channel's default assigning authority or ''.
    """

    zone: tzinfo | None = None
    offset: str | None = None
    authority: str = ""


LeafResult: TypeAlias = "JsonValue | Partly"
LeafFunction: TypeAlias = Callable[[Any, LeafContext], LeafResult]
"""First argument: a str (arity 1), or a sequence of str (any other arity)."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf function with its shape.

    `arity`: 1 = one text, n = a list of n texts, 0 = a list of any length. `produces`: the FHIR types that it
    can give. `whole`: it gets the whole text of its path with separators, not only the first leaf; its leaves
    count as kept. `all`: it gets the whole texts of all repetitions of its field as one list.
    """

    function: LeafFunction
    arity: int = 1
    produces: tuple[str, ...] = ("string",)
    whole: bool = False
    all: bool = False
