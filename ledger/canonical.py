"""The JSON form of everything this room signs or proves: UTF-8, sorted keys, no white space.

Only objects, lists and text occur, so no question of numbers arises (a FHIR record is sealed as the bytes
it is and never passes here).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ledger.errors import Malformed


def encode(value: Mapping[str, object]) -> bytes:
    """The canonical bytes of an object of text; Malformed for a lone surrogate."""
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise Malformed("text holds a lone surrogate") from error


def decode(data: bytes, limit: int) -> dict[str, object]:
    """An object from its canonical bytes, any other form of the same object is Malformed.

    Refusing every other spelling means that no byte of the input is without effect.
    """
    if len(data) > limit:
        raise Malformed(f"longer than {limit} bytes")
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise Malformed("not UTF-8 JSON") from error
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    if encode(value) != data:
        raise Malformed("not in canonical form")
    return value


def texts(value: object, names: tuple[str, ...]) -> tuple[str, ...]:
    """The members of an object that must have exactly these names and hold text, in the order asked for."""
    if not isinstance(value, dict) or value.keys() != set(names):
        raise Malformed(f"not an object of exactly {', '.join(names)}")
    found = tuple(value[name] for name in names)
    if not all(isinstance(text, str) for text in found):
        raise Malformed(f"one of {', '.join(names)} is not text")
    return found
