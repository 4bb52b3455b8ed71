"""Made messages against the reference decoder: delimiters, escapes, null, ADD, character sets in every combination."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hl7v2 import read
from tests.adapters.hl7v2 import reference
from tests.adapters.hl7v2.test_shared_messages import ours

PIECES = [
    *(
        "F",
        "S",
        "T",
        "R",
        "E",
        "P",
        "H",
        "N",
        ".br",
        ".BR",
        ".sp2",
        ".sk3",
        ".in+4",
        ".fi",
        ".ce",
        "Zx",
        ".xx",
        "Q",
        "",
    ),
    *("X41", "x0d0A", "XC3A9", "XC3", "XCDF5", "Xe9", "X4", "XG1"),
]
TEXTS = ['""', "a", "Bc", "7", " ", "é", "王", "ﾀ", "#", "."]
MARKS = ["|^~\\&", "|^~\\&#", "$@*!%", "|^~\\", "|^~", "#:;?,+", "\t^~\\&"]


@st.composite
def made(draw: st.DrawFn) -> bytes:
    """A message of leaves and escape sequences, in one of the character sets, by one set of delimiters."""
    marks = draw(st.sampled_from(MARKS))
    escape = marks[3:4] or "\\"
    sequences = [f"{escape}{inner}{escape}" for inner in PIECES]
    lines = [f"\r{name}{marks[0]}" for name in ("OBX", "ZZZ", "PID", "ADD", "DSC")]
    found = draw(st.lists(st.sampled_from([*marks, escape, *sequences, *TEXTS, *lines]), max_size=40))
    declared = draw(st.sampled_from([*reference.TABLE_0211, ""]))
    header = f"MSH{marks}|A|B|||2026||ADT^A01|1|P|2.5||||||{declared}".replace("|", marks[0])
    codec = reference.TABLE_0211.get(declared, "utf-8")
    return (header + "\rPID" + marks[0] + "".join(found)).encode(codec, "ignore")


@given(made())
@settings(max_examples=300)
def test_what_the_standard_allows(body: bytes) -> None:
    """Whatever stands in a message: leaf by leaf what the reference decoder reads."""
    assert ours(read(body)) == reference.leaves(body)
