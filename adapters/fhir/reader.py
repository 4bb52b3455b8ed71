"""Strict reader of FHIR JSON (json.html; RFC 8259, I-JSON RFC 7493 section 2) for bytes of others.

Fast readers keep the last of two equal keys, read `1e400` as infinity and pass lone surrogates. Here these
are refused, with the place: what two readers could take for two different resources is not read at all.
What is read can be written: `encode(decode(data))` never fails.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from adapters.fhir import numbers
from adapters.fhir.errors import (
    DecodeError,
    DuplicateKey,
    LimitExceeded,
    Malformed,
    NumberRefused,
    TextRefused,
)
from adapters.fhir.serialisation import JsonValue

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Size in bytes and depth in nested objects and arrays. The deepest of R4's examples nests 21."""

    size: int = 64 * 1024 * 1024
    depth: int = 100


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands in the tree where something was refused, so that the walk can name the path."""

    error: type[DecodeError]
    reason: str


def decode(data: bytes, limits: JsonLimits = JsonLimits()) -> JsonValue:
    """The value of strict JSON bytes; numbers with a point or exponent are Decimal. Raises DecodeError."""
    if len(data) > limits.size:
        raise LimitExceeded(f"more than {limits.size} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8", position=error.start) from None
    reading = _Reading()
    try:
        value = reading.decoder.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg}", position=error.pos) from None
    except RecursionError:
        raise LimitExceeded(f"nested deeper than {limits.depth}") from None
    _check_depth(value, limits.depth)
    if reading.refused:
        raise _find(value, "") or DecodeError("refused")
    if _SURROGATE_ESCAPE.search(data) and (error_found := _find_surrogate(value, "")):
        raise error_found
    return cast(JsonValue, value)


class _Reading:
    """One use of the standard reader, with hooks that note what they refuse."""

    __slots__ = ("decoder", "refused")

    def __init__(self) -> None:
        self.refused = False
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._decimal,
            parse_int=self._integer,
            parse_constant=self._constant,
        )

    def _refuse(self, error: type[DecodeError], reason: str) -> _Refused:
        self.refused = True
        return _Refused(error, reason)

    def _object(self, pairs: list[tuple[str, object]]) -> object:
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        return self._refuse(DuplicateKey, "a name occurs twice in one object")

    def _decimal(self, text: str) -> Decimal | _Refused:
        number = numbers.parse(text)
        return number if number is not None else self._refuse(NumberRefused, "a number without plain notation")

    def _integer(self, text: str) -> int | _Refused:
        if len(text) > numbers.MAX_DIGITS:
            return self._refuse(NumberRefused, "a number with too many digits")
        return int(text)

    def _constant(self, _text: str) -> _Refused:
        return self._refuse(NumberRefused, "a number that is not finite")


def _check_depth(value: object, depth: int) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(depth):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    if level:
        raise LimitExceeded(f"nested deeper than {depth}")


def _find(value: object, path: str) -> DecodeError | None:
    """The first refusal in the tree, as an error with its path."""
    if isinstance(value, _Refused):
        return value.error(value.reason, path=path)
    return next((found for inner, place in _members(value, path) if (found := _find(inner, place))), None)


def _find_surrogate(value: object, path: str) -> DecodeError | None:
    texts = list(value) if isinstance(value, dict) else [value] if isinstance(value, str) else []
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            return TextRefused("a lone surrogate", path=path)
    return next((found for inner, place in _members(value, path) if (found := _find_surrogate(inner, place))), None)


def _members(value: object, path: str) -> list[tuple[object, str]]:
    if isinstance(value, dict):
        return [(inner, f"{path}.{_shown(name)}" if path else _shown(name)) for name, inner in value.items()]
    if isinstance(value, list):
        return [(inner, f"{path}[{place}]") for place, inner in enumerate(value)]
    return []


def _shown(name: str) -> str:
    """An element name as it stands, anything else as '?': a key may be made of patient data."""
    return name if _NAME.fullmatch(name) else "?"
