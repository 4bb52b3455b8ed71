"""Primitive types: lawful and unlawful values of each, against HL7's own regular expressions too."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import CODE_RULES, PRIMITIVES, definitions

LAWFUL: dict[str, list[object]] = {
    "base64Binary": ["AAAA", "AA==", "AAA=", "AA AA\nAA=="],
    "boolean": [True, False],
    "canonical": ["http://example.org/x|1.0", "#a"],
    "code": ["final", "a b", "<", "é"],
    "date": ["2024", "2024-02", "2024-02-29", "0001-01-01", "1900-02-28", "2000-02-29"],
    "dateTime": ["2024", "2024-12-31", "2024-12-31T23:59:60Z", "2024-01-01T00:00:00.123456+14:00"],
    "decimal": [0, -5, Decimal("13.20"), Decimal("1E-9")],
    "id": ["a", "A-1.b", "x" * 64],
    "instant": ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.1-05:00"],
    "integer": [0, -(2**31), 2**31 - 1],
    "markdown": ["a\n\nb\t"],
    "oid": ["urn:oid:2.16.840.1", "urn:oid:1.0"],
    "positiveInt": [1, 2**31 - 1],
    "string": ["a", " ", "a\r\n\tb", "张三", "\u00a0", "x" * 1024 * 1024],
    "time": ["00:00:00", "23:59:59.999"],
    "unsignedInt": [0, 2**31 - 1],
    "uri": ["urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "http://a/é", "x"],
    "url": ["mailto:a@b.example"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
}
UNLAWFUL: dict[str, list[object]] = {
    "base64Binary": ["", "AAA", "A===", "AA=A", "AA-_", "AAAA=", " ", "ÄÄÄÄ"],
    "boolean": ["true", 1, 0, None],
    "canonical": ["", "a b"],
    "code": ["", " a", "a ", "a  b", "a\nb\n", "\x00", 1],
    "date": ["2024-13", "2024-02-30", "1900-02-29", "24-01-01", "2024-1-1", "20240101", "0000", "2024-01-01T00:00:00Z"],
    "dateTime": [
        "2024-01-01T10:00Z",
        "2024-01-01T10:00:00",
        "2024-01-01T24:00:00Z",
        "2024-02-30T00:00:00Z",
        "２０２４",
    ],
    "decimal": ["13.2", 1.5, True, Decimal("NaN"), Decimal("Infinity"), None],
    "id": ["", "a_b", "a b", "x" * 65, "a\n", "é"],
    "instant": ["2024-01-01", "2024-01-01T00:00:00", "2024-01-01T00:00:00+15:00", "2024-01-01T00:00:00-00:60"],
    "integer": [2**31, -(2**31) - 1, Decimal("1.0"), "1", True],
    "markdown": ["", "\x0b"],
    "oid": ["2.16.840", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.01"],
    "positiveInt": [0, -1, 1.5],
    "string": ["", "\x00", "a\x1fb", "\ud800", 5, None, ["a"], "x" * (1024 * 1024 + 1)],
    "time": ["24:00:00", "10:00", "10:00:00Z", "1:00:00"],
    "unsignedInt": [-1, Decimal("1.5"), 2**31],
    "uri": ["", "a b", "a\tb", "\u3000"],
    "url": ["http://a b"],
    "uuid": ["urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "c757873d-ec9a-4326-a141-556f43239520"],
}


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_lawful_and_unlawful_values(name: str) -> None:
    check = PRIMITIVES[name]
    assert [value for value in LAWFUL[name] if not check(value)] == []
    assert [value for value in UNLAWFUL[name] if check(value)] == []


_TEXTS = st.text(alphabet="0123456789-:.T+Zabcx/ =", max_size=30) | st.text(max_size=12)
_TIMES = st.from_regex(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:00))?)?)?")


@pytest.mark.parametrize("name", ["date", "dateTime", "instant", "time", "id", "oid", "uuid", "code", "uri"])
@given(text=_TEXTS | _TIMES)
def test_never_wider_than_the_regular_expression_of_the_specification(name: str, text: str) -> None:
    if PRIMITIVES[name](text):
        assert re.fullmatch(definitions().primitives[name], text)


@given(st.from_type(object) | st.dictionaries(st.text(), st.integers()) | st.lists(st.text()))
def test_any_value_gets_an_answer(value: object) -> None:
    assert all(check(value) in (True, False) for check in PRIMITIVES.values())


def test_lexical_rules_of_codes_that_nobody_can_list() -> None:
    assert all(map(CODE_RULES["mime"], ["text/plain", "application/fhir+json; charset=utf-8", "image/*"]))
    assert not any(map(CODE_RULES["mime"], ["json", "text/", "/plain", ""]))
    assert all(map(CODE_RULES["language"], ["de", "zh-Hans-CN", "en-US"]))
    assert not any(map(CODE_RULES["language"], ["", "1", "de_DE", "german language"]))
    assert CODE_RULES["currency"]("EUR")
    assert not CODE_RULES["currency"]("euro")
