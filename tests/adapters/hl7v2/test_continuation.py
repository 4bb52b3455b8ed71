"""Messages continued by DSC and MSH-14: joined under the first, cut anywhere; what doesn't fit stays apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import read, units


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
