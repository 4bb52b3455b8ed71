"""Leaf functions of results: numbers, systems, texts, attachments."""

from __future__ import annotations

import base64
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import is_base64, is_uri
from mappings.leaves.base import Invalid, LeafContext
from mappings.leaves.numbers import LEAVES as NUMBERS
from mappings.leaves.systems import LEAVES as SYSTEMS
from mappings.leaves.values import LEAVES as VALUES

CONTEXT = LeafContext()


def run(name: str, source: object) -> object:
    """The leaf function's value; 'invalid' where it refuses."""
    leaf = (NUMBERS | SYSTEMS | VALUES)[name]
    try:
        return leaf.function(source, CONTEXT)
    except Invalid:
        return "invalid"


@pytest.mark.parametrize(
    ("text", "value", "comparator"),
    [
        ("13.20", Decimal("13.20"), None),
        ("+007", Decimal("7"), None),
        ("-0.50", Decimal("-0.50"), None),
        ("-0", Decimal("0"), None),
        (".5", Decimal("0.5"), None),
        ("5.", Decimal("5"), None),
        ("<5", Decimal("5"), "<"),
        ("< 5.0", Decimal("5.0"), "<"),
        (">=10", Decimal("10"), ">="),
        ("≤10", Decimal("10"), "<="),
        ("=3", Decimal("3"), None),
        ("5+", "invalid", None),
        ("1,5", "invalid", None),
        ("1E5", "invalid", None),
        ("١٢", "invalid", None),
        ("not done", "invalid", None),
        ("12345678901234567890123", "invalid", None),
    ],
)
def test_numeric_results_keep_precision_and_comparator(text: str, value: object, comparator: str | None) -> None:
    assert run("nm-value", text) == value
    assert str(run("nm-value", text)) == str(value)
    if value != "invalid":
        assert run("nm-comparator", text) == comparator


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (("", "5"), Decimal("5")),
        (("=", "5"), Decimal("5")),
        ((">", "5.10"), Decimal("5.10")),
        (("<>", "5"), "invalid"),
        (("-", "5"), "invalid"),
        (("", "five"), "invalid"),
        (("", "<5"), "invalid"),
    ],
)
def test_structured_numeric(texts: tuple[str, str], value: object) -> None:
    assert run("sn-value", texts) == value
    assert run("sn-plain", texts) == ("invalid" if texts[0] == ">" else value)
    assert run("sn-bound", (":", texts[1])) == ("invalid" if texts[1] in ("five", "<5") else Decimal(texts[1]))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("49 - 92", "49", "92"),
        ("[ 0.04 - 0.40 ]", "0.04", "0.40"),
        ("20-40", "20", "40"),
        ("-5--1", "-5", "-1"),
        ("12.0–16.0", "12.0", "16.0"),
        ("[ <= 0.21 ]", None, "0.21"),
        ("[ < 0.21 ]", None, None),
        ("<=5", None, "5"),
        ("≥ 1.5", "1.5", None),
        ("> 1.5", None, None),
        ("[ ]", None, None),
        ("Negative", None, None),
        ("<130 optimal", None, None),
        ("92-49", None, None),
        ("70_105", None, None),
    ],
)
def test_reference_range_is_parsed_only_when_it_is_nothing_else(text: str, low: str | None, high: str | None) -> None:
    for name, bound in (("range-low", low), ("range-high", high)):
        found = run(name, (text, "mg/dL", ""))
        expected = None if bound is None else {"value": Decimal(bound), "unit": "mg/dL"}
        assert found == expected


