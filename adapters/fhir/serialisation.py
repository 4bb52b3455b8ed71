"""The one serialisation of FHIR JSON (json.html): UTF-8, keys sorted by code point, no white space.

Records are stored, published and sealed as exactly these bytes, so nothing else in the product writes FHIR.
msgspec does the work. What it would write badly or silently (`1E-7`, `-0.0`, a NaN as null, a float, bytes as
base64) is found by one look at each value before, and then rewritten or refused with its place.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from adapters.fhir import numbers
from adapters.fhir.errors import EncodeError, Malformed

JsonValue: TypeAlias = (
    "dict[str, JsonValue] | list[JsonValue] | tuple[JsonValue, ...] | str | int | Decimal | bool | None"
)
"""What FHIR JSON is made of; a decimal is always `decimal.Decimal`, a float is refused."""

Encoded: TypeAlias = msgspec.Raw
"""Bytes that `encode` wrote, set into a larger value as they stand: `encode({'resource': Encoded(data)})`."""

_ENCODER = msgspec.json.Encoder(order="deterministic", decimal_format="number")
_TRUSTED = msgspec.json.Decoder(float_hook=Decimal)
# Decimals whose str() is already their plain notation: no exponent, no negative zero, few digits.
_PLAIN = re.compile(r"(?:-(?=.*[1-9]))?\d{1,20}(?:\.\d{1,20})?").fullmatch
_LARGE = 10**18


def encode(value: object) -> bytes:
    """The bytes of a JSON value. Raises EncodeError (with the place) for what must not be written.

    `encode({'b': Decimal('13.20'), 'a': 1}) == b'{"a":1,"b":13.20}'`
    """
    try:
        data = _ENCODER.encode(value)  # first, for it ends on a cycle, which the look would not
        return data if _ordinary(value) else _ENCODER.encode(_exact(value, ""))
    except UnicodeEncodeError:
        raise EncodeError("a lone surrogate", path=_surrogate(value, "")) from None
    except RecursionError:
        raise EncodeError("nested too deep") from None
    except (TypeError, ValueError) as error:
        raise EncodeError(f"not a JSON value ({type(error).__name__})") from error


def encode_trusted(value: object) -> bytes:
    """As `encode`, without the look at each value: only for what our own rules made, whose numbers are plain.

    Leaf functions give ordinary decimals only (the load check proves their types); a test compares the two.
    """
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        raise EncodeError("a lone surrogate", path=_surrogate(value, "")) from None


def decode_trusted(data: bytes) -> JsonValue:
    """Read bytes that `encode` wrote. Fast, and blind to duplicate keys: never for bytes of others."""
    try:
        value: JsonValue = _TRUSTED.decode(data)
    except msgspec.DecodeError as error:
        raise Malformed("not JSON of ours") from error
    return value


def _ordinary(value: object) -> bool:
    """Whether msgspec writes this tree as it should; on the hot path, hence its form."""
    pending: list[Any] = [[value]]
    for outer in pending:  # grows while it is read
        for inner in outer.values() if isinstance(outer, dict) else outer:
            kind = type(inner)
            if kind is str or kind is bool or inner is None:
                continue
            if kind is dict or kind is list:
                pending.append(inner)
            elif kind is Decimal:
                if not _PLAIN(str(inner)):
                    return False
            elif kind is int:
                if not -_LARGE < inner < _LARGE:
                    return False
            elif kind is not Encoded:
                return False
    return True


def _exact(value: object, path: str) -> object:
    """The same tree with each number either safe to write or as its plain text."""
    kind = type(value)
    if kind is str or kind is bool or kind is Encoded or value is None:
        return value
    if isinstance(value, dict):
        return {key: _exact(member, f"{path}.{key}" if path else str(key)) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(item, f"{path}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, int):
        if abs(value) >= 10**numbers.MAX_DIGITS:
            raise EncodeError("a number with too many digits", path=path)
        return value
    if isinstance(value, Decimal):
        reason = numbers.fault(value)
        if reason is not None:
            raise EncodeError(reason, path=path)
        return msgspec.Raw(numbers.plain(value).encode())
    raise EncodeError(f"a {kind.__name__} is not a JSON value", path=path)


def _surrogate(value: object, path: str) -> str:
    """Where the first text is that UTF-8 cannot carry."""
    if isinstance(value, dict):
        for key, member in value.items():
            if _lone(key):
                return path
            if found := _surrogate(member, f"{path}.{key}" if path else str(key)):
                return found
    elif isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            if found := _surrogate(item, f"{path}[{place}]"):
                return found
    elif _lone(value):
        return path
    return ""


def _lone(text: object) -> bool:
    return isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text)
