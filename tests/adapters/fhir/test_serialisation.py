"""The one serialisation: sorted, compact, precise; and what it refuses, with its place."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import Encoded, EncodeError, Malformed, decode, decode_trusted, encode
from adapters.fhir.numbers import MAX_DIGITS

PLAIN = [
    ("13.20", b"13.20"),
    ("1E-7", b"0.0000001"),
    ("1.50E-7", b"0.000000150"),
    ("-0", b"0"),
    ("-0.00", b"0.00"),
    ("0E-3", b"0.000"),
    ("-1E-10", b"-0.0000000001"),
    ("1E+0", b"1"),
    ("15E0", b"15"),
    ("12345678901234567890123456789.1234567", b"12345678901234567890123456789.1234567"),
]
REFUSED: list[tuple[Any, str]] = [
    (Decimal("1E+2"), "positive exponent"),
    (Decimal("NaN"), "not finite"),
    (Decimal("sNaN"), "not finite"),
    (Decimal("-Infinity"), "not finite"),
    (Decimal("1" * (MAX_DIGITS + 1)), "too many digits"),
    (Decimal(1).scaleb(-MAX_DIGITS - 1), "too many digits"),
    (10**MAX_DIGITS, "too many digits"),
    (1.5, "float"),
    (float("nan"), "float"),
    (b"bytes", "bytes"),
    ({"set"}, "set"),
    ("\ud800", "surrogate"),
]


@pytest.mark.parametrize(("text", "written"), PLAIN)
def test_a_decimal_has_one_plain_notation(text: str, written: bytes) -> None:
    assert encode(Decimal(text)) == written
    assert encode({"a": [Decimal(text), "x"]}) == b'{"a":[' + written + b',"x"]}'


@pytest.mark.parametrize(("value", "reason"), REFUSED, ids=[reason + str(n) for n, (_, reason) in enumerate(REFUSED)])
def test_what_must_not_be_written_is_refused_with_its_place(value: object, reason: str) -> None:
    with pytest.raises(EncodeError, match=reason) as caught:
        encode({"a": [1, {"b": value}]})
    assert caught.value.path == "a[1].b"


def test_keys_are_sorted_by_code_point_without_white_space() -> None:
    assert encode({"b": 1, "_b": {"id": "x"}, "a": [True, None], "B": "é\n</"}) == (
        '{"B":"é\\n</","_b":{"id":"x"},"a":[true,null],"b":1}'.encode()
    )


def test_keys_are_strings_and_cycles_end() -> None:
    with pytest.raises(EncodeError):
        encode({1: "a"})
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(EncodeError):
        encode(circle)


def test_encoded_bytes_are_set_in_as_they_stand() -> None:
    inner = encode({"value": Decimal("13.20")})
    assert encode({"resource": Encoded(inner), "n": Decimal("1E-2")}) == b'{"n":0.01,"resource":{"value":13.20}}'


def test_trusted_reading_keeps_precision_and_names_bad_bytes() -> None:
    assert str(decode_trusted(b"[13.20]")) == "[Decimal('13.20')]"
    for damaged in (b'{"a"', b"\xff", b"", b"[NaN]", b'"\\ud800"'):
        with pytest.raises(Malformed):
            decode_trusted(damaged)


_NUMBERS = st.integers(-(10**30), 10**30) | st.decimals(allow_nan=False, allow_infinity=False, places=7).filter(
    lambda number: abs(number) < 10**20
)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(_VALUES)
def test_what_is_written_is_read_back_by_every_reader(value: object) -> None:
    data = encode(value)
    assert decode(data) == decode_trusted(data) == json.loads(data, parse_float=Decimal) == value
    assert encode(decode(data)) == encode(decode_trusted(data)) == data