@pytest.mark.parametrize(
    ("name", "system"),
    [
        ("LN", "http://loinc.org"),
        ("ln", "http://loinc.org"),
        ("SCT", "http://snomed.info/sct"),
        ("RxNorm", "http://www.nlm.nih.gov/research/umls/rxnorm"),
        ("HL70136", "http://terminology.hl7.org/CodeSystem/v2-0136"),
        ("2.16.840.1.113883.12.1", "http://terminology.hl7.org/CodeSystem/v2-0001"),
        ("2.16.840.1.113883.6.1", "http://loinc.org"),
        ("2.16.840.1.114222.4.5.274", "urn:oid:2.16.840.1.114222.4.5.274"),
        ("urn:oid:2.16.840.1.113883.6.96", "http://snomed.info/sct"),
        ("http://example.org/codes", "http://example.org/codes"),
        ("L", "urn:tabellion:v2-coding-system:L"),
        ("99ELR", "urn:tabellion:v2-coding-system:99ELR"),
        ("incorrect CW5.3", "urn:tabellion:v2-coding-system:incorrect%20CW5.3"),
        ("  ", None),
    ],
)
def test_coding_systems(name: str, system: str | None) -> None:
    assert run("coding-system", name) == system


@given(st.text(min_size=1))
def test_any_name_of_a_coding_system_gives_a_uri(name: str) -> None:
    found = run("coding-system", name.encode("utf-8", "ignore").decode())
    assert found is None or is_uri(found)


def test_texts() -> None:
    assert run("lines", ["one", "two", ""]) == "one\ntwo\n"
    assert run("lines", ["", " "]) is None
    assert run("words", ("<>", "5", "", "9")) == "<> 5 9"
    assert run("hyphened", ("1", "3")) == "1-3"
    assert run("measured-text", ("not done", "", "", "", "mg/dL", "")) == "not done mg/dL"
    assert run("measured-text", ("<>", "5", "-", "7", "cells", "cells each")) == "<> 5 - 7 cells (cells each)"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (("Application", "PDF"), "application/pdf"),
        (("TEXT", ""), "text/plain"),
        (("", "application/PDF"), "application/pdf"),
        (("image/png", ""), "image/png"),
        (("BINARY", "JPEG"), "image/jpeg"),
        (("TEXT", "JOT"), None),
        (("AP", ""), None),
    ],
)
def test_media_types(texts: tuple[str, str], found: str | None) -> None:
    assert run("media-type", texts) == found


@pytest.mark.parametrize(
    ("encoding", "data", "found"),
    [
        ("Base64", "JVBERg==", "JVBERg=="),
        ("BASE64", "JVBE\r\nRg==", "JVBERg=="),
        ("Base64", "AAAAAAAAA", "invalid"),
        ("Base64", "not base64!", "invalid"),
        ("Hex", "25504446", "JVBERg=="),
        ("Hex", "2550444", "invalid"),
        ("A", "täxt", base64.b64encode("täxt".encode()).decode()),
        ("", "text", "dGV4dA=="),
        ("uu", "text", "invalid"),
        ("Base64", "", None),
    ],
)
def test_attachments(encoding: str, data: str, found: str | None) -> None:
    assert run("attachment-data", (encoding, data)) == found


@given(st.sampled_from(["Base64", "Hex", "A", "", "x"]), st.text())
def test_any_attachment_is_base64_or_refused(encoding: str, data: str) -> None:
    found = run("attachment-data", (encoding, data.encode("utf-8", "ignore").decode()))
    assert found in (None, "invalid") or is_base64(found)


def test_pointers() -> None:
    assert run("pointer", "https://pacs.example/a?b=c#d") == "https://pacs.example/a?b=c#d"
    assert run("pointer", "\\\\server\\my file.pdf") == "%5C%5Cserver%5Cmy%20file.pdf"


def test_arrays() -> None:
    assert run("samples", ["1^2.50^-3"]) == "1 2.50 -3"
    assert run("samples", ["1^^3", "4^5^6"]) == "1 E 3 4 5 6"
    assert run("sample-dimensions", ["1^^3", "4^5^6"]) == 3
    assert run("sample-dimensions", ["1^2^3"]) == 1
    assert run("samples", ["1^a-b^3"]) == "invalid"
    assert run("samples", ["^^"]) == "invalid"


def test_units_without_a_system() -> None:
    assert run("unit-text", ("mmol/L", "millimole per litre")) == "millimole per litre"
    assert run("unit-text", ("UMOLL", "micromole")) == "UMOLL (micromole)"
    assert run("unit-text", ("", "micromole")) == "micromole"
    assert run("unit-system", "mmol/L") == "http://unitsofmeasure.org"
    assert run("unit-system", "UMOLL") is None
