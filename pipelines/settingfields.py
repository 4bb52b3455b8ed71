"""Settings as dataclass fields: each field carries its documentation and bounds, and reads itself from a TOML value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, field, fields
from difflib import get_close_matches
from math import isfinite
from typing import Any, Union, get_args, get_origin, get_type_hints

SECTION_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_SCHEMA = {str: "string", int: "integer", float: "number", bool: "boolean"}


def setting(
    default: Any,
    doc: str,
    *,
    least: float | None = None,
    choices: tuple[str, ...] = (),
    pattern: str = "",
    secret: bool = False,
) -> Any:
    """A field with a default, a sentence of documentation and, for scalars and the items of lists, its bounds. A secret
    is never printed."""
    metadata = {"doc": doc, "least": least, "choices": choices, "pattern": pattern}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: dict(default), metadata=metadata)  # plain: crosses to mapper processes
    return field(default=default, metadata=metadata, repr=not secret)


def default_of(one: Field[Any]) -> Any:
    """A field's default as a TOML value (tuples as lists)."""
    value = one.default
    if value is MISSING and one.default_factory is not MISSING:
        value = one.default_factory()
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value


def read_table(kind: type, given: Any, place: str, faults: list[str]) -> Any:
    """One section as its dataclass. Unknown keys are faults; what is wrong keeps its default, so that all is found."""
    if not isinstance(given, Mapping):
        faults.append(f"{place}: must be a table")
        return kind() if kind.__name__ != "Channel" else kind("")
    hints = get_type_hints(kind)
    known = {one.name: one for one in fields(kind) if one.metadata}
    values: dict[str, Any] = {}
    for key, value in given.items():
        one = known.get(key)
        if one is None:
            close = get_close_matches(key, known, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"
            faults.append(f"{place} {key}: no such setting{hint}")
            continue
        wrong = list(faults_of(one, hints[key], value))
        faults += [f"{place} {key}: {fault}" for fault in wrong]
        if not wrong:
            values[key] = _frozen(hints[key], value)
    if kind.__name__ == "Channel":
        values.setdefault("name", "")
    return kind(**values)


def faults_of(one: Field[Any], hint: Any, value: Any) -> Iterator[str]:
    """Why a value doesn't fit a field."""
    origin = get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list):
            yield "must be a list, in square brackets"
            return
        for item in value:
            yield from _scalar(one, get_args(hint)[0], item)
    elif origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping) or not all(isinstance(item, str) for item in value.values()):
            yield "must be a table of texts"
            return
        for item in value.values():
            yield from _scalar(one, str, item)
    else:
        yield from _scalar(one, hint, value)


def _scalar(one: Field[Any], kind: Any, value: Any) -> Iterator[str]:
    rules = one.metadata
    right = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not right or (isinstance(value, bool) and kind is not bool):
        yield f"must be {_WORDS[kind]}"
    elif isinstance(value, float) and not isfinite(value):  # TOML has inf and nan; no time and no size is one
        yield "must be finite"
    elif rules["least"] is not None and not value >= rules["least"]:
        yield f"must be {rules['least']:g} or more"
    elif rules["choices"] and value not in rules["choices"]:
        yield f"must be one of {', '.join(rules['choices'])}"
    elif rules["pattern"] and not re.fullmatch(rules["pattern"], value):
        yield f"is not of the form {rules['pattern']}"


def _frozen(hint: Any, value: Any) -> Any:
    if get_origin(hint) is tuple:
        return tuple(value)
    if isinstance(value, Mapping):
        return dict(value)
    return float(value) if hint is float else value


def schema_of(kind: type) -> dict[str, Any]:
    """JSON Schema of one section."""
    hints = get_type_hints(kind)
    properties = {one.name: _schema(one, hints[one.name]) for one in fields(kind) if one.metadata}
    doc = (kind.__doc__ or "").split("\n")[0]
    return {"type": "object", "description": doc, "additionalProperties": False, "properties": properties}


def _schema(one: Field[Any], hint: Any) -> dict[str, Any]:
    about: dict[str, Any] = {"description": one.metadata["doc"], "default": default_of(one)}
    origin = get_origin(hint)
    if origin is tuple:
        return about | {"type": "array", "items": _bounds(one, get_args(hint)[0])}
    if origin is not None and origin is not Union and issubclass(origin, Mapping):
        return about | {"type": "object", "additionalProperties": _bounds(one, str)}
    return about | _bounds(one, hint)


def _bounds(one: Field[Any], kind: type) -> dict[str, Any]:
    rules = one.metadata
    bounds: dict[str, Any] = {"type": _SCHEMA[kind]}
    checks: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
        ("least", "minimum", lambda least: least),
        ("choices", "enum", list),
        ("pattern", "pattern", lambda pattern: f"^(?:{pattern})$"),
    )
    for rule, word, form in checks:
        if rules[rule] not in (None, (), ""):
            bounds[word] = form(rules[rule])
    return bounds
