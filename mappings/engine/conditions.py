"""Conditions (`when`), compiled twice: to a function of the place where they are asked, and to an expression.

The expression goes into the generated body of a map (codegen), where the fields stand in local variables `f5`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from mappings.engine.codec import NULL, Codec
from mappings.engine.yamlfile import line_of
from mappings.errors import MapError

__all__ = [
    "PARTS",
    "Asked",
    "Condition",
    "Names",
    "Raw",
    "Scene",
    "asking",
    "compile_when",
    "content",
    "first_leaf",
    "predicate",
]

PARTS = 16
"""Components of a field that generated code can read."""
Asked: TypeAlias = Any  # a Seat or a Value: where the condition is asked

_COUNT = re.compile(r"(\d+)(\+?)")
_STATES = frozenset({"valued", "empty", "null"})


class Names(Protocol):
    """Names in generated code. `simple`: fields and parts hold no separators, escapes or HL7 nulls, and there is no
    place `at` to ask."""

    @property
    def simple(self) -> bool: ...

    def field(self, index: int) -> str:
        """The local variable of a field or part."""

    def parts(self, index: int) -> str:
        """The local variable of a field's components; None where they aren't plain texts."""

    def constant(self, value: Any) -> str:
        """The name of an object."""

    def once(self, call: Callable[[Asked], bool]) -> str:
        """What a function says of the place, asked at most once: rows that follow each other ask the same."""


@dataclass(frozen=True, slots=True)
class Raw:
    """The raw text at a path. `index`: in the list of the place's own fields or parts, -1 if it stands elsewhere.

    `field`: the field of the place's own segment that it reads, -1 if it reads anything else. `spot`: component and
    subcomponent in the place's own text, from 0, -1 = the whole.
    """

    call: Callable[[Asked], str]
    index: int = -1
    field: int = -1
    spot: tuple[int, int] = (-1, -1)

    def text(self, names: Names) -> str:
        """As an expression."""
        component, below = self.spot
        if names.simple:
            return "''" if below > 0 else names.field(component)
        return names.field(self.index) if self.index >= 0 else f"{names.constant(self.call)}(at)"

    def part(self, names: Names) -> str:
        """The variable of the components of the place's own field in which the text is one; '' if it is none."""
        return "" if names.simple or self.field < 0 or self.spot[0] < 0 else names.parts(self.field)

    def one(self, names: Names) -> bool:
        """Whether the text is known to be one leaf."""
        return names.simple and self.spot[0] >= 0


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition; `text` gives it as an expression over `at` (the place), `codec` and field variables."""

    call: Callable[[Asked], bool]
    text: Callable[[Names], str]
    reads: frozenset[int] | None = None  # own fields; None if anything else matters, besides event and options

    def __call__(self, asked: Asked) -> bool:
        return self.call(asked)


def asking(call: Callable[[Asked], bool], reads: frozenset[int] | None = None) -> Condition:
    """A condition that is only a function."""
    return Condition(call, lambda names: f"{names.constant(call)}(at)", reads)


def predicate(call: Callable[[Asked], bool]) -> Condition:
    """A condition that says the same whatever has been written."""
    return Condition(call, lambda names: names.once(call))


class Scene(Protocol):
    """What conditions can ask for, where they stand."""

    file: str
    local: bool

    def raw(self, path: str, line: int) -> Raw:
        """The text at a path with all its separators. Raises MapError for a path that can't be."""

    def special(self, name: str, value: Any, line: int) -> Condition | None:
        """Conditions beyond paths: event, segment, absent, predicate, option, made."""


def compile_when(raw: Any, scene: Scene, line: int) -> Condition | None:
    """The condition; None if there is none."""
    if raw is None:
        return None
    parts: list[Condition] = []
    for group in raw if isinstance(raw, list) else [raw]:
        if not isinstance(group, dict):
            raise MapError(scene.file, line_of(group) or line, "when must be a mapping")
        for name, value in group.items():
            parts.append(_one(name, value, scene, line_of(value) or line))
    if len(parts) == 1:
        return parts[0]
    found = tuple(parts)
    return Condition(
        lambda asked: all(part.call(asked) for part in found),
        lambda names: "(" + " and ".join(part.text(names) for part in found) + ")",
        together([part.reads for part in found]),
    )


def together(parts: list[frozenset[int] | None]) -> frozenset[int] | None:
    """What all of them read."""
    found: frozenset[int] = frozenset()
    for part in parts:
        if part is None:
            return None
        found |= part
    return found


