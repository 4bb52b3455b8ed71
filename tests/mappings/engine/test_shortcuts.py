"""The generated function of a data type says of every text what its rows say one by one."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hl7v2.delimiters import STANDARD
from mappings.engine.codec import Codec
from mappings.engine.library import effective_library
from mappings.engine.workshop import Workshop
from mappings.leaves.base import LeafContext


def _pairs() -> list[tuple[str, Any, Any]]:
    """Name, generated function and the rows one by one, of each data type map that the built-in maps use."""
    shop = Workshop(effective_library(()))
    for name in sorted(shop.library.messages):
        for row in shop.library.messages[name].rows:
            for each in row.by:
                shop.segment_plan(each, row)
    found = []
    for name, convert in sorted(shop._converters.items()):
        slow = getattr(convert, "__globals__", {}).get("slow")
        if slow is not None:
            found.append((name, convert, slow))
    return found


_PAIRS = _pairs()
_USUAL = st.sampled_from(
    [
        "",
        "",
        "",
        "A",
        "B",
        " ",
        "20240229",
        "202402301200",
        "20240229120000+0100",
        "2024022912",
        "1.2.3",
        "ISO",
        "LN",
        "L",
        "HL70001",
        "MR",
        "H",
        "NET",
        "PH",
        "Internet",
        "CP",
        "PRN",
        "7",
        "-1",
        "Y",
        "U",
        "F",
        "HOME",
        "M",
        "mg/dL",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "http://example.org/x",
        "a@example.org",
        "\x7f\xa0",
    ]
)
_PART = st.lists(_USUAL, min_size=1, max_size=3).map("&".join)
_ANY = st.one_of(_USUAL, _USUAL, _PART, st.sampled_from(('""', "\\T\\", "\\X00\\")))
_TEXT = st.one_of(*(st.lists(each, min_size=1, max_size=20) for each in (_USUAL, _USUAL, _ANY))).map("^".join)
_CONTEXTS = (LeafContext(), LeafContext(ZoneInfo("Europe/Zurich"), None, "AUTH"), LeafContext(None, "+01:00", ""))


def test_most_data_types_have_one() -> None:
    assert len(_PAIRS) > 30


@pytest.mark.parametrize(("name", "convert", "slow"), _PAIRS, ids=[name for name, *_ in _PAIRS])
def test_it_agrees_with_the_rows(name: str, convert: Any, slow: Any) -> None:
    codecs = [Codec(STANDARD, "utf-8", context) for context in _CONTEXTS]

    @settings(max_examples=80, deadline=None)
    @given(_TEXT, st.sampled_from(codecs))
    def agrees(text: str, codec: Codec) -> None:
        assert convert(text, 0, codec) == slow(text, 0, codec)
        part = text.replace("^", "")
        assert convert(part, 1, codec) == slow(part, 1, codec)

    agrees()
