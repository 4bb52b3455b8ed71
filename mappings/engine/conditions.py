"""Conditions (`when`): compiled to one function of the place where they are asked (docs/mappings.md, "Conditions")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from mappings.engine.codec import NULL, Codec
from mappings.engine.yamlfile import line_of
from mappings.errors import MapError

__all__ = ["Asked", "Condition", "Scene", "compile_when"]

Asked: TypeAlias = Any  # a Seat or a Value: where the condition is asked
Condition: TypeAlias = Callable[[Asked], bool]

_COUNT = re.compile(r"(\d+)(\+?)")
_STATES = frozenset({"valued", "empty", "null"})


class Scene(Protocol):
    """What conditions can ask for, where they stand."""

    def raw(self, path: str, line: int) -> Callable[[Asked], str]:
        """The text at a path with all its separators. Raises MapError for a path that can't be."""

    def special(self, name: str, value: Any, line: int) -> Condition | None:
        """Conditions beyond paths: event, segment, absent, predicate, option, made."""

    file: str
    local: bool


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
    return lambda asked: all(part(asked) for part in found)


def _one(name: str, value: Any, scene: Scene, line: int) -> Condition:
    special = scene.special(name, value, line)
    if special is not None:
        return special
    raw = scene.raw(name, line)
    if isinstance(value, str):
        return _state(raw, str(value)) if value in _STATES else _is(raw, (str(value),))
    if isinstance(value, dict) and len(value) == 1:
        ((operator, wanted),) = value.items()
        if operator in ("is", "not"):
            codes = tuple(str(item) for item in (wanted if isinstance(wanted, list) else [wanted]))
            return _is(raw, codes) if operator == "is" else _is_not(raw, codes)
        if operator == "count":
            match = _COUNT.fullmatch(str(wanted))
            if match is not None:
                return _count(raw, int(match[1]), bool(match[2]))
    raise MapError(scene.file, line, f"{name}: a condition is valued, empty, null, is, not or count")


def _content(text: str, codec: Codec) -> bool:
    """Whether anything but separators stands there."""
    if not text or text == NULL:
        return False
    if text[0] not in "^~&" and text[0] not in (codec.component, codec.repetition, codec.subcomponent):
        return True
    return bool(text.strip(codec.component + codec.repetition + codec.subcomponent))


def _state(raw: Callable[[Asked], str], state: str) -> Condition:
    if state == "valued":
        return lambda asked: _content(raw(asked), asked.codec)
    if state == "null":
        return lambda asked: raw(asked) == NULL
    return lambda asked: raw(asked) != NULL and not _content(raw(asked), asked.codec)


def first_leaf(text: str, codec: Codec) -> str:
    """The first leaf of a text, unescaped."""
    for separator in (codec.repetition, codec.component, codec.subcomponent):
        if separator in text:
            text = text.partition(separator)[0]
    return codec.plain(text)


def _is(raw: Callable[[Asked], str], codes: tuple[str, ...]) -> Condition:
    found = frozenset(codes)
    return lambda asked: first_leaf(raw(asked), asked.codec) in found


def _is_not(raw: Callable[[Asked], str], codes: tuple[str, ...]) -> Condition:
    found = frozenset(codes)
    return lambda asked: first_leaf(raw(asked), asked.codec) not in found


def _count(raw: Callable[[Asked], str], number: int, more: bool) -> Condition:
    def condition(asked: Asked) -> bool:
        text = raw(asked)
        count = sum(1 for part in text.split(asked.codec.repetition) if part) if text else 0
        return count >= number if more else count == number

    return condition
