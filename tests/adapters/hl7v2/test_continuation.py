"""Messages continued by DSC and MSH-14: joined under the first, cut anywhere; what doesn't fit stays apart."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import fragment, joined, read, units


def header(control: str, pointer: str = "", encoding: str = r"^~\&") -> str:
    return f"MSH|{encoding}|LAB|N|H|T|20260101||ORU^R01|{control}|P|2.5|{'|' if pointer else ''}{pointer}"


FIRST = f"{header('1')}\rPID|1||4711\rOBX|1|TX|a^b||begun "
CASES = [
    # cut between segments
    ([f"{header('1')}\rPID|1||4711\rDSC|p1", f"{header('2', 'p1')}\rOBX|1|NM|a||5"], [0], ["MSH", "PID", "OBX"]),
    # cut inside a segment: ADD
    ([f"{FIRST}\rDSC|p1|F", f"{header('2', 'p1')}\rADD|and ended\rNTE|1||x"], [0], ["MSH", "PID", "OBX", "NTE"]),
    # three parts, another message behind
    (
        [f"{header('1')}\rDSC|a", f"{header('2', 'a')}\rPID|1\rDSC|b", f"{header('3', 'b')}\rPV1|1", header("4")],
        [0, 3],
        ["MSH", "PID", "PV1"],
    ),
    # nothing answers; another pointer; interactive; other delimiters; no pointer
    ([f"{header('1')}\rPID|1\rDSC|p1"], [0], ["MSH", "PID", "DSC"]),
    ([f"{header('1')}\rDSC|p1", f"{header('2', 'p2')}\rPID|1"], [0, 1], ["MSH", "DSC"]),
    ([f"{header('1')}\rDSC|p1|I", f"{header('2', 'p1')}\rPID|1"], [0, 1], ["MSH", "DSC"]),
    ([f"{header('1')}\rDSC|p1", f"{header('2', 'p1', '*~!&')}\rPID|1"], [0, 1], ["MSH", "DSC"]),
    ([f"{header('1')}\rDSC|", f"{header('2')}\rPID|1"], [0, 1], ["MSH", "DSC"]),
]


@pytest.mark.parametrize("end", ["\r", "\r\n", "\x1c\r\x0b"])
@pytest.mark.parametrize(("parts", "indexes", "names"), CASES)
def test_parts(parts: list[str], indexes: list[int], names: list[str], end: str) -> None:
    found = list(units("".join(part + end for part in parts).encode()))
    assert [unit.index for unit in found] == indexes
    message = read(found[0].body)
    assert [segment.name for segment in message.segments] == names
    assert message.control_id == "1"
    if names[-1] == "NTE":
        assert message.segments[2].field(5) == "begun and ended"


@given(
    st.lists(
        st.sampled_from([header("1"), header("2", "p"), "DSC|p", "DSC|", "PID|1", "ADD|x", "\x0b", ""]), max_size=12
    )
)
def test_no_segment_is_lost(lines: list[str]) -> None:
    data = "\r".join([header("0"), *lines]).encode()
    kept = b"\r".join(unit.body for unit in units(data))
    assert kept.count(b"PID|1") == data.count(b"PID|1")
    assert kept.count(b"ADD|x") == data.count(b"ADD|x")


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_are_a_part_or_none(head: bytes, tail: bytes) -> None:
    for start in (b"", b"MSH|^~\\&|A|B|||||||||"):
        found = fragment(start + head, tail)
        assert found is None or found.follows or found.pointer


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{header('1')}\rPID|1", None),
        (f"{header('1')}\rDSC|p1|F", (b"", b"p1")),
        (f"{header('1', 'p0')}\rPID|1\rDSC|p1\r\x1c", (b"p0", b"p1")),
        (f"{header('1', ' p0 ')}\rPID|1", (b"p0", b"")),
        (f"{header('1')}\rDSC|p1|I", None),
        (f"{header('1')}\rDSC||F", None),
        (f"{header('1')}\rOBX|1|TX|||DSC|p1", None),
        (f"{header('1')}\rDSC|p1|F\rPID|1", None),  # the last segment or none
        (f"{header('1')}\rDSC|p1|F\r\x00\x1a\r \r", (b"", b"p1")),  # padding, as the reader skips it
        (f'{header("1")}\rDSC|""', None),  # HL7 null is no pointer
        (f"""{header("1", '""')}\rPID|1""", None),
        (f"{header('1')}\rDSC|" + "\x0b" * 50_000 + "X\rZZ1|1", None),  # looked at once, not once a byte
        ("MSH", None),
        ("", None),
    ],
)
def test_what_a_part_says_of_others(text: str, found: tuple[bytes, bytes] | None) -> None:
    part = fragment(text.encode(), text.encode())
    assert (part and (part.follows, part.pointer)) == found


WHOLE = "\r".join(
    [header("1"), "PID|1||4711^^^N^MR||ZZTEST^A", "OBR|1|a|b|c^d", "OBX|1|NM|a^b^LN||5|mg", "NTE|1||x\\F\\y~z"]
)


NAMES = {found.start() + n for found in re.finditer(r"[A-Z0-9]{3}\|", WHOLE) for n in (1, 2, 3)}
PLACES = sorted({*range(len(header("1")) + 1, len(WHOLE))} - NAMES)


@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=5, unique=True))
def test_cut_anywhere_it_reads_as_it_was(places: list[int]) -> None:
    """Between segments, and inside one with ADD (section 2.10.2.1): what is read is what was cut."""
    edges = [len(header("1")) + 1, *sorted(places), len(WHOLE)]
    parts = []
    for number, (start, end) in enumerate(pairwise(edges)):
        inside = number and WHOLE[start - 1] != "\r"
        text = ("ADD|" if inside else "") + WHOLE[start:end].rstrip("\r")
        pointer = f"p{number - 1}" if number else ""
        dsc = "" if end == len(WHOLE) else f"\rDSC|p{number}|F"
        parts.append(f"{header('1', pointer)}\r{text}{dsc}".encode())
    ((place, whole),) = joined(parts)
    assert place == 0
    before, after = read(WHOLE.encode()), read(whole)
    assert [segment.fields for segment in after.segments] == [segment.fields for segment in before.segments]
    assert [fragment(part, part) is not None for part in parts] == [True] * len(parts)
