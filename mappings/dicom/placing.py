"""Where a row's values go: into the register that it writes, or an object that several rows fill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adapters.fhir import Element as Definition

__all__ = ["Constant", "placer", "putter", "register_path", "repeating"]

Constant = tuple[tuple[Definition, ...], Any]
"""Path below the element that repeats, or below the resource if none does; its value."""


def repeating(steps: Sequence[Definition]) -> int | None:
    """The first step that repeats."""
    return next((number for number, step in enumerate(steps) if step.repeats), None)


def register_path(steps: Sequence[Definition], at: int | None) -> str:
    """The element that the register is of."""
    upto = steps if at is None else steps[: at + 1]
    names = [step.name for step in upto]
    if upto[-1].choice:
        names[-1] = upto[-1].choice
    return ".".join(names)


def placer(steps: tuple[Definition, ...], at: int | None, consts: Sequence[Constant]) -> Callable[[list[Any]], Any]:
    """Values → the value of the register."""
    if at is None:
        last = steps[-1]
        return (lambda values: {last.name: values[0]}) if last.choice else (lambda values: values[0])
    inner = steps[at + 1 :]

    def listed(values: list[Any]) -> list[Any]:
        return [_object(inner, value, consts) for value in values]

    return listed


def _object(inner: tuple[Definition, ...], value: Any, consts: Sequence[Constant]) -> Any:
    if not inner and not consts:
        return value
    made: dict[str, Any] = {}
    if inner:
        _put(made, inner, [value])
    else:
        made.update(value)
    for path, const in consts:
        _put(made, path, [const])
    return made


def putter(steps: tuple[Definition, ...], consts: Sequence[Constant]) -> Callable[[dict[str, Any], list[Any]], None]:
    """Values → into an object that several rows fill."""
    at = repeating(steps)
    if at is None:
        return lambda made, values: _put(made, steps, values)
    inner = steps[at + 1 :]

    def with_constants(made: dict[str, Any], values: list[Any]) -> None:
        _put(made, steps[: at + 1], [_object(inner, value, consts) for value in values])

    return with_constants


def _put(made: dict[str, Any], steps: Sequence[Definition], values: list[Any]) -> None:
    """Into the object: lists grow."""
    place = made
    for step in steps[:-1]:
        inner = place.setdefault(step.name, [{}] if step.repeats else {})
        place = inner[0] if isinstance(inner, list) else inner
    last = steps[-1]
    if last.repeats:
        known = place.setdefault(last.name, [])
        known.extend(value for value in values if value not in known)
    else:
        place.setdefault(last.name, values[0])