def _one(name: str, value: Any, scene: Scene, line: int) -> Condition:
    special = scene.special(name, value, line)
    if special is not None:
        return special
    raw = scene.raw(name, line)
    return replace(_of_text(raw, name, value, scene, line), reads=frozenset({raw.field}) if raw.field >= 0 else None)


def _of_text(raw: Raw, name: str, value: Any, scene: Scene, line: int) -> Condition:
    if isinstance(value, str):
        return _state(raw, str(value)) if value in _STATES else _is(raw, (str(value),), True)
    if isinstance(value, dict) and len(value) == 1:
        ((operator, wanted),) = value.items()
        if operator in ("is", "not"):
            codes = tuple(str(item) for item in (wanted if isinstance(wanted, list) else [wanted]))
            return _is(raw, codes, operator == "is")
        if operator == "count":
            match = _COUNT.fullmatch(str(wanted))
            if match is not None:
                return _count(raw, int(match[1]), bool(match[2]))
    raise MapError(scene.file, line, f"{name}: a condition is valued, empty, null, is, not or count")


def content(text: str, codec: Codec) -> bool:
    """Whether anything but separators stands there."""
    if not text or text == NULL:
        return False
    return text[0].isalnum() or bool(text.strip(codec.component + codec.repetition + codec.subcomponent))


def _state(raw: Raw, state: str) -> Condition:
    call = raw.call
    if state == "null":
        return Condition(lambda asked: call(asked) == NULL, lambda names: f"({raw.text(names)} == '\"\"')")

    def valued(names: Names) -> str:
        text = raw.text(names)
        if raw.one(names):
            return text
        if parts := raw.part(names):
            return f"({parts}[{raw.spot[0]}] if {parts} is not None else {names.constant(content)}({text}, codec))"
        if raw.index < 0:
            return f"{names.constant(content)}({text}, codec)"
        return f"({text} and ({text}[0].isalnum() or {names.constant(content)}({text}, codec)))"

    if state == "valued":
        return Condition(lambda asked: content(call(asked), asked.codec), valued)

    def empty(asked: Asked) -> bool:
        text = call(asked)
        return text != NULL and not content(text, asked.codec)

    def unvalued(names: Names) -> str:
        if names.simple:
            return f"not {valued(names)}"
        if parts := raw.part(names):
            return f"(not {parts}[{raw.spot[0]}] if {parts} is not None else {names.constant(empty)}(at))"
        if raw.index < 0:
            return f"{names.constant(empty)}(at)"
        text = raw.text(names)
        return f"(not {text} or (not {text}[0].isalnum() and {names.constant(empty)}(at)))"

    return Condition(empty, unvalued)


def first_leaf(text: str, codec: Codec) -> str:
    """The first leaf of a text, unescaped."""
    for separator in (codec.repetition, codec.component, codec.subcomponent):
        if separator in text:
            text = text.partition(separator)[0]
    return codec.plain(text)


def _is(raw: Raw, codes: tuple[str, ...], wanted: bool) -> Condition:
    chosen = frozenset(codes)
    call = raw.call

    def text(names: Names) -> str:
        # a text without any separator is its own first leaf
        source, known = raw.text(names), names.constant(chosen)
        if raw.one(names):
            return f"{source}.strip() {'in' if wanted else 'not in'} {known}"
        leaf = f"{names.constant(first_leaf)}({source}, codec).strip() in {known}"
        if raw.index >= 0:
            found = f"{source} in {known} or ({source} and not {source}.isalnum() and {leaf})"
        elif parts := raw.part(names):
            found = f"({parts}[{raw.spot[0]}].strip() in {known}) if {parts} is not None else ({leaf})"
        else:
            found = leaf
        return f"({found})" if wanted else f"(not ({found}))"

    # blanks at the end of a code mean nothing (v2.5.1, 2.A.36)
    return Condition(lambda asked: (first_leaf(call(asked), asked.codec).strip() in chosen) is wanted, text)


def _count(raw: Raw, number: int, more: bool) -> Condition:
    def counted(text: str, codec: Codec) -> bool:
        count = sum(1 for part in text.split(codec.repetition) if part) if text else 0
        return count >= number if more else count == number

    def condition(asked: Asked) -> bool:
        return counted(raw.call(asked), asked.codec)

    def text(names: Names) -> str:
        if names.simple:
            return f"{names.constant(counted)}({raw.text(names)}, codec)"
        slow = f"{names.constant(condition)}(at)"
        if raw.index < 0:
            return slow
        source = raw.text(names)
        if number == 1:
            return f"({source} and (codec.repetition not in {source} or {slow}))"
        return f"(codec.repetition in {source} and {slow})" if number > 1 else slow

    return Condition(condition, text)
