"""The strict reader: a value that can be written again, or our error with a place."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.fhir import (
    DecodeError,
    DuplicateKey,
    JsonLimits,
    LimitExceeded,
    Malformed,
    NumberRefused,
    TextRefused,
    decode,
    encode,
)

REFUSED: list[tuple[bytes, type[DecodeError], str]] = [
    (b'{"a":1,"a":1}', DuplicateKey, ""),
    (b'{"name":[{"x":1},{"given":[],"given":[]}]}', DuplicateKey, "name[1]"),
    (b'{"a":1,"\\u0061":2}', DuplicateKey, ""),
    (b'{"v":{"value":1e400}}', NumberRefused, "v.value"),
    (b'{"v":[1,1E2]}', NumberRefused, "v[1]"),
    (b'{"v":1e-99}', NumberRefused, "v"),
    (b'{"v":1e999999999999999999999}', NumberRefused, "v"),
    (b'{"v":' + b"1" * 5000 + b"}", NumberRefused, "v"),
    (b'{"v":' + b"1" * 50 + b".5}", NumberRefused, "v"),
    (b'{"v":NaN}', NumberRefused, "v"),
    (b'{"v":-Infinity}', NumberRefused, "v"),
    (b'{"Anna Muster":NaN}', NumberRefused, "?"),
    (b'{"a":["\\ud800"]}', TextRefused, "a[0]"),
    (b'{"\\uDFFF":1}', TextRefused, ""),
    (b"[" * 101 + b"]" * 101, LimitExceeded, ""),
    (b"[" * 200_000, LimitExceeded, ""),
    (b'{"a":' * 200_000, LimitExceeded, ""),
    (b"", Malformed, ""),
    (b"{} {}", Malformed, ""),
    (b"\xef\xbb\xbf{}", Malformed, ""),
    (b'"\xff"', Malformed, ""),
    (b'"\xed\xa0\x80"', Malformed, ""),
    ("{}".encode("utf-16"), Malformed, ""),
    (b"{'a':1}", Malformed, ""),
    (b"[1,]", Malformed, ""),
    (b"[01]", Malformed, ""),
    (b'"\n"', Malformed, ""),
]


@pytest.mark.parametrize(("data", "error", "path"), REFUSED, ids=[repr(data[:24]) for data, _, _ in REFUSED])
def test_refused_with_its_place(data: bytes, error: type[DecodeError], path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert type(caught.value) is error
    assert caught.value.path == path


def test_an_error_tells_the_offset_and_never_the_text() -> None:
    with pytest.raises(Malformed) as caught:
        decode(b'{"name":"Canary" "x"}')
    assert caught.value.position == 17
    assert "Canary" not in str(caught.value)


def test_numbers_keep_value_and_precision() -> None:
    value = decode(b"[13.20, 1e-2, 1.5E1, -0.0, -0, 5, 18446744073709551616]")
    assert [str(number) for number in value] == [  # type: ignore[union-attr]
        "13.20",
        "0.01",
        "15",
        "0.0",
        "0",
        "5",
        "18446744073709551616",
    ]
    assert encode(value) == b"[13.20,0.01,15,0.0,0,5,18446744073709551616]"


def test_pairs_of_surrogates_are_text() -> None:
    assert decode(b'"\\ud83d\\ude00"') == "😀"


def test_limits_are_exact() -> None:
    assert decode(b"[" * 100 + b"]" * 100)
    assert decode(b'{"a":[]}', JsonLimits(size=8, depth=2)) == {"a": []}
    with pytest.raises(LimitExceeded):
        decode(b'{"a":[]}', JsonLimits(size=7, depth=2))
    with pytest.raises(LimitExceeded):
        decode(b'{"a":[]}', JsonLimits(size=8, depth=1))


_PIECES = st.lists(
    st.sampled_from(
        [b"{", b"}", b"[", b"]", b",", b":", b'"a"', b'"b"', b'"\\ud800"', b"1", b"-0", b"1e5", b"1.20", b"null", b" "]
    )
).map(b"".join)


@given(st.binary() | _PIECES | st.text().map(str.encode))
@example(b'{"a":{"a":1,"a":2},"a":NaN}')
@example(b"-0.0e-0")
def test_any_bytes_give_a_value_or_our_error(data: bytes) -> None:
    try:
        value = decode(data)
    except DecodeError:
        return
    written = encode(value)
    assert encode(decode(written)) == written


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15), max_value=10**15))
def test_a_decimal_is_read_as_it_was_written(number: Decimal) -> None:
    text = str(number if number else number.copy_abs())
    assert encode(decode(f'{{"value":{text}}}'.encode())) == f'{{"value":{text}}}'.encode()
